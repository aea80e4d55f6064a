"""The audit of a learning table: finds the rules of learned addresses that others have changed.

Without its actions such a rule drops what is sent to its address, for as long as packets are sent there. The switch
reports by itself when one is deleted (flow-removed message), but not when one is changed. So they are compared::

    3 s after the first address was learned,   ask for the rules of table 3, and then for those of table 4
    and every 4 s                              -> one has another effect than it was sent with -> forget the address
                                               -> one bears our mark and is none of ours       -> remove it
                                                  (:mod:`.extraneous`)

An address that is forgotten is learned with its next packet. :mod:`.audit` compares the rules that are always there.
"""

from __future__ import annotations

import logging
from typing import Callable, Optional

from ryu_haslb.openflow.audit.extraneous import MAX_RULES, Extraneous, has_place_of, purpose_of
from ryu_haslb.openflow.audit.sent_rules import SentRules
from ryu_haslb.openflow.audit.session_rows import shortened
from ryu_haslb.openflow.flow_tables.pipeline import LEARNING_PURPOSES, PIPELINE, Purpose, Rule
from ryu_haslb.openflow.flow_tables.rule_messages import SentRule, learned_instructions
from ryu_haslb.openflow.learning.table import DEAF_INTERVAL, Learning
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.wire.flow_mod import match_fields
from ryu_haslb.openflow.wire.multipart import FlowStats, flow_stats, flow_stats_request, has_more, options_of
from ryu_haslb.openflow.wire.rule_parts import canonical_match
from ryu_haslb.openflow.wire.wire import MalformedMessage
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK

LOG = logging.getLogger(__name__)

#: Seconds between the first address and the first comparison, which shows how the switch reports rules.
FIRST_INTERVAL = 3.0
#: Seconds between two comparisons, and the same as a multiple of what the last one took.
COMPARE_INTERVAL = 4.0
_COMPARE_PAUSE = 100.0
#: Seconds without a further part of a reply after which the request is given up.
REPLY_TIMEOUT = 15.0
_PURPOSES = (Purpose.FORWARD_LEARNED, Purpose.KNOWN_SOURCE)


class LearnedAudit:
    """Audits what was learned of one switch over one connection. ``learning`` returns its learning table, if any."""

    def __init__(
        self,
        channel: SwitchChannel,
        learning: Callable[[], Optional[Learning]],
        remove: Callable[[list[FlowStats]], None],
    ) -> None:
        #: Rules that are none of ours; :mod:`.audit` reports those that were removed.
        self.extraneous = Extraneous(remove)
        self._not_ours: list[FlowStats] = []
        #: The purposes of which a rule was reported with the match that it was sent with.
        self._proven: set[Purpose] = set()
        self._channel = channel
        self._datapath_id = channel.id
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
            self._to_read, self._not_ours = list(_PURPOSES), []
            self._continue(now)

    def on_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Read a part of a reply. False when it is the reply to another request."""
        if xid != self._xid:
            return False
        self._heard_at = now
        try:
            for row in flow_stats(message, with_options=True):
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
            learning = self._learning()
            if learning is not None and learning.is_settled:  # else rules that it has forgotten may still be there
                self.extraneous.look(self._not_ours, is_all=True)
            self._end(now)
            return
        self._purpose = self._to_read.pop(0)
        self._xid, self._heard_at = self._channel.next_xid(), now
        table = PIPELINE[self._purpose].table
        self._channel.transmit(flow_stats_request(self._xid, table, COOKIE_MARK, COOKIE_MARK_MASK))

    def _on_row(self, row: FlowStats) -> None:
        learning, purpose = self._learning(), purpose_of(row.cookie)
        is_asked_for = row.table == PIPELINE[self._purpose].table and row.cookie & COOKIE_MARK_MASK == COOKIE_MARK
        if learning is None or purpose in LEARNING_PURPOSES or not is_asked_for:
            return  # some switches report the whole table
        rule = learning.rule_with(row.cookie, self._purpose) if purpose is self._purpose else None
        if not self._may_be(row, purpose, rule):
            if learning.is_settled and len(self._not_ours) < MAX_RULES:
                self._not_ours.append(shortened(row))
            return
        port = learning.port_of(row.cookie)
        if port is None:
            return
        purpose = self._purpose
        sent = SentRule(row.table, row.priority, purpose.cookie, learned_instructions(purpose, port))
        if self._sent_rules.is_changed(row, sent):
            self._changed += 1
            learning.on_removed(row.cookie)

    def _may_be(self, row: FlowStats, purpose: Optional[Purpose], rule: Optional[Rule]) -> bool:
        """Whether a rule that bears our mark may be ours: ``rule``, or that of a port which is not listened to."""
        if purpose is None or not has_place_of(row, purpose):
            return False
        if purpose is Purpose.LEARN_NOTHING:
            return 0 < options_of(row).hard_timeout <= DEAF_INTERVAL
        if rule is None:
            return False
        is_as_sent = canonical_match(row.match) == canonical_match(match_fields(rule.match))
        if is_as_sent:
            self._proven.add(purpose)
        return is_as_sent or purpose not in self._proven  # it may report matches in another form

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
