"""The audit of one switch's session rules: finds deleted and changed ones, and those without a session.

Reading every session rule of a large switch keeps it busy for seconds, so the rules are counted first
(:mod:`.rule_count`), and compared when their number differs, or after a while::

    ask for the rules of one slice after the other (a slice: the tags with the same low bits)
        -> a session's rule is not among them         -> deleted: install it again
        -> it has other actions                       -> changed: install it again
        -> a rule has no session that has a rule here -> orphaned: look a second time (:mod:`.orphaned_rules`)
        -> it has another priority or match           -> none of ours: removed after a second look (:mod:`.extraneous`)
    ask for the rules with our mark and no tag        -> all but the standing rules are none of ours

:mod:`.session_rows` judges the rows of a slice. After each slice there is a pause of four times the time that the slice
took, so that the audit takes at most a fifth of the switch's time; the pause is limited to 2 s. Rules that wait or are
outstanding are left out. When others have changed rules, any rule may lead to another home agent (``ovs-ofctl
replace-flows`` with an old dump of the table): until all are compared, requests go by packet-out. Nothing is audited
before recovery has read all rules, or has given up. If it has given up, the first comparison recovers the sessions of
the rules that it did not read, and removes none of them.

A rule with an idle time-out has the switch send a flow-removed message, which distinguishes a time-out from a deletion
at once. Rules without an idle time-out do not: beyond :data:`.session_rules.MAX_SESSIONS_WITH_IDLE_TIMEOUT` there would
be one message for each session that ends.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from typing import Callable, Optional

from ryu_haslb.openflow.audit.extraneous import Extraneous
from ryu_haslb.openflow.audit.orphaned_rules import OrphanedRules, Recovers
from ryu_haslb.openflow.audit.rule_count import SLICE_PAUSE, RuleCount
from ryu_haslb.openflow.audit.session_rows import UNTAGGED, SessionRows
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.flow_tables.session_rule import session_slice, untagged_slice
from ryu_haslb.openflow.sessions.session_rules import SessionRules
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.wire.multipart import FlowStats, flow_stats, flow_stats_request, has_more
from ryu_haslb.openflow.wire.wire import MalformedMessage
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import Session

LOG = logging.getLogger(__name__)

#: How many rules one flow-stats request asks for, about: at most and at least; and how many requests read a table for
#: which that leaves a choice. Requests of mobiles wait for the work on one slice: Open vSwitch visits each rule of the
#: table (70 ns), and for a rule of the slice it needs 1.3 microseconds and this program 1.6. With 30,000 rules a slice
#: of 1,000 takes 4 ms, and one of 4,096 takes 17.
MAX_SLICE_RULES, MIN_SLICE_RULES, _MAX_SMALL_SLICES = 4096, 256, 32
#: Slices at most, and rules without a session that are kept of one slice: a switch may report any numbers.
_MAX_SLICES = 1 << 12
_MAX_UNEXPECTED = 4 * MAX_SLICE_RULES
#: The longest pause after a slice, in seconds.
_MAX_SLICE_PAUSE = 2.0
#: Sessions that one tick divides into slices.
_SESSIONS_PER_TICK = 5_000
#: Seconds without a further part of a reply after which the request is given up.
REPLY_TIMEOUT = 15.0
#: Seconds that a session must still have for its rule to count as missing: the switch's clock is not ours.
_MIN_REMAINING = 2.0
#: Seconds between two looks at a rule that no session has.
SECOND_LOOK_INTERVAL = 2.0
#: Comparisons in a row that find none of our rules. After them the switch is taken for one that does not report its
#: rules, and nothing is compared any more.
_MAX_EMPTY_COMPARISONS = 3
#: How often slices are halved on a switch that damages its replies: some of them then come whole.
_MAX_HALVINGS = 6
#: No tag. ``has_recovered`` returns for it whether recovery has read all rules, or has given up.
_NO_TAG = 0


class SessionAudit:
    """Audits the session rules over one connection.

    ``recovery`` decides which rules may be removed, ``remove`` deletes rules that the switch has reported.
    """

    def __init__(
        self,
        channel: SwitchChannel,
        rules: SessionRules,
        balancer: Balancer,
        recovery: Recovers,
        remove: Callable[[list[FlowStats]], None],
    ) -> None:
        #: Rules that are none of ours; :mod:`.audit` reports those that were removed.
        self.extraneous = Extraneous(remove)
        self.remove = remove
        self.is_comparing = False
        self._missing = 0
        self._channel = channel
        self._datapath_id = datapath_id = channel.id
        self._rules = rules
        self._balancer = balancer
        self._recovery = recovery
        self._xid: Optional[int] = None
        self._asked_at = self._heard_at = 0.0
        self._count = RuleCount(datapath_id, rules, balancer.sessions)
        self._began_at = self._next_at = self._reading = 0.0
        self._to_divide: Optional[Iterator[list[Session]]] = None
        self._slices: list[list[Session]] = []
        self._slice = 0
        self._to_read: deque[int] = deque()
        self._to_look_again: deque[int] = deque()
        self._look_again_at = 0.0
        self._looks_again = False
        self._rows = SessionRows(datapath_id, rules, balancer.sessions)
        self._empty_comparisons = 0
        self._orphaned = OrphanedRules(datapath_id, rules, balancer, recovery)
        self._has_found = self._is_due_again = False
        self._is_complete, self._halvings = True, 0

    @property
    def is_reading(self) -> bool:
        """Whether the switch has been asked for session rules, and has not sent them all."""
        return self.is_comparing and self._xid is not None

    def take_missing(self) -> int:
        """The number of rules that were found deleted or changed since this was last called."""
        missing, self._missing = self._missing, 0
        return missing

    def begin(self, now: float) -> None:
        """The standing rules are in place: count soon."""
        self._count.begin(now)

    def compare(self, now: float) -> None:
        """Compare all session rules, beginning now, since others have changed some; again, if that is under way."""
        self._is_due_again = self.is_comparing
        if self._empty_comparisons < _MAX_EMPTY_COMPARISONS:
            self._rules.are_doubted = True
            if not self.is_comparing:
                self._begin_comparison(now)

    def _begin_comparison(self, now: float) -> None:
        self.is_comparing, self._rows.was_found = True, False
        self._has_found = self._is_due_again = False
        self._began_at = self._next_at = now
        self._is_complete, self._reading = True, 0.0
        self._xid = None
        self._count.on_comparison()
        self._to_divide = self._balancer.sessions.slices(_SESSIONS_PER_TICK)
        rules = max(len(self._balancer.sessions), self._count.reported)  # there may be more rules than sessions
        slices = 1 if self._rows.ignores_cookies else min(slices_for(rules) << self._halvings, _MAX_SLICES)
        self._slices = [[] for _ in range(slices)]
        self._to_read = deque(range(len(self._slices)) if self._rows.ignores_cookies else range(UNTAGGED, slices))
        self._to_look_again.clear()
        self._look_again_at = now
        self._orphaned.begin()
        self.extraneous.begin()

    def tick(self, now: float) -> None:
        """Ask for what is due, and give up what has had no reply."""
        if not self._recovery.has_recovered(_NO_TAG):
            return  # the switch holds rules of sessions that are not known yet
        if self._rules.is_reinstalling:
            return
        if self._xid is not None:
            if now > self._heard_at + REPLY_TIMEOUT:
                self._give_up(now)
        elif self.is_comparing:
            if now >= self._next_at:
                self._continue_comparison(now)
        elif self._count.is_comparison_due(now):
            self._begin_comparison(now)
        elif self._count.is_due(now) and self._count.count():
            self._ask(self._count.request, now)

    def on_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Read a part of a reply. False when it is the reply to another request."""
        if xid != self._xid:
            return False
        self._heard_at = now
        try:
            if self.is_comparing:
                for row in flow_stats(message):
                    self._rows.take(row)
                if self._rows.count_unexpected() > _MAX_UNEXPECTED:
                    raise MalformedMessage(f"more than {_MAX_UNEXPECTED} rules without a session in one slice")
                more = has_more(message)
                if not more:
                    self._finish_slice(now)
            else:
                count, more = self._count.rules_in(message), has_more(message)
                if count is not None and self._count.on_rules(count, now):
                    self._empty_comparisons = 0  # the switch does report what it holds
        except MalformedMessage as error:
            LOG.warning("Switch %016x: malformed statistics reply (%s); ignored", self._datapath_id, error)
            if self.is_comparing:
                self._skip_slice(now)
            else:
                self._give_up(now)
            return True
        if not more:
            self._xid = None
        return True

    def on_error(self, xid: int, now: float) -> bool:
        """The switch rejects a request. False when it is another one."""
        if xid != self._xid:
            return False
        if not self.is_comparing:
            self._count.on_rejected()
        self._give_up(now)
        return True

    def _ask(self, message: Callable[[int], bytes], now: float) -> None:
        self._xid = self._channel.next_xid()
        self._asked_at = self._heard_at = now
        self._channel.transmit(message(self._xid))

    def _give_up(self, now: float) -> None:
        """End a count or a comparison without a result."""
        self._xid = None
        if self.is_comparing:
            self._is_complete = False
            self._end_comparison(now)
        else:
            self._count.on_no_count(now)

    def _skip_slice(self, now: float) -> None:
        """The reply is damaged: these rules are not compared this time. From the next time on slices are smaller."""
        self._xid = None
        if self._is_complete:
            self._is_complete, self._halvings = False, min(self._halvings + 1, _MAX_HALVINGS)
        self._go_on(now)

    def _continue_comparison(self, now: float) -> None:
        """Divide the sessions into slices, some with each tick; then ask for the rules of the next slice."""
        if self._to_divide is not None:
            some = next(self._to_divide, [])
            for session in some:
                self._slices[session.tag & len(self._slices) - 1].append(session)
            if len(some) == _SESSIONS_PER_TICK:
                return
            self._to_divide = None
        self._looks_again = not self._to_read
        self._slice = (self._to_read or self._to_look_again).popleft()
        expected: dict[int, Session] = {}
        if self._slice == UNTAGGED:
            cookie, mask = untagged_slice()
        else:
            sessions, self._slices[self._slice] = self._slices[self._slice], []
            # Only rules that are confirmed before the request is sent must be in the reply.
            expected = {session.tag: session for session in sessions if self._has_rule(session)}
            cookie, mask = session_slice(self._slice, len(self._slices))
        self._rows.begin(self._slice, len(self._slices), expected)
        self._ask(lambda xid: flow_stats_request(xid, Table.SESSIONS, cookie, mask), now)

    def _finish_slice(self, now: float) -> None:
        """All rules of the slice have been read: install the missing ones, note or remove those without a session."""
        missing, changed = ([each for each in some if self._must_have_rule(each, now)] for some in self._rows.end())
        self._reading += now - self._asked_at
        if missing or changed:
            self._restore(missing, changed)
        has_orphaned = bool(self._rows.unexpected) and self._orphaned.look(self._rows.unexpected, now)
        if (self.extraneous.look(self._rows.not_ours) or has_orphaned) and not self._looks_again:
            self._has_found = True
            self._look_again_at = self._asked_at + SECOND_LOOK_INTERVAL
            self._to_look_again.append(self._slice)
        self._go_on(now)

    def _restore(self, missing: list[Session], changed: list[Session]) -> None:
        """Have missing and changed rules installed again, and count them as deleted by others.

        A switch may not say which rules have timed out. The rule of a recovered session without a further request does
        so before the session. If only such rules are missing, and nothing else shows others, they are not counted.
        """
        self._has_found = True
        self._count.on_corrected()
        self._rules.reinstall([*missing, *changed])
        if changed or any(session.has_requested for session in missing):
            self._rules.are_doubted = True
        if self._rules.are_doubted:
            self._missing += len(missing) + len(changed)

    def _go_on(self, now: float) -> None:
        """Read the next slice after a pause, or end the comparison."""
        self._next_at = now + min(SLICE_PAUSE * (now - self._asked_at), _MAX_SLICE_PAUSE)
        if self._to_read:
            return
        if not self._looks_again:
            if self._is_complete:
                self._recovery.end_adoption()
            self._next_at = max(self._next_at, self._look_again_at)
        if not self._to_look_again:
            self._end_comparison(now)

    def _end_comparison(self, now: float) -> None:
        self.is_comparing = False
        self._rules.are_doubted = self._is_due_again or (self._rules.are_doubted and not self._is_complete)
        self._slices = []
        self._rows.forget()
        if self._rows.was_found:
            self._empty_comparisons = 0
        elif self._has_found:
            self._empty_comparisons += 1
        if self._orphaned.removed:
            self._count.on_corrected()
        is_clean = self._is_complete and not self._has_found
        self._count.on_compared(self._began_at, now, self._reading, is_clean, self._is_due_again)
        self._orphaned.end()

    def _has_rule(self, session: Session) -> bool:
        return session.rule_at == self._datapath_id and session.is_live

    def _must_have_rule(self, session: Session, now: float) -> bool:
        return self._has_rule(session) and session.deadline > now + _MIN_REMAINING


def slices_for(rules: int) -> int:
    """The number of slices in which so many rules are read: a power of two."""
    size = min(max(rules // _MAX_SMALL_SLICES, MIN_SLICE_RULES), MAX_SLICE_RULES)
    return min(_MAX_SLICES, 1 << max(0, (rules - 1) // size).bit_length())
