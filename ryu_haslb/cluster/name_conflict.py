"""Whether another member has the name of this one, and which of the two gives way. Pure.

Members are told apart by their names: the leader in the database, the rows of the table Member, the records of
switchovers. So of two members with one name only one may lead. Each start has an *instance* of its own. A member that
has published its row, and finds another instance in it, is in conflict with that. The one that does not lead gives
way; if neither or both lead, the one with the greater instance does. Both compare the same, so they agree.

The one that gives way asks for no lock, and does not lead, until it has seen nothing of the other for
:data:`.ABSENCE_TIMEOUT`. It takes the row once for each beat, so that the other sees it; this one takes the row back at
once. A member that was started again finds its own former instance before it has published anything: no conflict.
"""

from __future__ import annotations

from typing import Optional

from ryu_haslb.cluster.member_rows import ABSENCE_TIMEOUT, MemberInfo


class NameConflict:
    """The conflict of this member, which has this ``instance``, with another one of its name.

    ``gives_way``: this member does not lead as long as the other one is there.
    """

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.gives_way = False
        self._has_published = False
        self._other: Optional[MemberInfo] = None
        self._until: Optional[float] = None

    @property
    def exists(self) -> bool:
        """Whether another member has, or had until some seconds ago, the name of this one."""
        return self._until is not None

    def on_row(self, row: Optional[MemberInfo], is_leading: bool, now: float) -> bool:
        """The database has this row of this member's name. Returns whether a conflict begins."""
        if row is None:
            return False
        if row.instance == self.instance:
            self._has_published = True
            return False
        other = self._other
        is_known = other is not None and (row.instance, row.beat) == (other.instance, other.beat)
        if not self._has_published or is_known:  # other rows have changed
            return False
        is_first, self._other = not self.exists, row
        self._until = now + ABSENCE_TIMEOUT
        self._decide(is_leading)
        return is_first

    def on_time(self, is_leading: bool, now: float) -> None:
        """Time has passed, and this member leads by now, or no more."""
        if self._until is not None and now >= self._until:
            self._until = None
        self._decide(is_leading)

    def _decide(self, is_leading: bool) -> None:
        other = self._other if self.exists else None
        self.gives_way = other is not None and (other.is_leading, self.instance) > (is_leading, other.instance)
