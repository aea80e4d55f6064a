"""``show ip slb probe``: the results of probes for each real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Optional, TypedDict

from ryu_haslb.configuration.model import ProbeKind
from ryu_haslb.show.column_types import Address, Count, Port, Seconds, Values
from ryu_haslb.show.report import Report
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column, table
from ryu_haslb.slb.probing import Target, TargetState

ProbeState = Annotated[str, Values(enum=tuple(state.value for state in TargetState))]


class ProbeRow(TypedDict):
    """A real server that a probe of its farm asks."""

    real: Address
    port: Annotated[Port, "UDP port of the real server."]
    state: Annotated[ProbeState, "State of the real server by this probe; see docs/states.md."]
    outages: Annotated[Count, "Times that it has failed by this probe."]
    current: Annotated[Optional[Seconds], "How long its present outage lasts; null if there is none."]
    cumulative: Annotated[Seconds, "How long all its outages have lasted."]
    probe: Annotated[str, "Name of the probe."]
    kind: Annotated[str, Values(enum=tuple(kind.value for kind in ProbeKind))]
    farm: str
    interval: Annotated[Seconds, "Time between two probes, as configured."]
    faildetect: Annotated[Count, "Consecutive unanswered probes after which it has failed."]
    source: Annotated[Optional[Address], "Source address of the probes; null: the virtual address, in direct mode."]
    nai: Annotated[Optional[str], "NAI in an ipmobile probe; null for a ping."]
    questions: Annotated[Count, "Probes that were sent to it."]
    answers: Annotated[Count, "Probes that it has answered in time."]
    unanswered: Annotated[Count, "Consecutive unanswered probes up to now."]
    round_trip: Annotated[Optional[Seconds], "Time that the last answer took; null before the first one."]


def probes(sources: Sources, name: Optional[str] = None) -> Iterator[ProbeRow]:
    """The results of each probe for each real server, or of the probe with this name."""
    now = time.monotonic()
    for target in list(sources.balancer.probing.targets):
        if name in (None, target.probe.name):
            yield _row(target, now)


def _row(target: Target, now: float) -> ProbeRow:
    probe, outage = target.probe, target.outage(now)
    return {
        "real": str(target.real.configuration.address),
        "port": target.real.port,
        "state": target.state.value,
        "outages": target.outages,
        "current": None if target.failed_since is None else outage,
        "cumulative": target.past_outages + outage,
        "probe": probe.name,
        "kind": probe.kind.value,
        "farm": target.farm.name,
        "interval": probe.interval,
        "faildetect": probe.faildetect,
        "source": None if probe.source is None else str(probe.source),
        "nai": probe.nai if probe.kind is ProbeKind.IPMOBILE else None,
        "questions": target.questions,
        "answers": target.answers,
        "unanswered": target.failures,
        "round_trip": target.round_trip,
    }


def _printed(row: ProbeRow) -> dict[str, object]:
    current = "never" if row["current"] is None else _duration(row["current"])
    server = f"{row['real']}:{row['port']}"
    return {**row, "server": server, "current": current, "cumulative": _duration(row["cumulative"])}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


_COLUMNS = (
    Column("server", "Server:Port", 24),
    Column("state", "State", 13),
    Column("outages", "Outages", 9),
    Column("current", "Current", 11),
    Column("cumulative", "Cumulative", 11),
)


def _table(rows: Iterator[ProbeRow]) -> Iterator[Optional[str]]:
    return table(_COLUMNS, map(_printed, rows))


def _details(rows: Iterator[ProbeRow]) -> Iterator[str]:
    for row in rows:
        trip = "none" if row["round_trip"] is None else f"{1000 * row['round_trip']:.1f} ms"
        yield "{probe}, {kind}, {server}, farm = {farm}, state = {state}".format(**_printed(row))
        yield f"  interval = {row['interval']} s, faildetect = {row['faildetect']}"
        yield f"  source = {row['source'] or 'virtual address'}" + (f", nai = {row['nai']}" if row["nai"] else "")
        yield f"  questions = {row['questions']}, answers = {row['answers']}, round trip = {trip}"
        yield "  unanswered = {unanswered}, outages = {outages}, current = {current}, cumulative = {cumulative}".format(
            **_printed(row)
        )


PROBES = Report(probes, _table)
PROBES_DETAIL = Report(probes, _details)
