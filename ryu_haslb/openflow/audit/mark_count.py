"""Counts the rules of one table, and those of them with our mark. Pure.

The numbers are asked for with one write: the switch reads the requests one after the other, without a change of ours
between them. Open vSwitch knows the number of all rules (table statistics), and visits each rule of the table once for
those with our mark (aggregate statistics).

Table statistics may be wrong: a switch may leave out its table-miss rule, and then one rule of others is not noticed.
So all rules are counted by aggregate statistics as well, until both numbers were reported once. If they differ, table
statistics are not used any more.
"""

from __future__ import annotations

from typing import Callable, Optional

from ryu_haslb.openflow.wire.multipart import (
    has_more,
    rule_count,
    rule_count_request,
    table_stats,
    table_stats_request,
)
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK

#: Stands for a number that the switch does not report. It differs from every number of rules.
_UNKNOWN = -1


class MarkCount:
    """The numbers of one table; each is None until the switch has reported it.

    ``next_xid`` returns the next transaction id. ``is_table_right`` tells whether table statistics count the rules of
    this table right; None if that is not known. ``total_xid`` is that of the request for table statistics, and
    ``counted_xid`` that of the request to count all rules; None if it is not made.
    """

    def __init__(self, table: int, next_xid: Callable[[], int], is_table_right: Optional[bool]) -> None:
        self.total_xid = None if is_table_right is False else next_xid()
        self.marked_xid = next_xid()
        self.counted_xid = None if is_table_right else next_xid()
        self._table = table
        self._total: Optional[int] = None
        self._marked: Optional[int] = None
        self._counted: Optional[int] = None

    @property
    def request(self) -> bytes:
        """All requests."""
        request = rule_count_request(self.marked_xid, self._table, COOKIE_MARK, COOKIE_MARK_MASK)
        if self.total_xid is not None:
            request = table_stats_request(self.total_xid) + request
        if self.counted_xid is not None:
            request += rule_count_request(self.counted_xid, self._table, 0, 0)
        return request

    @property
    def xids(self) -> set[int]:
        """The transaction ids of all requests."""
        return {xid for xid in (self.total_xid, self.marked_xid, self.counted_xid) if xid is not None}

    @property
    def is_complete(self) -> bool:
        """Whether all replies are there."""
        return self.are_counted and (self.total_xid is None or self._total is not None)

    @property
    def are_counted(self) -> bool:
        """Whether all replies but that with table statistics are there."""
        return self._marked is not None and (self.counted_xid is None or self._counted is not None)

    @property
    def are_all_marked(self) -> bool:
        """Whether all rules have our mark, and there are some. A switch that ignores cookies reports that as well."""
        total = self._total if self.counted_xid is None else self._counted
        return bool(self._marked) and total == self._marked

    @property
    def is_none_marked(self) -> bool:
        """Whether no rule has our mark."""
        return self._marked == 0

    @property
    def is_table_right(self) -> bool:
        """Whether table statistics count the rules of this table right, as far as is known from these numbers."""
        return self.total_xid is not None and (self.counted_xid is None or self._total == self._counted)

    def take(self, xid: int, message: bytes) -> None:
        """Read a reply, or a part of it, to the request with this transaction id.

        Raises:
            MalformedMessage: the message is cut short, or is another reply.
        """
        if xid == self.total_xid:
            self._take_table_stats(message)
        elif xid == self.marked_xid:
            self._marked = rule_count(message)
        else:
            self._counted = rule_count(message)

    def _take_table_stats(self, message: bytes) -> None:
        count = table_stats(message).get(self._table)
        if count is not None:
            self._total = count
        elif self._total is None and not has_more(message):
            self._total = _UNKNOWN
