"""Rules of others that take packets from ours. Pure.

Another controller, or an operator, may add a rule with a cookie of its own that wins over ours (``ovs-ofctl add-flow
BRIDGE priority=65535,udp,tp_dst=434,actions=drop``). It is not ours, so it stays, and it is reported::

    a packet can match it and one of our rules, and    -> it overrides our rule. At the same priority OpenFlow leaves
    its priority is not lower than that of our rule       open which of them wins (OpenFlow 1.3.5, section 5.3)
    it drops all replies of a home agent, and no rule  -> it overrides how replies are switched. Otherwise rules of
    of others that precedes it forwards some of them      others may switch them

Only what requests and their delivery depend on is looked at: pings, fragments and forged packets are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.audit.extraneous import purpose_of
from ryu_haslb.openflow.flow_tables.pipeline import PIPELINE, REPLY_PURPOSES, Purpose, Rule
from ryu_haslb.openflow.flow_tables.rule_messages import SentRule
from ryu_haslb.openflow.wire.flow_mod import match_fields
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.rule_parts import forwards, masked_values
from ryu_haslb.openflow.wire.wire import MalformedMessage
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK

#: The purposes of the standing rules without which requests do not reach a home agent, or reach it unprotected. A rule
#: that overrides several is reported by the first.
_GUARDED = (
    Purpose.PUNT_REQUEST,
    Purpose.PUNT_REQUEST_TO_CHASSIS,
    Purpose.RETURN_TO_SESSION,
    Purpose.PUNT_SESSION_MISS,
    Purpose.PASS_DISPATCHED,
    Purpose.PUNT_ARP_REQUEST,
    Purpose.PUNT_ARP_REPLY,
    Purpose.PUNT_ARP_ANSWER,
    Purpose.PUNT_ARP_FROM_REAL,
    Purpose.DROP_UNPROTECTED,
    Purpose.FLOOD_UNKNOWN,
    Purpose.LEARN_SOURCE,
)
_ORDER = (*_GUARDED, *REPLY_PURPOSES)
#: Rules that one look judges, and those that it keeps: a switch may report any number.
MAX_JUDGED, MAX_FOUND = 100_000, 1_000

#: By the class and number of a match field: its value and its mask.
_Match = dict[int, tuple[int, int]]


class _Values:
    """The values of one match field. Those without a mask are looked up: there may be one for each real server."""

    def __init__(self) -> None:
        self._exact: set[int] = set()
        self._full_mask = 0
        self._masked: list[tuple[int, int]] = []

    def add(self, value: int, mask: int) -> None:
        """Add a value. The mask of one without has all bits of the field."""
        if mask & mask + 1:
            self._masked.append((value, mask))
        else:
            self._exact.add(value)
            self._full_mask = mask

    def meets(self, value: int, mask: int) -> bool:
        """Whether a packet can have this value, and one of these."""
        if any((value ^ ours) & mask & our_mask == 0 for ours, our_mask in self._masked):
            return True
        if mask == self._full_mask:
            return value in self._exact
        return any((value ^ ours) & mask == 0 for ours in self._exact)


class Guard(NamedTuple):
    """Packets that our rules of one purpose must get; ``fields`` are the values of each match field in any of them."""

    purpose: Purpose
    table: int
    priority: int
    fields: dict[int, _Values]

    def meets(self, match: _Match) -> bool:
        """Whether a packet can match this, and one of our rules."""
        return all(self.fields[field].meets(*value) for field, value in match.items() if field in self.fields)


class Overriding(NamedTuple):
    """A rule of others, and the purpose of those that it overrides."""

    table: int
    priority: int
    cookie: int
    match: bytes
    purpose: Purpose

    def __str__(self) -> str:
        """Where it is, and what it overrides, by its name in docs/flows.md."""
        over = self.purpose.name.lower().replace("_", " ")
        return f"table {self.table}, priority {self.priority}, cookie {self.cookie:#x}, over '{over}'"


def guards_of(rules: Iterable[SentRule], replies: Iterable[Rule]) -> list[Guard]:
    """The packets that these ``rules`` in place must get, and ``replies`` that would be copied (PASS_REPLY)."""
    rules = list(rules)
    guards: dict[tuple[int, ...], Guard] = {}

    def add(purpose: Purpose, table: int, priority: int, packed: bytes) -> None:
        match = masked_values(packed)
        guard = Guard(purpose, table, priority, {field: _Values() for field in match})
        guard = guards.setdefault((purpose, priority, *sorted(match)), guard)
        for field, value in match.items():
            guard.fields[field].add(*value)

    copies = PIPELINE[Purpose.COPY_REPLY]
    is_copying = any(sent.cookie == Purpose.COPY_REPLY.cookie for sent in rules)
    for sent in rules:
        purpose = purpose_of(sent.cookie)
        if purpose in _GUARDED:
            add(purpose, sent.table, sent.priority, sent.match)
        elif purpose is Purpose.PASS_REPLY and is_copying:  # what reaches the table of copies
            add(Purpose.COPY_REPLY, copies.table, copies.priority, sent.match)
    for rule in replies:
        # Foreign agents send from this port, and home agents reply to it (RFC 5944, section 3.4).
        add(rule.purpose, rule.table, rule.priority, match_fields({**rule.match, "udp_dst": MOBILE_IP_PORT}))
    return sorted(guards.values(), key=lambda guard: _ORDER.index(guard.purpose))


class Look:
    """One look at the rules of a switch, which it takes one by one."""

    def __init__(self, guards: list[Guard]) -> None:
        self._guards = guards
        self._judged = 0
        self._found: list[Overriding] = []
        self._dropping: list[Overriding] = []
        #: The highest priority of a rule of others that forwards replies of a home agent.
        self._forwards_at = -1

    def take(self, row: FlowStats) -> None:
        """Judge a rule, unless it bears our mark."""
        if row.cookie & COOKIE_MARK_MASK == COOKIE_MARK:
            return
        guards = [each for each in self._guards if each.table == row.table and each.priority <= row.priority]
        if not guards or self._judged >= MAX_JUDGED:
            return
        self._judged += 1
        try:
            match = masked_values(row.match)
        except MalformedMessage:
            return
        met = [guard for guard in guards if guard.meets(match)]
        for guard in met:
            if guard.purpose is Purpose.PASS_REPLY:
                self._take_one_over_replies(row, has_all=match.keys() <= guard.fields.keys())
        others = [guard.purpose for guard in met if guard.purpose is not Purpose.PASS_REPLY]
        if others and len(self._found) < MAX_FOUND:
            self._found.append(Overriding(row.table, row.priority, row.cookie, row.match, others[0]))

    def _take_one_over_replies(self, row: FlowStats, has_all: bool) -> None:
        """A rule that matches replies of a home agent; ``has_all``: all of them."""
        if forwards(row.instructions):
            self._forwards_at = max(self._forwards_at, row.priority)
        elif has_all and len(self._dropping) < MAX_FOUND:
            self._dropping.append(Overriding(row.table, row.priority, row.cookie, row.match, Purpose.PASS_REPLY))

    def found(self) -> list[Overriding]:
        """The rules that override ours, when all were taken."""
        over_requests = {each[:4] for each in self._found}
        dropping = (
            each for each in self._dropping if each.priority > self._forwards_at and each[:4] not in over_requests
        )
        return list(dict.fromkeys((*self._found, *dropping)))  # a rule may have been taken twice
