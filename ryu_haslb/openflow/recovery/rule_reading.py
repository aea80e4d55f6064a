"""Reads the session rules of one switch in slices, so that neither switch nor balancer is busy for long.

With a million rules in one reply a switch would do nothing else for many seconds, and the balancer would hold a copy of
all of them. Tags are hashes, so their low bits divide the rules evenly, and a slice is asked for by a mask of the
cookie::

    table-stats reply: the number of rules -> the number of slices
    flow-stats reply of one slice          -> each rule is handed on as it comes
    last part of it                        -> the next slice, after a pause in which the switch serves requests
    no part within REPLY_TIMEOUT, and the switch replies to barriers -> reading ends
"""

from __future__ import annotations

import logging
from typing import Callable, NamedTuple, Optional

from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.wire.multipart import (
    FlowStats,
    flow_stats,
    flow_stats_request,
    has_more,
    is_marked_as_continued,
    table_stats,
    table_stats_request,
)
from ryu_haslb.openflow.wire.wire import MalformedMessage
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS, COOKIE_MARK_MASK, cookie_of

LOG = logging.getLogger(__name__)

#: Seconds without a further part of a reply after which reading ends.
REPLY_TIMEOUT = 10.0
#: Seconds without a reply to the request for the number of rules after which they are read at once.
COUNT_TIMEOUT = 2.0
#: Slices at most: the low bits of a tag that divide the rules.
_MAX_SLICES = 1 << 12


class Pace(NamedTuple):
    """How fast rules are read: how many one request asks for, about, and the pause between two slices.

    The pause is a multiple of the time that the last slice took, and ``max_pause`` seconds at most.
    """

    slice_rules: int
    pause: float
    max_pause: float


#: Is called with each rule.
OnRow = Callable[[FlowStats, float], None]
#: Is called once at the end, with the reason if reading was given up, else with an empty text.
OnEnd = Callable[[str, float], None]


class RuleReading:
    """Reads the session rules of one switch, once. ``is_complete``: all have been read, or reading has ended."""

    def __init__(self, datapath_id: int, on_row: OnRow, on_end: OnEnd, pace: Pace) -> None:
        self.is_complete = False
        self._datapath_id = datapath_id
        self._on_row, self._on_end = on_row, on_end
        self._pace = pace
        self._xid: Optional[int] = None
        self._slices, self._slices_read = 0, 0
        self._deadline = 0.0
        self._asked_at = 0.0
        self._next_at: Optional[float] = None
        self._malformed = False

    @property
    def is_waiting(self) -> bool:
        """Whether the switch has been asked for rules and has not sent them all."""
        return self._xid is not None and not self.is_complete

    def has_read(self, tag: int) -> bool:
        """Whether the slice of this tag has been read to its end."""
        return self._slices > 0 and tag & self._slices - 1 < self._slices_read

    def request(self, xid: int, now: float) -> bytes:
        """The message that begins to read, or goes on where the last connection was lost."""
        self._xid = xid
        self._asked_at, self._next_at = now, None
        self._deadline = now + (REPLY_TIMEOUT if self._slices else COUNT_TIMEOUT)
        if not self._slices:
            return table_stats_request(xid)
        low_bits = self._slices - 1 << COOKIE_MARK_BITS
        return flow_stats_request(xid, Table.SESSIONS, cookie_of(self._slices_read), low_bits | COOKIE_MARK_MASK)

    def skip(self) -> None:
        """The rules are known already, or there can be none."""
        self.is_complete = True

    def disconnect(self) -> None:
        """The connection is lost: the rest of a reply will not come."""
        self._xid = self._next_at = None

    def on_reply(self, xid: int, message: bytes, now: float) -> Optional[bool]:
        """Read a part of a reply. None when it is the reply to another request; True when the next :meth:`request` is
        due."""
        if xid != self._xid or self.is_complete:
            return None
        self._deadline = now + REPLY_TIMEOUT
        if not self._slices:
            return self._on_table_stats(message)
        try:
            for row in flow_stats(message):
                self._on_row(row, now)
            more = has_more(message)
        except MalformedMessage as error:
            self._on_malformed(error)
            more = is_marked_as_continued(message)  # its header may be malformed as well
        if more:
            return False
        self._slices_read += 1
        if self._slices_read == self._slices:
            self._complete("", now)
        else:
            self._xid, self._next_at = None, now + min(self._pace.pause * (now - self._asked_at), self._pace.max_pause)
        return False

    def on_error(self, xid: int, error: object, now: float) -> Optional[bool]:
        """The switch rejects a request. None when it is another one; True when the next :meth:`request` is due."""
        if xid != self._xid or self.is_complete:
            return None
        if not self._slices:  # it does without table statistics
            self._slices = 1
            return True
        self._complete(f"rejected the request for its session rules ({error})", now)
        return False

    def advance(self, is_busy: bool, now: float) -> bool:
        """Give up a reply of which no part has come for long. True when the next :meth:`request` is due.

        ``is_busy``: the switch replies to no barrier either, so it has not come to the request.
        """
        if self._next_at is not None:
            return now >= self._next_at
        if self._xid is None or self.is_complete:
            return False
        if is_busy:
            self._deadline = max(self._deadline, now + (REPLY_TIMEOUT if self._slices else COUNT_TIMEOUT))
        if now < self._deadline:
            return False
        if not self._slices:
            self._slices = 1
            return True
        self._complete(f"sent no part of its session rules for {REPLY_TIMEOUT:.0f} s", now)
        return False

    def _on_table_stats(self, message: bytes) -> bool:
        try:
            rules = table_stats(message).get(Table.SESSIONS)
            if rules is None and has_more(message):
                return False
        except MalformedMessage:
            rules = None
        self._slices = 1
        while self._slices * self._pace.slice_rules < (rules or 0) and self._slices < _MAX_SLICES:
            self._slices *= 2
        if self._slices > 1:
            LOG.info("Switch %016x: reading %d session rules", self._datapath_id, rules)
        return True

    def _complete(self, reason: str, now: float) -> None:
        self.is_complete = True
        self._on_end(reason, now)

    def _on_malformed(self, error: MalformedMessage) -> None:
        if not self._malformed:
            self._malformed = True
            LOG.warning(
                "Switch %016x: malformed flow-stats reply (%s); the sessions in the rest of this part are lost",
                *(self._datapath_id, error),
            )
