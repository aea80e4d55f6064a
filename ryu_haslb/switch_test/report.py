"""The report of a test: a table for the operator, and JSON for a bug report. Pure.

The JSON can be sent to others: it has no addresses, no names of ports, and no serial number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ryu_haslb import __version__, build
from ryu_haslb.language.wording import printable
from ryu_haslb.openflow.capabilities.capabilities import CAPABILITIES
from ryu_haslb.openflow.capabilities.switch_records import FORMAT
from ryu_haslb.openflow.wire.wire import OFPP_MAX
from ryu_haslb.switch_test.bench import TEST_MARK, TEST_MARK_MASK, Bench
from ryu_haslb.switch_test.examination import Examination, Findings
from ryu_haslb.switch_test.trial import Outcome, Result
from ryu_haslb.switch_test.verdicts import advice, judge, sentence

_WORDS = {
    Result.WORKS: "works",
    Result.ACCEPTED: "accepted",
    Result.IGNORED: "no",
    Result.REJECTED: "no: rejected",
    Result.CLOSED: "no: closes",
    Result.MALFORMED: "no: malformed",
    Result.NOT_TRIED: "not tried",
}


def as_json(examination: Examination, remarks: Sequence[str]) -> dict[str, Any]:
    """The report as data; ``remarks`` are what the switch did that it should not."""
    findings, bench = examination.findings, examination.bench
    return {
        "format": FORMAT,
        "haslb": __version__,
        "build": build(),
        "switch": _switch(bench),
        "is_complete": not findings.failure,
        "failure": findings.failure,
        "capabilities": {
            each.value: {"result": outcome.result.value, "detail": printable(outcome.detail)}
            for each, outcome in findings.outcomes.items()
        },
        "measurements": {each.token: {"value": each.value, "note": each.note} for each in findings.measured},
        "modes": {
            each.mode.token: {
                "verdict": each.verdict.value,
                "lacks": [lacking.value for lacking in each.capabilities],
                "not_tried": [untried.value for untried in each.untried],
            }
            for each in judge(findings)
        },
        "advice": advice(findings, bench.identity.datapath_id),
        "reconnections": findings.reconnections,
        "rules_left": findings.left,
        "remarks": [printable(each) for each in remarks],
    }


def _switch(bench: Bench) -> dict[str, Any]:
    identity, found = bench.identity, bench.description
    return {
        "datapath_id": f"{identity.datapath_id:016x}",
        "make": found.make,
        "hardware": found.hardware,
        "software": found.software,
        "tables": identity.tables,
        "ports": len([port for port in identity.ports if port < OFPP_MAX]),
        "cable": list(bench.cable) if bench.cable else None,
        "tls": identity.is_tls,
    }


def lines(examination: Examination, remarks: Sequence[str]) -> Iterator[str]:
    """The report as text."""
    findings, bench = examination.findings, examination.bench
    yield from _heading(bench)
    yield ""
    rows = [_row(CAPABILITIES[each].name, outcome) for each, outcome in findings.outcomes.items()]
    yield from _columns([("capability", "result", "seen"), *rows])
    if findings.measured:
        yield ""
        yield from _columns([("measured", "", ""), *map(_measured, findings.measured)])
    yield ""
    judgements = [(each.mode.name, sentence(each)) for each in judge(findings)]
    yield from _columns([("mode", "verdict"), *judgements])
    yield ""
    statement = advice(findings, bench.identity.datapath_id)
    if statement:
        yield f"for the configuration of the balancer: {statement}"
        yield ""
    yield from _ending(findings, remarks)


def _heading(bench: Bench) -> Iterator[str]:
    facts = _switch(bench)
    make = (
        ", ".join(filter(None, (facts["make"], facts["hardware"], facts["software"]))) or "which does not name its make"
    )
    transport = "TLS" if facts["tls"] else "TCP"
    yield f"switch {facts['datapath_id']}: {make}"
    yield f"from {bench.identity.address} over {transport}; {facts['tables']} tables, {facts['ports']} ports"


def _row(name: str, outcome: Outcome) -> tuple[str, str, str]:
    return name, _WORDS[outcome.result], printable(outcome.detail)


def _measured(each: Any) -> tuple[str, str, str]:
    value = (
        "-"
        if each.value is None
        else f"{each.value:,.0f} {each.unit}"
        if each.value >= 100
        else f"{each.value:.3g} {each.unit}"
    )
    return each.name, value, each.note


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def _ending(findings: Findings, remarks: Sequence[str]) -> Iterator[str]:
    for remark in remarks:
        yield f"remark: {printable(remark)}"
    if findings.reconnections:
        yield f"remark: the switch closed its connection {findings.reconnections} times"
    if findings.failure:
        yield f"the test is not complete: {printable(findings.failure)}"
    yield left_behind(findings)


def left_behind(findings: Findings) -> str:
    """What is still on the switch."""
    by_hand = (
        f"remove them by hand: rules with the cookie {TEST_MARK:#x}/{TEST_MARK_MASK:#x}; on Open vSwitch: "
        f"ovs-ofctl -O OpenFlow13 del-flows BRIDGE cookie={TEST_MARK:#x}/{TEST_MARK_MASK:#x}"
    )
    if findings.left is None:
        return f"rules of the test may be left on the switch; {by_hand}"
    if findings.left:
        return f"{findings.left:,} rules of the test are left on the switch; {by_hand}"
    return "all that the test has made is removed"
