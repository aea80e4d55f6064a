"""``show ip slb history``: the state changes of the last days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import islice
from typing import Annotated, Optional, TypedDict

from ryu_haslb.language.wording import printable
from ryu_haslb.show.column_types import Count, Values
from ryu_haslb.show.report import Report, as_table
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.state_history import Kind
from ryu_haslb.show.table import Column

ChangeKind = Annotated[str, Values(enum=tuple(kind.value for kind in Kind))]


class StateChangeRow(TypedDict):
    """A change of the last days."""

    at: Annotated[str, Values(format="date-time"), "When, in UTC."]
    kind: Annotated[ChangeKind, "What has changed."]
    name: Annotated[str, "Name of what has changed; of a configuration its source, such as a file."]
    state: Annotated[str, "The state after it; of a configuration how many commands it has changed."]
    was: Annotated[str, "The state before; none if there was none."]
    left_out: Annotated[Count, "Changes of the same object before this one that have no row, since it flapped."]


def state_changes(sources: Sources, limit: Optional[int] = None) -> Iterator[StateChangeRow]:
    """The state changes of the last days, the newest first."""
    for each in islice(() if sources.history is None else sources.history.newest_first(), limit):
        yield {
            "at": datetime.fromtimestamp(each.at, timezone.utc).isoformat(timespec="seconds"),
            "kind": each.kind.value,
            "name": printable(each.name),
            "state": printable(each.state),
            "was": printable(each.was),
            "left_out": each.left_out,
        }


STATE_CHANGES = Report(
    state_changes,
    as_table(
        Column("at", "at", 27),
        Column("kind", "kind", 15),
        Column("name", "name", 30),
        Column("state", "state", 16),
        Column("was", "was", 15),
    ),
)
