"""Recovers the sessions of a previous run from the session rules that a switch still holds.

The switch is the session store. Once it is connected, it is asked for the flow statistics of all session rules::

    flow-stats reply -> a rule's actions lead to a known real server  -> the session is recovered
                     -> its real server has not answered ARP yet      -> the rule is pending, its requests are dropped
    no complete reply within 3 s, or rules are still pending then     -> those sessions are lost, their rules removed

Until the reply is complete, no request is dispatched: it could send a mobile to another home agent than before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

from ryu_haslb.openflow.pipeline import SESSION_PRIORITY, Table
from ryu_haslb.openflow.wire import MalformedMessage
from ryu_haslb.openflow.wire_multipart import flow_stats, flow_stats_request, has_more
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK, Session, tag_of
from ryu_haslb.slb.virtual_server import VirtualServer

#: Seconds after which sessions of the previous run that have not been recovered are lost.
FLOW_STATS_TIMEOUT = 3.0


class FoundRule(NamedTuple):
    """A session rule found on a switch: its tag, its virtual address, and the actions that lead to its real server."""

    tag: int
    virtual_address: bytes
    actions: bytes


class Loss(NamedTuple):
    """Why sessions of the previous run are lost, and which of their rules must be removed from the switch."""

    reason: str
    rules: list[FoundRule]


class Recovery:
    """Recovers the sessions of one switch, once; ``is_complete`` when all its session rules have been read."""

    def __init__(self) -> None:
        self.is_complete = False
        self._xid: Optional[int] = None
        self._deadline = 0.0
        self._malformed: Optional[str] = None
        self._pending: dict[int, FoundRule] = {}

    def request_flow_stats(self, xid: int, now: float) -> bytes:
        """The message that asks for all our rules in the session table."""
        self._xid = xid
        self._deadline = now + FLOW_STATS_TIMEOUT
        self._malformed = None
        self._pending.clear()
        return flow_stats_request(xid, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)

    def on_flow_stats(self, xid: int, message: bytes) -> bool:
        """Read a part of the reply. False when it is the reply to another request."""
        if xid != self._xid:
            return False
        if self.is_complete or self._malformed is not None:
            return True
        try:
            self._pending.update((rule.tag, rule) for rule in _session_rules(message))
            self.is_complete = not has_more(message)
        except MalformedMessage as error:
            self._malformed = str(error)
        return True

    def is_pending(self, request: Request) -> bool:
        """Whether the request's session has a rule on the switch whose real server has not been found yet."""
        return bool(self._pending) and tag_of(request.virtual_server.packed_address, request.identity) in self._pending

    def expire(self, now: float) -> Optional[Loss]:
        """Stop waiting when the time is over or a reply was malformed. Returns what is lost by that, once."""
        if self._malformed is not None and not self.is_complete:
            self.is_complete = True
            reason = f"malformed flow-stats reply ({self._malformed}); the other sessions of the previous run are lost"
            return Loss(reason, [])
        if now < self._deadline:
            return None
        if not self.is_complete:
            self.is_complete = True
            reason = f"no flow-stats reply within {FLOW_STATS_TIMEOUT:.0f} s; sessions of the previous run are lost"
            return Loss(reason, [])
        if not self._pending:
            return None
        lost = list(self._pending.values())
        self._pending.clear()
        reason = f"{len(lost)} sessions of the previous run are lost; their rules lead to no known real server"
        return Loss(reason, lost)

    def recover(
        self,
        balancer: Balancer,
        servers: Mapping[bytes, VirtualServer],
        deliveries: Mapping[RealServer, bytes],
        now: float,
    ) -> Iterator[Session]:
        """Recover the sessions of those rules whose actions lead to a known real server; the others stay pending.

        ``servers`` has the virtual servers by address, ``deliveries`` the actions that lead to each real server.
        """
        leads_to = {
            (server.packed_address, actions): (server, real)
            for server in servers.values()
            for real in server.farm.reals
            for actions in [deliveries.get(real)]
            if actions is not None
        }
        found = {rule: leads_to[rule[1:]] for rule in self._pending.values() if rule[1:] in leads_to}
        for rule, (server, real) in found.items():
            del self._pending[rule.tag]
            if balancer.sessions.by_tag(rule.tag) is None:
                yield balancer.recover(server, rule.tag, real, now)


def _session_rules(message: bytes) -> Iterator[FoundRule]:
    for row in flow_stats(message):
        if (row.table, row.priority, row.cookie & COOKIE_MARK_MASK) == (Table.SESSIONS, SESSION_PRIORITY, COOKIE_MARK):
            virtual_address = row.field("ipv4_dst")
            if virtual_address is not None:
                yield FoundRule(row.cookie >> 16, virtual_address, row.actions())
