"""The audit of a learning table: finds the rules of learned addresses that others have changed.

Without its actions such a rule drops what is sent to its address, for as long as somebody sends there. The switch
reports by itself when one is deleted (flow-removed message), and not when one is changed. So they are compared::

    3 s after the first address was learned,   ask for the rules of table 3, and then for those of table 4
    and every 60 s                             -> one has another effect than it was sent with -> forget the address

An address that is forgotten is learned with its next packet.
"""

from __future__ import annotations

import logging
from typing import Callable, Optional

from ryu_haslb.openflow.audit.sent_rules import SentRules
from ryu_haslb.openflow.learning import Learning
from ryu_haslb.openflow.pipeline import PIPELINE, SESSION_KEY_MASK, Purpose
from ryu_haslb.openflow.rule_messages import SentRule, learned_instructions
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import MalformedMessage
from ryu_haslb.openflow.wire_multipart import FlowStats, flow_stats, flow_stats_request, has_more

LOG = logging.getLogger(__name__)

#: Seconds between the first address and the first comparison, which shows how the switch reports rules.
FIRST_INTERVAL = 3.0
#: Seconds between two comparisons, and the same as a multiple of what the last one took.
COMPARE_INTERVAL = 60.0
_COMPARE_PAUSE = 100.0
#: Seconds without a further part of a reply after which the request is given up.
REPLY_TIMEOUT = 15.0
_PURPOSES = (Purpose.FORWARD_LEARNED, Purpose.KNOWN_SOURCE)


class LearnedAudit:
    """Audits what was learned of one switch over one connection. ``learning`` returns its learning table, if any."""

    def __init__(self, channel: Channel, datapath_id: int, learning: Callable[[], Optional[Learning]]) -> None:
        self._channel = channel
        self._datapath_id = datapath_id
        self._learning = learning
        self._sent_rules = SentRules()
        self._due_at: Optional[float] = None
        self._began_at = self._heard_at = 0.0
        self._xid: Optional[int] = None
        self._to_read: list[Purpose] = []
        self._purpose = Purpose.FORWARD_LEARNED
        self._changed = 0
        self._is_possible = True

    def tick(self, now: float) -> None:
        """Ask for the rules when that is due."""
        if self._xid is not None:
            if now > self._heard_at + REPLY_TIMEOUT:
                self._end(now)
        elif self._due_at is None:
            if self._is_possible and self._learning():
                self._due_at = now + FIRST_INTERVAL
        elif now >= self._due_at:
            self._began_at, self._changed = now, 0
            self._to_read = list(_PURPOSES)
            self._continue(now)

    def on_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Read a part of a reply. False when it is the reply to another request."""
        if xid != self._xid:
            return False
        self._heard_at = now
        try:
            for row in flow_stats(message):
                self._on_row(row)
            more = has_more(message)
        except MalformedMessage as error:
            LOG.warning(
                "Switch %016x: malformed flow-stats reply (%s); this comparison of learned rules is given up",
                *(self._datapath_id, error),
            )
            self._end(now)
            return True
        if not more:
            self._continue(now)
        return True

    def on_error(self, xid: int) -> bool:
        """The switch rejects the request: it is not asked again. False when it is another message."""
        if xid != self._xid:
            return False
        self._xid, self._due_at, self._is_possible = None, None, False
        return True

    def _continue(self, now: float) -> None:
        """Ask for the next table, if one is left."""
        if not self._to_read:
            self._end(now)
            return
        self._purpose = self._to_read.pop(0)
        self._xid, self._heard_at = self._channel.next_xid(), now
        table = PIPELINE[self._purpose].table
        self._channel.transmit(flow_stats_request(self._xid, table, self._purpose.cookie, SESSION_KEY_MASK))

    def _on_row(self, row: FlowStats) -> None:
        learning, purpose = self._learning(), self._purpose
        if learning is None or row.cookie & SESSION_KEY_MASK != purpose.cookie:
            return  # some switches report the whole table
        port = learning.port_of(row.cookie)
        if port is None:
            return
        sent = SentRule(row.table, row.priority, purpose.cookie, learned_instructions(purpose, port))
        if self._sent_rules.is_changed(row, sent):
            self._changed += 1
            learning.on_removed(row.cookie)

    def _end(self, now: float) -> None:
        """The comparison is over. Without an address the next one begins with the first."""
        self._xid = None
        pause = max(COMPARE_INTERVAL, _COMPARE_PAUSE * (now - self._began_at))
        self._due_at = now + pause if self._learning() else None
        if self._changed:
            LOG.warning(
                "Switch %016x: %d rules of learned addresses were changed by another controller or operator; the "
                "addresses are learned anew",
                *(self._datapath_id, self._changed),
            )
