"""Changes of the configuration that no operator waits for: SIGHUP, and a roll-back. The log has what they change."""

from __future__ import annotations

import logging
import signal
import time
from typing import Optional

from ryu_haslb.control import configuring
from ryu_haslb.control.cluster_configuration import ClusterConfiguration
from ryu_haslb.control.configuring import Change
from ryu_haslb.control.operations import Application, UndecidedError
from ryu_haslb.control.rollback import RETRY_INTERVAL, NotArmedError, RollingBackError
from ryu_haslb.language.diagnostics import ConfigurationError

LOG = logging.getLogger(__name__)


def reload(application: Application, cluster: Optional[ClusterConfiguration]) -> None:
    """Apply the configuration file again. One that has an error changes nothing.

    In a cluster the file is only compared: the configuration of the cluster is in force. With that, a balancer that was
    retired serves its switches again.
    """
    name, path = signal.SIGHUP.name, application.startup_file.path
    try:
        if cluster is not None:
            application.end_retirement()
            cluster.report_file(path, configuring.plan_file(application, path).changes)
            return
        change = configuring.apply_file(application, path, by=name)
    except ConfigurationError as error:
        for each in error.errors:
            LOG.error("%s (%s)", each, name)
        LOG.error("%s: %s was not applied; nothing was changed", name, path)
        return
    for warning in change.warnings:
        LOG.warning("%s (%s)", warning, name)
    _log_notes(path, change)
    if not change.changes:  # else each line is in the log
        LOG.info("%s: %s changes nothing", name, path)


def roll_back(application: Application) -> None:
    """Go back to what was in force before ``configure confirm MINUTES``, which was not confirmed in time."""
    LOG.warning("rollback: the change was not confirmed in time; restoring the configuration before it")
    try:
        change = configuring.roll_back(application, time.monotonic)
    except (NotArmedError, RollingBackError):  # an operator was first
        return
    except (ConfigurationError, UndecidedError) as error:
        LOG.error("rollback: failed, next attempt in %g s: %s", RETRY_INTERVAL, error)
        return
    _log_notes("rollback", change)
    LOG.warning("rollback: the previous configuration is in force again (%d lines changed)", len(change.changes))


def _log_notes(source: str, change: Change) -> None:
    for line in change.notes:
        LOG.info("%s: %s", source, line)
