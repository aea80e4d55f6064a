"""The audit of rules of others on one switch: reports those that override ours (:mod:`.overriding`).

Mostly there are none, and that is cheap to see: the table has as many rules as have our mark (:mod:`.mark_count`).
Otherwise a table of few rules is read as a whole. Where there are many, most are ours or of one other controller: then
the switch is asked for the rules whose cookie differs from our mark, in 16 groups: that it differs in bit n and in no
lower one. Each group is counted before it is read::

    every 10 s   the tables that rules of ours are in, one after the other
                 -> a rule that overrides ours was not reported yet -> one log line, for all that were found
                 -> none is left                                    -> one log line

    a table      COMPARE  all have our mark -> CHECK                 some have not, or none has -> COUNT the table
                 CHECK    the first group has no rule: the switch selects by cookie -> no rule of others
                          it has some: the switch ignores cookies, or others have just added one -> COUNT the table
                 COUNT    few -> READ                                many -> COUNT each group
    a group      COUNT    none -> nothing to read                    few -> READ
                          none, as of our mark -> READ: the switch counts none where it selects by cookie
                          many -> COUNT those that match nothing but packets to UDP port 434, and READ these if few

    what is not read, and was reported -> is taken to be there still

Open vSwitch visits every rule of a table for COMPARE, CHECK and COUNT, and requests of mobiles wait meanwhile: so there
is a pause after each. It sends a reply as a whole, and requests behind it: 200,000 rules would stop them for seconds.

To COMPARE takes two numbers: of all rules (OFPMP_TABLE) and of those with our mark (OFPMP_AGGREGATE). The first time,
all rules are counted by OFPMP_AGGREGATE too. If this is another number, or the switch does not answer OFPMP_TABLE, all
are counted so with each look. A switch that does not answer OFPMP_AGGREGATE is asked to READ each group, however many
rules that has.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable, Optional

from ryu_haslb.openflow.audit.mark_count import MarkCount
from ryu_haslb.openflow.audit.override_requests import RuleRequest, Step, groups, is_about_requests
from ryu_haslb.openflow.audit.overriding import Look, Overriding, guards_of
from ryu_haslb.openflow.flow_tables.pipeline import Rule
from ryu_haslb.openflow.flow_tables.rule_messages import SentRule
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.wire.multipart import FlowStats, flow_stats, has_more, rule_count
from ryu_haslb.openflow.wire.wire import MalformedMessage

LOG = logging.getLogger(__name__)

#: Seconds between two looks, and the same as a multiple of the time in which the switch read its rules for the last.
LOOK_INTERVAL = 10.0
_LOOK_PAUSE = 300.0
#: The pause after a request, as a multiple of what the reply took.
_REQUEST_PAUSE = 4.0
#: Seconds without a further part of a reply after which the request is given up.
REPLY_TIMEOUT = 15.0
#: Rules in one reply at most.
MAX_RULES = 5_000


@dataclass
class Overridden:
    """What the last look at a switch has found: the number of rules of others that override ours, and one of them."""

    count: int = 0
    example: str = ""


class OverrideAudit:
    """Looks for rules of others over one connection.

    ``rules`` returns the rules that are in place, beside those of sessions; ``replies`` the rules that would copy the
    replies of all real servers that can be reached. The result is written to ``overridden``.
    """

    def __init__(
        self,
        channel: SwitchChannel,
        rules: Callable[[], list[SentRule]],
        replies: Callable[[], Iterable[Rule]],
        overridden: Overridden,
    ) -> None:
        self._channel = channel
        self._datapath_id = channel.id
        self._rules = rules
        self._replies = replies
        self._overridden = overridden
        self._overridden.count, self._overridden.example = 0, ""
        self._reported: set[Overriding] = set()
        self._look = Look([])
        #: The tables with too many rules of others: as reported, and in this look.
        self._reported_large: set[int] = set()
        self._large: set[int] = set()
        self._to_ask: deque[RuleRequest] = deque()
        #: The outstanding request, its transaction ids, and its numbers if its step is COMPARE.
        self._asked: Optional[RuleRequest] = None
        self._xids: set[int] = set()
        self._numbers: Optional[MarkCount] = None
        #: The transaction ids of what was asked for last in a look that was dropped.
        self._dropped_xids: set[int] = set()
        #: Whether the switch answers OFPMP_TABLE, and for which tables that is known to be right, or wrong.
        self._has_table_statistics = True
        self._is_table_right: dict[int, bool] = {}
        #: Whether the switch has counted no rule with our mark in the table that was compared last.
        self._is_none_marked = False
        #: Whether the switch counts rules by their cookies; None until that is known.
        self._can_count: Optional[bool] = None
        self._asked_at = self._heard_at = self._next_at = self._reading = 0.0
        self._is_possible = True

    @property
    def is_reading(self) -> bool:
        """Whether the switch is reading rules for us."""
        return self._asked is not None

    def tick(self, now: float) -> None:
        """Ask for what is due."""
        if self._asked is not None:
            if now > self._heard_at + REPLY_TIMEOUT:
                self._on_silence(self._asked, now)
        elif now >= self._next_at and self._is_possible:
            if not self._to_ask:
                self._begin()
            if self._to_ask:
                self._asked_at = now
                self._ask(self._to_ask.popleft(), now)

    def _begin(self) -> None:
        guards = guards_of(self._rules(), self._replies())
        self._look, self._reading, self._large = Look(guards), 0.0, set()
        for table in sorted({guard.table for guard in guards if guard.table < self._channel.tables}):
            if self._can_count is False:
                self._to_ask.extend(groups(Step.READ, table))
            else:
                self._to_ask.append(RuleRequest(Step.COMPARE, table))

    def _ask(self, request: RuleRequest, now: float) -> None:
        self._asked, self._heard_at = request, now
        if request.step is Step.COMPARE:
            is_right = self._is_table_right.get(request.table) if self._has_table_statistics else False
            self._numbers = MarkCount(request.table, self._channel.next_xid, is_right)
            self._xids = self._numbers.xids
            self._channel.transmit(self._numbers.request)
        else:
            self._numbers = None
            xid = self._channel.next_xid()
            self._xids = {xid}
            self._channel.transmit(request.packed(xid))

    def on_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Read a part of a reply. False when it is the reply to another request."""
        if self._asked is None or xid not in self._xids:
            return xid in self._dropped_xids
        self._heard_at = now
        try:
            self._read(self._asked, xid, message, now)
        except MalformedMessage as error:
            self._on_malformed(self._asked, xid, error, now)
        return True

    def _read(self, request: RuleRequest, xid: int, message: bytes, now: float) -> None:
        if request.step is Step.READ:
            self._take(request, message)
            if not has_more(message):
                self._on_whole_reply(now)
        elif self._numbers is not None:
            self._numbers.take(xid, message)
            if xid != self._numbers.total_xid:
                self._can_count = True
            self._follow_comparison(request, self._numbers, now)
        else:
            self._on_count(request, rule_count(message), now)

    def _follow_comparison(self, request: RuleRequest, numbers: MarkCount, now: float) -> None:
        """Ask for what follows from the numbers of a table, if all are known."""
        if not numbers.is_complete:
            return
        self._is_table_right[request.table] = numbers.is_table_right
        self._is_none_marked = numbers.is_none_marked
        first_group = next(groups(Step.CHECK, request.table))
        self._to_ask.appendleft(first_group if numbers.are_all_marked else RuleRequest(Step.COUNT, request.table))
        self._on_whole_reply(now)

    def _on_count(self, request: RuleRequest, count: int, now: float) -> None:
        """Ask for these rules, for fewer if they are too many, or for none."""
        self._can_count = True
        if request.step is Step.CHECK:
            if count:
                self._to_ask.appendleft(RuleRequest(Step.COUNT, request.table))
        elif request.is_for_table and count > MAX_RULES:
            self._to_ask.extendleft(groups(Step.COUNT, request.table))
        elif count > MAX_RULES:
            self._leave_out(request)
        elif count or request.is_for_table or self._is_none_marked:
            self._ask(request._replace(step=Step.READ), now)
            return
        self._on_whole_reply(now)

    def _leave_out(self, request: RuleRequest) -> None:
        """A group has too many rules: ask for those about requests alone, or not even for these."""
        self._take_unread(request, are_about_requests=request.is_about_requests)
        if not request.is_about_requests:
            self._large.add(request.table)
            self._to_ask.appendleft(request.narrowed())

    def _on_whole_reply(self, now: float) -> None:
        self._asked = None
        took = now - self._asked_at
        self._reading += took
        self._next_at = now + _REQUEST_PAUSE * took
        if not self._to_ask:
            self._conclude(now)

    def _take_unread(self, request: RuleRequest, are_about_requests: bool) -> None:
        """The rules of a request are not read. Those of them that were reported count as still there."""
        for each in self._reported:
            if request.selects(each.table, each.cookie) and is_about_requests(each.match) == are_about_requests:
                self._look.take(FlowStats(*each[:4], instructions=b""))

    def _take(self, request: RuleRequest, message: bytes) -> None:
        ignores_cookies = False
        for row in flow_stats(message):
            if row.table == request.table:
                ignores_cookies = ignores_cookies or not request.selects(row.table, row.cookie)
                self._look.take(row)
        if ignores_cookies:  # so what is asked for by other cookies is the same
            while self._to_ask and self._to_ask[0].table == request.table:
                self._to_ask.popleft()
            if request.is_about_requests:
                self._take_unread(RuleRequest(Step.READ, request.table), are_about_requests=False)

    def on_error(self, xid: int) -> bool:
        """The switch rejects a request, which is not repeated. False when it is another message."""
        if self._asked is None or xid not in self._xids:
            return xid in self._dropped_xids
        if self._asked.step is not Step.READ:
            self._on_no_number(xid, "rejects")
        else:
            self._is_possible = False
            self._drop_look()
            LOG.info("Switch %016x rejects flow-stats requests: rules of others are not looked for", self._datapath_id)
        return True

    def _on_malformed(self, request: RuleRequest, xid: int, error: MalformedMessage, now: float) -> None:
        if request.step is not Step.READ:
            self._on_no_number(xid, "sends a malformed reply to")
        else:
            LOG.warning(
                "Switch %016x: malformed flow-stats reply (%s); this look for rules of others is given up",
                *(self._datapath_id, error),
            )
            self._give_up(now)

    def _on_silence(self, request: RuleRequest, now: float) -> None:
        if self._numbers is not None and self._numbers.are_counted:
            self._on_no_table_statistics("does not answer")
        elif request.step is not Step.READ and self._can_count is None:
            self._on_no_count("does not answer")
        else:
            self._give_up(now)

    def _on_no_number(self, xid: int, reason: str) -> None:
        if self._numbers is not None and xid == self._numbers.total_xid:
            self._on_no_table_statistics(reason)
        else:
            self._on_no_count(reason)

    def _on_no_table_statistics(self, reason: str) -> None:
        self._has_table_statistics = False
        self._begin_without("OFPMP_TABLE", reason, "where there are many rules, the switch takes longer")

    def _on_no_count(self, reason: str) -> None:
        self._can_count = False
        self._begin_without("OFPMP_AGGREGATE", reason, "where they are very many, requests wait until they are read")

    def _begin_without(self, kind: str, reason: str, effect: str) -> None:
        """The switch does not report a number of rules: begin anew, without asking for it."""
        self._drop_look()
        LOG.info(
            "Switch %016x %s %s requests: rules of others are looked for without; %s",
            *(self._datapath_id, reason, kind, effect),
        )

    def _give_up(self, now: float) -> None:
        self._drop_look()
        self._next_at = now + LOOK_INTERVAL

    def _drop_look(self) -> None:
        self._asked, self._dropped_xids = None, self._xids
        self._to_ask.clear()

    def _conclude(self, now: float) -> None:
        found = self._look.found()
        self._next_at = now + max(LOOK_INTERVAL, _LOOK_PAUSE * self._reading)
        self._overridden.count = len(found)
        self._overridden.example = str(found[0]) if found else ""
        if not self._reported.issuperset(found):
            LOG.warning(
                "Switch %016x: %d rules of another controller or operator override ours (%s); packets that they match "
                "bypass the balancer. The balancer leaves them in place: remove them, or lower their priority",
                *(self._datapath_id, len(found), found[0]),
            )
        elif self._reported and not found and not self._large:
            LOG.info("Switch %016x: no rule of others overrides ours any more", self._datapath_id)
        self._reported = set(found)
        for table in self._large - self._reported_large:
            LOG.warning(
                "Switch %016x: table %d has more than %d rules of others, or the switch ignores cookies: too many to "
                "look at. Only those that match nothing but packets to UDP port 434 are compared with ours, and none "
                "if these are as many",
                *(self._datapath_id, table, MAX_RULES),
            )
        self._reported_large = self._large
