"""Counts the rules of one table, and those of them with our mark. Pure.

Both numbers are asked for with one write: the switch reads the requests one after the other, without a change of ours
between them. Open vSwitch knows the number of all rules (table statistics), and visits each rule of the table once for
those with our mark (aggregate statistics).
"""

from __future__ import annotations

from typing import Optional

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
    """The two numbers of one table; each is None until the switch has reported it.

    ``total_xid`` and ``marked_xid`` are the transaction ids of the two requests.
    """

    def __init__(self, table: int, total_xid: int, marked_xid: int) -> None:
        self.total_xid, self.marked_xid = total_xid, marked_xid
        self._table = table
        self._total: Optional[int] = None
        self._marked: Optional[int] = None

    @property
    def request(self) -> bytes:
        """Both requests."""
        marked = rule_count_request(self.marked_xid, self._table, COOKIE_MARK, COOKIE_MARK_MASK)
        return table_stats_request(self.total_xid) + marked

    @property
    def is_complete(self) -> bool:
        """Whether both replies are there."""
        return self._total is not None and self._marked is not None

    @property
    def has_marked(self) -> bool:
        """Whether the number of rules with our mark is known."""
        return self._marked is not None

    @property
    def are_all_marked(self) -> bool:
        """Whether all rules have our mark, and there are some. A switch that ignores cookies reports that as well."""
        return bool(self._marked) and self._total == self._marked

    def on_total(self, message: bytes) -> None:
        """Read a part of the reply to the request for all rules.

        Raises:
            MalformedMessage: the message is cut short, or is another reply.
        """
        count = table_stats(message).get(self._table)
        if count is not None:
            self._total = count
        elif self._total is None and not has_more(message):
            self._total = _UNKNOWN

    def on_marked(self, message: bytes) -> None:
        """Read the reply to the request for those with our mark.

        Raises:
            MalformedMessage: the message is cut short, or is another reply.
        """
        self._marked = rule_count(message)
