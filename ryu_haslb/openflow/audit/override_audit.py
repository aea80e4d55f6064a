"""The audit of rules of others on one switch: reports those that override ours (:mod:`.overriding`).

A table of few rules is read as a whole. Where there are many, most are ours or of one other controller: then the switch
is asked for the rules whose cookie differs from our mark, in 16 requests: that it differs in bit n and in no lower one.
Each request is preceded by one for the number of its rules::

    every 10 s   the tables that rules of ours are in, one after the other
                 -> a rule that overrides ours was not reported yet -> one log line, for all that were found
                 -> none is left                                    -> one log line

    a table      how many rules? -> few  -> which?
                                 -> many -> by their cookies, 16 requests
    a cookie     how many rules? -> few  -> which?
                                 -> many -> only those that match nothing but packets to UDP port 434, if these are few
    what is not read, and was reported -> is taken to be there still

A switch sends a reply as a whole, and requests of mobiles behind it: 200,000 rules would stop them for seconds. If it
does not say how many rules it has, it is asked for them by their cookies, however many they are.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.audit.overriding import Look, Overriding, guards_of
from ryu_haslb.openflow.flow_tables.pipeline import Rule
from ryu_haslb.openflow.flow_tables.rule_messages import SentRule
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.wire.flow_mod import MATCH_ALL, match, match_fields
from ryu_haslb.openflow.wire.multipart import (
    FlowStats,
    flow_stats,
    flow_stats_request,
    has_more,
    rule_count,
    rule_count_request,
)
from ryu_haslb.openflow.wire.rule_parts import canonical_match
from ryu_haslb.openflow.wire.wire import ETHERTYPE_IPV4, PROTOCOL_UDP, MalformedMessage, Value
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS

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
_REQUESTS: dict[str, Value] = {"eth_type": ETHERTYPE_IPV4, "ip_proto": PROTOCOL_UDP, "udp_dst": MOBILE_IP_PORT}
_MATCH_REQUESTS, _FIELDS_OF_REQUESTS = match(_REQUESTS), canonical_match(match_fields(_REQUESTS))


@dataclass
class Overridden:
    """What the last look at a switch has found: the number of rules of others that override ours, and one of them."""

    count: int = 0
    example: str = ""


class _Request(NamedTuple):
    table: int
    cookie: int = 0
    mask: int = 0
    match: bytes = MATCH_ALL

    def selects(self, table: int, cookie: int) -> bool:
        """Whether rules of this table with this cookie are asked for."""
        return table == self.table and not (cookie ^ self.cookie) & self.mask


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
        self._look: Optional[Look] = None
        #: The tables with too many rules of others: as reported, and in this look.
        self._reported_large: set[int] = set()
        self._large: set[int] = set()
        self._to_ask: deque[_Request] = deque()
        self._asked: Optional[_Request] = None
        self._xid: Optional[int] = None
        self._is_counting = False
        #: Whether the switch says how many rules it has; None until that is known.
        self._can_count: Optional[bool] = None
        self._asked_at = self._heard_at = self._next_at = self._reading = 0.0
        self._is_possible = True

    @property
    def is_reading(self) -> bool:
        """Whether the switch is reading rules for us."""
        return self._xid is not None

    def tick(self, now: float) -> None:
        """Ask for what is due."""
        if self._xid is not None:
            if now > self._heard_at + REPLY_TIMEOUT:
                if self._is_counting and self._can_count is None:
                    self._count_no_more("does not answer")
                else:
                    self._give_up(now)
        elif now >= self._next_at and self._is_possible:
            if not self._to_ask:
                self._begin()
            if self._to_ask:
                self._ask(self._to_ask.popleft(), now)

    def _begin(self) -> None:
        guards = guards_of(self._rules(), self._replies())
        self._look, self._reading, self._large = Look(guards), 0.0, set()
        tables = sorted({guard.table for guard in guards if guard.table < self._channel.tables})
        for table in tables:
            self._to_ask.extend(_by_cookies(table) if self._can_count is False else [_Request(table)])

    def _ask(self, request: _Request, now: float) -> None:
        self._asked, self._asked_at, self._heard_at = request, now, now
        self._is_counting = self._can_count is not False
        self._xid = self._channel.next_xid()
        make_request = rule_count_request if self._is_counting else flow_stats_request
        self._channel.transmit(make_request(self._xid, *request))

    def on_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Read a part of a reply. False when it is the reply to another request."""
        if xid != self._xid or self._look is None or self._asked is None:
            return False
        self._heard_at = now
        try:
            if self._is_counting:
                is_last = self._on_count(self._asked, self._look, rule_count(message))
            else:
                self._take(self._asked, self._look, message)
                is_last = not has_more(message)
        except MalformedMessage as error:
            if self._is_counting:
                self._count_no_more("sends a malformed reply to")
                return True
            LOG.warning(
                "Switch %016x: malformed flow-stats reply (%s); this look for rules of others is given up",
                *(self._datapath_id, error),
            )
            self._give_up(now)
            return True
        if is_last:
            self._xid = None
            took = now - self._asked_at
            self._reading += took
            self._next_at = now + _REQUEST_PAUSE * took
            if not self._to_ask:
                self._conclude(self._look.found(), now)
        return True

    def _on_count(self, request: _Request, look: Look, count: int) -> bool:
        """Ask for these rules, or for fewer if they are too many. True when nothing is to be waited for."""
        self._can_count = True
        if count <= MAX_RULES:
            self._is_counting = False
            self._xid = self._channel.next_xid()
            self._channel.transmit(flow_stats_request(self._xid, *request))
            return False
        if not request.mask:
            self._to_ask.extendleft(_by_cookies(request.table))
        elif request.match == MATCH_ALL:
            self._large.add(request.table)
            self._take_unread(request, look, are_about_requests=False)
            self._to_ask.appendleft(request._replace(match=_MATCH_REQUESTS))
        else:
            self._take_unread(request, look, are_about_requests=True)
        return True

    def _take_unread(self, request: _Request, look: Look, are_about_requests: bool) -> None:
        """What is asked for is not read: those of these rules that were reported are taken to be there still."""
        for each in self._reported:
            is_about_requests = canonical_match(each.match) >= _FIELDS_OF_REQUESTS
            if request.selects(each.table, each.cookie) and is_about_requests == are_about_requests:
                look.take(FlowStats(*each[:4], instructions=b""))

    def _take(self, request: _Request, look: Look, message: bytes) -> None:
        ignores_cookies = False
        for row in flow_stats(message):
            if row.table == request.table:
                ignores_cookies = ignores_cookies or not request.selects(row.table, row.cookie)
                look.take(row)
        if ignores_cookies:  # so what is asked for by other cookies is the same
            self._skip_rest_of_table()
            if request.match != MATCH_ALL:
                self._take_unread(_Request(request.table), look, are_about_requests=False)

    def on_error(self, xid: int) -> bool:
        """The switch rejects the request, which is not repeated. False when it is another message."""
        if xid != self._xid:
            return False
        if self._is_counting:
            self._count_no_more("rejects")
        else:
            self._is_possible = False
            self._drop_look()
            LOG.info("Switch %016x rejects flow-stats requests: rules of others are not looked for", self._datapath_id)
        return True

    def _count_no_more(self, reason: str) -> None:
        """The switch does not say how many rules it has: begin anew, without asking for that."""
        self._can_count = False
        self._drop_look()
        LOG.info(
            "Switch %016x %s OFPMP_AGGREGATE requests: rules of others are looked for without; where they are very "
            "many, requests wait until they are read",
            *(self._datapath_id, reason),
        )

    def _skip_rest_of_table(self) -> None:
        while self._to_ask and self._asked is not None and self._to_ask[0].table == self._asked.table:
            self._to_ask.popleft()

    def _give_up(self, now: float) -> None:
        self._drop_look()
        self._next_at = now + LOOK_INTERVAL

    def _drop_look(self) -> None:
        self._xid = None
        self._to_ask.clear()

    def _conclude(self, found: list[Overriding], now: float) -> None:
        self._next_at = now + max(LOOK_INTERVAL, _LOOK_PAUSE * self._reading)
        self._overridden.count = len(found)
        self._overridden.example = str(found[0]) if found else ""
        if not self._reported.issuperset(found):
            LOG.warning(
                "Switch %016x: %d rules of another controller or operator override ours (%s); they stay, since they "
                "are not ours",
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


def _by_cookies(table: int) -> Iterator[_Request]:
    """Requests for all rules of others in a table, each of which one of them reports."""
    for bit in range(COOKIE_MARK_BITS):
        mask = (2 << bit) - 1
        yield _Request(table, (COOKIE_MARK ^ 1 << bit) & mask, mask)
