"""``show ip slb stats``: the counters of the balancer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, TypedDict

from ryu_haslb.show.column_types import Count
from ryu_haslb.show.report import Report, as_table
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column
from ryu_haslb.slb.drop_reason import DropReason

#: The counter of a drop reason is this and the reason's token: ``dropped_fragment``.
DROPPED = "dropped_"


class CounterRow(TypedDict):
    """A counter of the balancer."""

    counter: Annotated[str, "Name of the counter, such as requests, dropped, or dropped_fragment for one drop reason."]
    value: Count
    text: Annotated[str, "The counter as show ip slb stats prints it."]


def statistics(sources: Sources) -> Iterator[CounterRow]:
    """The counters of the balancer, drops in total and for each reason; and how far the limit of sessions is."""
    counted, sessions = sources.balancer.statistics, sources.balancer.sessions
    for name in (
        *("requests", "dispatched", "assignments", "retries", "reassignments", "deregistrations", "timeouts"),
        "evictions",
    ):
        yield {"counter": name, "value": getattr(counted, name), "text": name}
    for name, value in (
        ("sessions", len(sessions)),
        ("unconfirmed_sessions", sessions.limit.unconfirmed),
        ("session_limit", sessions.limit.limit),
    ):
        yield {"counter": name, "value": value, "text": name.replace("_", " ")}
    yield {"counter": "dropped", "value": counted.dropped, "text": "dropped"}
    for reason, count in counted.drops.items():
        yield {"counter": DROPPED + reason.value, "value": count, "text": f"dropped: {reason.text}"}


STATISTICS = Report(
    statistics,
    as_table(
        Column("text", "counter", max(len(f"dropped: {reason.text} ") for reason in DropReason)),
        Column("value", "value", 12),
    ),
)
