"""The audit of one switch: finds which of our rules others have deleted, and has them installed again.

Another controller, or an operator (``ovs-ofctl del-flows``), may delete our rules at any time::

    standing rules   flow-removed message (OFPFF_SEND_FLOW_REM) -> compare at once
                     every 3 s                                  -> compare
    other rules      those of :mod:`.reply_rules` and of rate-limited clients; compared with the standing rules
    session rules    :mod:`.session_audit`; compared at once when a standing rule was deleted
    meters           :mod:`.meters`; the switch deletes the rules of a deleted meter with it
    learned rules    :mod:`.learned_audit`
    rules of others  :mod:`.override_audit`: they stay, and those that override ours are reported

    compare          the rules of each purpose are fewer than were installed, or do something else than they were sent
                     with (:mod:`.sent_rules`), or are not the same as at first, time-outs and flags included
                     -> restore: the meter of all requests and every standing rule are installed again
                     a rule bears our mark and is none of ours (:mod:`.extraneous`) -> removed

Everything that is found at about the same time is one incident. Each incident has one log line, and there is at most
one line in :data:`.incident.LOG_INTERVAL`. While the standing rules are being installed, nothing is compared.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Callable, Optional

from ryu_haslb.openflow.audit.extraneous import Extraneous, extraneous, purpose_of
from ryu_haslb.openflow.audit.incident import Incidents, Restored
from ryu_haslb.openflow.audit.sent_rules import Sender, SentRules
from ryu_haslb.openflow.audit.session_audit import SessionAudit
from ryu_haslb.openflow.delivery.backoff import Backoff
from ryu_haslb.openflow.flow_tables.pipeline import (
    LEARNED_PURPOSES,
    MEMORY_COOKIES,
    PIPELINE,
    PURPOSE_MASK,
    REPLY_PURPOSES,
    TEMPORARY_PURPOSES,
    Table,
)
from ryu_haslb.openflow.flow_tables.rule_messages import SentRule
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.wire.multipart import FlowStats, flow_stats, flow_stats_request, has_more
from ryu_haslb.openflow.wire.wire import MalformedMessage
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK

LOG = logging.getLogger(__name__)

#: Seconds between two comparisons of the standing rules.
AUDIT_INTERVAL = 3.0
#: Seconds between two looks at a rule that is none of ours.
_SECOND_LOOK_INTERVAL = 1.0
#: Seconds after a flow-removed message until the next comparison: others may follow it.
_FLOW_REMOVED_INTERVAL = 0.1
#: Seconds after which a restoration is repeated at the latest, if others delete again and again.
_MAX_RESTORE_INTERVAL = 8.0
#: Seconds without a reply after which the request is given up.
_REPLY_TIMEOUT = 15.0
#: Rows of a reply that are kept, beside four for each standing rule: those of rate-limited clients and of storms are
#: among them. A reply may go on for ever.
_MAX_FURTHER_ROWS = 10_000
#: Bytes of their matches and instructions, beside four times those of the standing rules: a row may have 65,000.
_MAX_FURTHER_BYTES = 2 << 20
#: Restorations in a row after which the switch still does not report its rules, so that they cannot be audited.
_MAX_FRUITLESS_RESTORATIONS = 4
#: The bits of a cookie by which a standing rule of ours is recognized: the mark, and no tag.
_STANDING_MASK = 0xFFFFFFFF0000FFFF
#: The purposes of rules that are not there all the time.
_COMING_AND_GOING = REPLY_PURPOSES | TEMPORARY_PURPOSES | LEARNED_PURPOSES
_EXACT_COOKIE = 0xFFFFFFFFFFFFFFFF


class Audit:
    """Audits one switch over one connection.

    ``restore()`` has to install the standing rules again. ``senders`` have rules that come and go, and send them again.
    """

    def __init__(
        self,
        channel: SwitchChannel,
        sessions: SessionAudit,
        restored: Restored,
        restore: Callable[[], None],
        senders: Sequence[Sender],
    ) -> None:
        self._extraneous = Extraneous(sessions.remove)
        self._senders = senders
        self._asked_versions: list[int] = []
        self._sent_rules = SentRules()
        self._channel = channel
        self._datapath_id = channel.id
        self._sessions = sessions
        self._incidents = Incidents(channel.id, restored)
        self._restore = restore
        self._is_expecting = False
        self._rules: list[SentRule] = []
        self._at_first: Optional[Counter[FlowStats]] = None
        self._rows: list[FlowStats] = []
        #: Bytes of their matches and instructions.
        self._size = 0
        self._max_size = _MAX_FURTHER_BYTES
        #: Table, cookie and mask of each request without a whole reply, by its transaction id.
        self._asked: dict[int, tuple[int, int, int]] = {}
        self._heard_at = self._due_at = 0.0
        self._backoff = Backoff(_MAX_RESTORE_INTERVAL)
        self._fruitless = 0
        self._was_verified = False
        self._is_possible = True

    @property
    def is_reading_sessions(self) -> bool:
        """Whether the switch is reading a slice of its session rules for us."""
        return self._sessions.is_reading

    @property
    def is_possible(self) -> bool:
        """False once the switch was found not to report its standing rules as they were installed."""
        return self._is_possible

    @property
    def in_place(self) -> list[SentRule]:
        """The standing rules that are in place; none while they are being replaced."""
        return self._rules if self._is_expecting else []

    def suspend(self) -> None:
        """The standing rules are being replaced, or the switch is not served: compare nothing."""
        self._is_expecting = False
        self._give_up_reading()

    def expect(self, rules: list[SentRule], now: float) -> None:
        """These standing rules are in place."""
        self.suspend()
        if rules != self._rules:  # else the switch must report them as it did at first
            self._rules, self._at_first = rules, None
            self._max_size = _MAX_FURTHER_BYTES + 4 * sum(map(_size, rules))
        self._is_expecting = True
        # The first comparison shows the form in which the switch reports rules: before it no deletion is recognized.
        self._due_at = now if self._at_first is None else now + AUDIT_INTERVAL
        self._sessions.begin(now)

    def tick(self, now: float) -> None:
        """Ask for what is due, and report what was restored."""
        if not self._is_expecting:
            return
        if self._asked:
            if now > self._heard_at + _REPLY_TIMEOUT:
                self._give_up_reading()
        elif self._is_possible and now >= self._due_at and not self._backoff.must_wait(now):
            self._ask(now)
        self._sessions.tick(now)
        self._follow_comparison(now)
        self._incidents.report(self._sessions.is_comparing, now)

    def on_flow_removed(self, cookie: int, now: float) -> bool:
        """A rule has left its table. False when it is not a standing rule of ours."""
        if cookie & _STANDING_MASK != COOKIE_MARK and cookie & PURPOSE_MASK not in MEMORY_COOKIES:
            return False
        self._due_at = min(self._due_at, now + _FLOW_REMOVED_INTERVAL)
        return True

    def on_session_rule_deleted(self, now: float) -> None:
        """The rule of a session that should have one was deleted, and not by us."""
        if self._is_expecting:
            self._sessions.compare(now)

    def on_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Read a part of a reply. False when it is the reply to another request."""
        asked = self._asked.get(xid)
        if asked is None:
            return self._sessions.on_reply(xid, message, now)
        self._heard_at = now
        try:
            self._keep(row for row in flow_stats(message, with_options=True) if _is_asked_for(row, *asked))
            more = has_more(message)
        except MalformedMessage as error:
            LOG.warning("Switch %016x: malformed flow-stats reply (%s); audit given up", self._datapath_id, error)
            self._give_up_reading()
            self._due_at = now + AUDIT_INTERVAL
            return True
        if not more:
            del self._asked[xid]
            if not self._asked:
                self._compare(now)
                self._forget_rows()
        return True

    def _keep(self, rows: Iterable[FlowStats]) -> None:
        """Keep rows until the reply is complete.

        Raises:
            MalformedMessage: there are too many, or one is malformed.
        """
        for row in rows:
            self._rows.append(row)
            self._size += _size(row)
        if len(self._rows) > _MAX_FURTHER_ROWS + 4 * len(self._rules):
            raise MalformedMessage(f"{len(self._rows)} rules of ours: {len(self._rules)} were installed")
        if self._size > self._max_size:
            raise MalformedMessage(f"rules of ours with {self._size} bytes of matches and instructions")

    def _give_up_reading(self) -> None:
        self._asked.clear()
        self._forget_rows()

    def _forget_rows(self) -> None:
        self._rows, self._size = [], 0

    def on_error(self, xid: int, now: float) -> bool:
        """The switch rejects a request. False when it is another one."""
        if xid not in self._asked:
            return self._sessions.on_error(xid, now)
        self._give_up_reading()
        self._end("rejects flow-stats requests")
        return True

    def _ask(self, now: float) -> None:
        """Ask for all rules with our mark in small tables, and for each standing rule of others by its whole cookie.

        With a whole cookie Open vSwitch uses its index of cookies, and does not visit all session rules.
        """
        self._due_at, self._heard_at = now + AUDIT_INTERVAL, now
        self._forget_rows()
        self._asked_versions = [sender.version for sender in self._senders]
        small = [table for table in (Table.CLASSIFIER, Table.REPLIES) if table < self._channel.tables]
        requests: list[tuple[Table, int, int]] = [(table, COOKIE_MARK, COOKIE_MARK_MASK) for table in small]
        elsewhere = {(Table(rule.table), rule.cookie) for rule in self._rules if rule.table not in small}
        requests += [(table, cookie, _EXACT_COOKIE) for table, cookie in sorted(elsewhere)]
        for table, cookie, mask in requests:
            xid = self._channel.next_xid()
            self._asked[xid] = table, cookie, mask
            self._channel.transmit(flow_stats_request(xid, table, cookie, mask))

    def _compare(self, now: float) -> None:
        """Compare the reply with the rules that were installed."""
        if not self._is_expecting:
            return
        unchanged = [
            sender for sender, version in zip(self._senders, self._asked_versions) if sender.version == version
        ]  # of the others some rules have changed since the request
        not_ours = self._find_extraneous(len(unchanged) == len(self._senders), now)
        for sender in unchanged:
            self._compare_rules_of(sender, now)
        rows = Counter(row for row in self._rows if _is_common(row)) - Counter(not_ours)
        lost = self._sent_rules.lost(self._rules, rows.elements())
        count = lost if lost or self._at_first is None else sum((self._at_first - rows).values())
        if not count:
            self._at_first = self._at_first or rows
            self._was_verified = True
            self._fruitless = 0
            self._backoff.reset()
            return
        self._fruitless += 1
        if self._fruitless >= _MAX_FRUITLESS_RESTORATIONS and not self._was_verified:
            self._end("does not report them as they were installed")
            return
        if self._fruitless >= _MAX_FRUITLESS_RESTORATIONS:
            self._expect_other_form(lost > 0)
        else:
            self._backoff.on_rejected(now)
        if self._was_verified:  # else the switch may report its rules in another form than they were sent in
            self._record(now, standing_rules=count)
        self._sessions.compare(now)
        self._restore()

    def _expect_other_form(self, has_other_effects: bool) -> None:
        """The switch may report rules in another form by now, and their effects as well.

        It is asked as soon as they are installed: what others change before that would be taken for the form.
        """
        self._at_first = None
        if has_other_effects:
            self._sent_rules = SentRules()
        self._fruitless = 0
        self._backoff.reset()

    def _find_extraneous(self, are_settled: bool, now: float) -> list[FlowStats]:
        """Find rules that bear our mark and are none of ours, and remove those that were found before."""
        are_settled = are_settled and all(sender.is_settled for sender in self._senders)
        sent = [*self._rules, *(rule for sender in self._senders for rule in sender.sent)]
        found = extraneous(self._rows, sent, are_settled)
        if self._extraneous.look(found, is_all=True):
            self._due_at = min(self._due_at, now + _SECOND_LOOK_INTERVAL)
        self.take_extraneous(self._extraneous, now)
        return found

    def take_extraneous(self, found: Extraneous, now: float) -> None:
        """Report the rules that were removed."""
        removed = found.take_removed()
        if removed:
            self._record(now, extraneous_rules=removed)

    def _compare_rules_of(self, sender: Sender, now: float) -> None:
        """Find deleted and changed rules that come and go."""
        lost = self._sent_rules.lost(sender.sent, self._rows)
        if lost and self._was_verified:
            self._record(now, standing_rules=lost)
            sender.on_lost()

    def _end(self, reason: str) -> None:
        self._is_possible = False
        LOG.info("Switch %016x: its standing rules cannot be audited, since it %s", self._datapath_id, reason)

    def _follow_comparison(self, now: float) -> None:
        """Take over what a comparison of the session rules has found, when it has ended."""
        missing = 0 if self._sessions.is_comparing else self._sessions.take_missing()
        if missing:
            self._record(now, session_rules=missing)
        self.take_extraneous(self._sessions.extraneous, now)

    def _record(self, now: float, **rules: int) -> None:
        """Record what was found. If that begins an incident, compare once more: others may have done more."""
        if self._incidents.record(now, **rules):
            self._due_at = min(self._due_at, now)


def _is_asked_for(row: FlowStats, table: int, cookie: int, mask: int) -> bool:
    """Whether a row answers a request. Some switches ignore cookies, and report a whole table each time."""
    return row.table == table and row.cookie & mask == cookie & mask


def _size(rule: FlowStats | SentRule) -> int:
    return len(rule.match) + len(rule.instructions)


def _is_common(row: FlowStats) -> bool:
    """Whether a row is a standing rule for all clients, and not for a rate-limited one, for replies, or for a while."""
    purpose = purpose_of(row.cookie)
    if purpose is None or purpose in _COMING_AND_GOING:
        return False
    return row.priority == PIPELINE[purpose].priority
