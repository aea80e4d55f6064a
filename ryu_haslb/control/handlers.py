"""What the balancer does for each command of the table: reads a report, calls an operation, or follows events."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ryu_haslb.cluster.switchover_reason import SwitchoverReason
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.control import configuring, crypto, operations
from ryu_haslb.control.command_table import SECRETS
from ryu_haslb.control.file_handlers import FILE_HANDLERS, changed
from ryu_haslb.control.handler import Handler, RefusedError, Result, Words
from ryu_haslb.control.operations import Application
from ryu_haslb.control.protocol import SEPARATOR
from ryu_haslb.control.slb_handlers import SLB_HANDLERS
from ryu_haslb.engine import describe
from ryu_haslb.show.dfp import DFP_AGENT, DFP_AGENTS, DFP_WEIGHTS, DfpAgentRow
from ryu_haslb.show.history import STATE_CHANGES
from ryu_haslb.show.log import LOGGING
from ryu_haslb.show.redundancy import MEMBERS, REDUNDANCY, SWITCHOVERS
from ryu_haslb.show.report import Report
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.statistics import STATISTICS
from ryu_haslb.show.switches import SWITCHES, SWITCHES_DETAIL

#: About when the process began, by a clock that does not jump.
_STARTED_AT = time.monotonic()


def _report(report: Report[Any]) -> Handler:
    return lambda _application, _words: report


def _version(_application: Application, _: Words) -> Result:
    running = timedelta(seconds=int(time.monotonic() - _STARTED_AT))
    return iter([f"{describe()}, Python {platform.python_version()}", f"uptime is {running}"])


def _clock(_application: Application, _: Words) -> Result:
    now = datetime.now(timezone.utc)
    return iter([f"*{now:%H:%M:%S}.{now.microsecond // 1000:03} UTC {now:%a %b} {now.day} {now.year}"])


def _running_configuration(application: Application, words: Words) -> Result:
    text = write_configuration(application.sources.configuration, with_secrets=SECRETS in words).splitlines()
    return iter(["Building configuration...", "", *text, "end"])


def _dfp_agent(application: Application, words: Words) -> Result:
    wanted = (str(words["ADDRESS"]), words["PORT"])

    def rows(sources: Sources) -> Iterator[DfpAgentRow]:
        return (row for row in DFP_AGENT.rows(sources) if (row["address"], row["port"]) == wanted)

    if not any(rows(application.sources)):
        raise RefusedError(f"no such DFP agent: {wanted[0]} {wanted[1]}; see show ip slb dfp")
    return replace(DFP_AGENT, rows=rows)


def _ipsec_sa(application: Application, _: Words) -> Result:
    return crypto.ipsec_sa(application.sources.configuration)


def _isakmp_sa(application: Application, _: Words) -> Result:
    return crypto.isakmp_sa(application.sources.configuration)


def _clear_counters(application: Application, _: Words) -> Result:
    operations.clear_counters(application)
    return iter(["counters cleared"])


def _clear_ipsec(application: Application, _: Words) -> Result:
    return iter([f"{operations.clear_ipsec(application)} pairs of security associations cleared"])


def _clear_isakmp(application: Application, _: Words) -> Result:
    return iter([f"{operations.clear_isakmp(application)} ISAKMP associations cleared"])


def _config(application: Application, words: Words) -> Result:
    text = "\n".join(words["COMMANDS"].split(SEPARATOR))
    return changed(lambda: configuring.apply_commands(application, text, "command"))


def _retire(application: Application, _: Words) -> Result:
    return operations.retire(application, time.monotonic)


def _switch_activity(application: Application, _: Words) -> Result:
    member = application.sources.member
    if member is None:
        raise RefusedError("this balancer is in no cluster; see docs/cluster.md for how to make one")
    objection = member.objection_to_hand_over(time.monotonic()) if member.is_leading else ""
    if objection:
        raise RefusedError(f"{objection}; stop this member to hand over all the same")
    if not member.resign(SwitchoverReason.SWITCH_ACTIVITY):
        raise RefusedError(f"this member does not lead; {member.leader or 'no member'} does")
    return iter(["this member leads until another one does; see show redundancy"])


def _undebug(_application: Application, _: Words) -> Result:
    return iter(["All possible debugging has been turned off (each debug ends with its Ctrl-C)"])


#: The handler of each command of the balancer, by the command's template.
HANDLERS: dict[str, Handler] = {
    **SLB_HANDLERS,
    "show ip slb switches": _report(SWITCHES),
    "show ip slb switches detail": _report(SWITCHES_DETAIL),
    "show ip slb history": _report(STATE_CHANGES),
    "show clock": _clock,
    "show version": _version,
    "show logging": _report(LOGGING),
    "show redundancy [states]": _report(REDUNDANCY),
    "show redundancy members": _report(MEMBERS),
    "show redundancy switchover history": _report(SWITCHOVERS),
    "redundancy {switch-activity | force-switchover}": _switch_activity,
    "show ip slb dfp": _report(DFP_AGENTS),
    "show ip slb dfp weights": _report(DFP_WEIGHTS),
    "show ip slb dfp agent ADDRESS PORT<1-65535>": _dfp_agent,
    "show ip slb stats": _report(STATISTICS),
    "show crypto ipsec sa": _ipsec_sa,
    "show crypto isakmp sa": _isakmp_sa,
    "show running-config [secrets]": _running_configuration,
    "clear ip slb counters": _clear_counters,
    "clear crypto sa": _clear_ipsec,
    "clear crypto isakmp": _clear_isakmp,
    "undebug {all | ip slb sessions [ipmobile]}": _undebug,
    "config COMMANDS": _config,
    **FILE_HANDLERS,
    "retire": _retire,
}
