"""A change that waits to be confirmed, as a row of the database: what the cluster goes back to, and when. Pure.

Every member shows it, any member confirms it, and the member that leads by then rolls back. A row that no member writes
is not followed: what it has may be anything, and would be the configuration of all members.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Union

from ryu_haslb.cluster.configuration_rows import MAX_TEXT
from ryu_haslb.cluster.rows import Changes, Columns, Kind

ROLLBACK = Kind("Rollback", (), ("text", "deadline"))
#: Seconds by which a deadline may be ahead: more than a change can wait, since the clocks of two machines may differ.
MAX_AHEAD = 2 * 86_400
#: Seconds by which a deadline may be over: members may have been stopped meanwhile.
MAX_OVERDUE = 30 * 86_400


class PendingRollback(NamedTuple):
    """The configuration to go back to, and when (seconds of the wall clock)."""

    text: str
    deadline: int

    def row(self) -> Columns:
        """The row of the database."""
        return self._asdict()


def read_rollback(rows: Collection[Columns], now: float) -> Union[PendingRollback, str, None]:
    """What the rows say at this time of the wall clock.

    None if no change waits, a text that says what is wrong if no member writes such rows.
    """
    if not rows:
        return None
    if len(rows) > 1:
        return f"{len(rows)} rows; expected one at most"
    (row,) = rows
    text, deadline = row["text"], row["deadline"]
    if not isinstance(text, str) or not isinstance(deadline, int):
        return "values of other types; expected a text and a number"
    if len(text) > MAX_TEXT:
        return f"a configuration of {len(text)} characters; expected at most {MAX_TEXT}"
    if not now - MAX_OVERDUE <= deadline <= now + MAX_AHEAD:
        days = f"{MAX_OVERDUE // 86_400} days ago and in {MAX_AHEAD // 86_400} days"
        return f"the deadline {deadline}; expected seconds since 1970 that are between {days}"
    return PendingRollback(text, deadline)


def to_arm(rows: Mapping[Any, Columns], wanted: PendingRollback, now: float) -> Changes:
    """Begin to wait. If a change waits already only the time is new. Rows that no member writes are replaced."""
    if isinstance(read_rollback(rows.values(), now), PendingRollback):
        return Changes(ROLLBACK, update={each: {"deadline": wanted.deadline} for each in rows}, verify="deadline")
    return Changes(ROLLBACK, insert=[wanted.row()], delete=list(rows), verify="deadline")


def to_end(rows: Mapping[Any, Columns]) -> Changes:
    """Wait no longer."""
    return Changes(ROLLBACK, delete=list(rows), verify="deadline")
