"""What a switch that was tested can be used for: the verdict for each mode of the balancer. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ryu_haslb.openflow.capabilities.capabilities import CAPABILITIES, Capability
from ryu_haslb.switch_test.examination import Findings
from ryu_haslb.switch_test.measurements import CAPACITY
from ryu_haslb.switch_test.trial import Result


class Verdict(Enum):
    """The value is the token in JSON."""

    WORKS = "works"
    WORKS_WITHOUT = "works_without"
    NOT_KNOWN = "not_known"
    CANNOT_SERVE = "cannot_serve"


class Mode(NamedTuple):
    """A way to use a switch: what it cannot do without, and what it does with less without."""

    token: str
    name: str
    needs: tuple[Capability, ...]
    uses: tuple[Capability, ...] = ()


class Judgement(NamedTuple):
    """``capabilities`` are those that are lacking, ``untried`` those of the needs that were not tried."""

    mode: Mode
    verdict: Verdict
    capabilities: tuple[Capability, ...] = ()
    untried: tuple[Capability, ...] = ()


_C = Capability
_BASE = (
    *(_C.PACKET_OUT, _C.PACKET_IN, _C.OUTPUT, _C.MATCHES, _C.SET_ETH_SRC, _C.SET_ETH_DST),
    _C.COOKIE_DELETION,
)
_SERVING = (
    *(_C.METADATA, _C.BARRIERS, _C.SESSION_TABLE, _C.TABLE_OUTPUT, _C.BUNDLES, _C.METERS),
    *(_C.FLOW_STATISTICS, _C.IDLE_TIMEOUT, _C.FLOW_REMOVED),
)

MODES = (
    Mode("dispatched", "dispatched mode", _BASE, _SERVING),
    Mode("direct", "direct mode", (*_BASE, _C.SET_IPV4_DST), (*_SERVING, _C.SET_UDP_DST)),
    Mode("vlan", "home agents in a VLAN", (_C.PUSH_VLAN,)),
    Mode("normal", "switching normal", (_C.NORMAL,)),
    Mode(
        "learn",
        "switching learn",
        (_C.VLAN_MATCH, _C.MATCHES),
        (_C.BARRIERS, _C.LEARNING_TABLES, _C.FLOOD, _C.IDLE_TIMEOUT, _C.FLOW_REMOVED),
    ),
    Mode("cluster", "cluster", (_C.ROLES,), (_C.FLOW_MONITOR, _C.FLOW_STATISTICS)),
)


def judge(findings: Findings) -> list[Judgement]:
    """The verdict for each mode."""
    return [_judge(mode, findings) for mode in MODES]


def serves(findings: Findings) -> bool:
    """Whether the switch can be served in dispatched mode, and the test has completed."""
    return not findings.failure and _judge(MODES[0], findings).verdict in (Verdict.WORKS, Verdict.WORKS_WITHOUT)


def _judge(mode: Mode, findings: Findings) -> Judgement:
    lacking = tuple(each for each in mode.needs if _result(each, findings).lacks)
    if lacking or findings.is_silent:
        return Judgement(mode, Verdict.CANNOT_SERVE, lacking)
    untried = tuple(each for each in mode.needs if _is_untried(each, findings))
    if _is_open(mode, findings):
        return Judgement(mode, Verdict.NOT_KNOWN, (), untried)
    without = tuple(each for each in mode.uses if _result(each, findings).lacks)
    return Judgement(mode, Verdict.WORKS_WITHOUT if without else Verdict.WORKS, without, untried)


def _result(capability: Capability, findings: Findings) -> Result:
    return findings.outcomes[capability].result


def _is_untried(capability: Capability, findings: Findings) -> bool:
    """Output to a port is tried over a cable only, and taken for granted without one."""
    result = _result(capability, findings)
    return capability is not Capability.OUTPUT and result in (Result.ACCEPTED, Result.NOT_TRIED)


def _is_open(mode: Mode, findings: Findings) -> bool:
    """Whether a need was not tried. What is accepted is taken to work, but for output to NORMAL."""
    return any(
        each is Capability.NORMAL or _result(each, findings) is Result.NOT_TRIED
        for each in mode.needs
        if _is_untried(each, findings)
    )


def sentence(judgement: Judgement) -> str:
    """The verdict for the operator."""
    names = ", ".join(CAPABILITIES[each].name for each in judgement.capabilities)
    untried = ", ".join(CAPABILITIES[each].name for each in judgement.untried)
    text = {
        Verdict.WORKS: "works",
        Verdict.WORKS_WITHOUT: f"works without {names}",
        Verdict.NOT_KNOWN: "not known",
        Verdict.CANNOT_SERVE: f"cannot serve: lacks {names}" if names else "cannot serve",
    }[judgement.verdict]
    return f"{text} (not tried: {untried})" if untried else text


def advice(findings: Findings, datapath_id: int) -> str:
    """The statement for the balancer's configuration that follows from the findings; empty if there is none."""
    if _judge(MODES[0], findings).verdict is Verdict.CANNOT_SERVE:
        return ""
    words = ""
    if _result(Capability.NORMAL, findings).lacks:
        words += " switching learn"
    for each in findings.measured:
        if each.token == CAPACITY and each.is_full and each.value:
            words += f" max-rules {each.value:.0f}"
    return f"ip slb datapath {datapath_id:016x}{words}" if words else ""
