"""A change that waits to be confirmed, as a row of the database: what the cluster goes back to, and when. Pure.

Every member shows it, any member confirms it, and the member that leads by then rolls back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Optional

from ryu_haslb.cluster.configuration_rows import MAX_TEXT
from ryu_haslb.cluster.rows import Changes, Columns, Kind

ROLLBACK = Kind("Rollback", (), ("text", "deadline"))


class PendingRollback(NamedTuple):
    """The configuration to go back to, and when (seconds of the wall clock)."""

    text: str
    deadline: int

    def row(self) -> Columns:
        """The row of the database."""
        return self._asdict()


def read_rollback(rows: Collection[Columns]) -> Optional[PendingRollback]:
    """What the rows say; None if no change waits, or if the row cannot be a member's."""
    for row in rows:
        text, deadline = row["text"], row["deadline"]
        if isinstance(text, str) and isinstance(deadline, int) and len(text) <= MAX_TEXT:
            return PendingRollback(text, deadline)
    return None


def to_arm(rows: Mapping[Any, Columns], wanted: PendingRollback) -> Changes:
    """Begin to wait. If a change waits already only the time is new."""
    if not rows:
        return Changes(ROLLBACK, insert=[wanted.row()])
    return Changes(ROLLBACK, update={each: {"deadline": wanted.deadline} for each in rows}, verify="deadline")


def to_end(rows: Mapping[Any, Columns]) -> Changes:
    """Wait no longer."""
    return Changes(ROLLBACK, delete=list(rows), verify="deadline")
