"""The log of a changed configuration: who has changed it, each line that was removed or added, what is in force."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

import eventlet

from ryu_haslb.configuration.model import Configuration

LOG = logging.getLogger(__name__)

#: Lines that are logged before Registration Requests have their turn.
MAX_LINES_PER_STEP = 20


def log_applied(
    by: str, changes: Collection[str], configuration: Configuration, consequences: Iterable[str] = ()
) -> None:
    """Log each line of a change, behind them which sessions end or move, and the size of what is in force now.

    No change is no event.
    """
    if changes:
        log_change(by, (*changes, *consequences))
        reals = sum(len(farm.reals) for farm in configuration.farms.values())
        counts = f"farms={len(configuration.farms)} reals={reals} vservers={len(configuration.virtual_servers)}"
        LOG.info("%s", f"%SLB-5-CONFIG: by={by} applied lines={len(changes)} {counts}")


def log_change(by: str, changes: Iterable[str]) -> None:
    """Log each line of a change, in which keys and passwords are masked. Requests are served meanwhile."""
    for number, line in enumerate(changes):
        LOG.info("%s", f"%SLB-5-CONFIG: by={by} {line}")
        if number % MAX_LINES_PER_STEP == 0:
            eventlet.sleep(0)
