"""The switch is the session store: after a restart, sessions are taken over from the rules that are still there."""

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

#: Seconds that a switch has to tell its rules; until it has, its requests are dropped.
PATIENCE = 3.0


class SessionRow(NamedTuple):
    """A session rule found on a switch: its tag, its virtual address, the actions that lead to its real server."""

    tag: int
    virtual_address: bytes
    actions: bytes


class GivenUp(NamedTuple):
    """Why sessions of an earlier run are lost, and the rules that are theirs."""

    reason: str
    rows: list[SessionRow]


class Adoption:
    """Reads the session rules that a switch holds, and makes sessions of them as their real servers become known."""

    def __init__(self) -> None:
        self.complete = False
        self._xid: Optional[int] = None
        self._deadline = 0.0
        self._malformed: Optional[str] = None
        self._rows: dict[int, SessionRow] = {}

    def request(self, xid: int, now: float) -> bytes:
        """The question: every rule of ours in the session table."""
        self._xid = xid
        self._deadline = now + PATIENCE
        self._malformed = None
        self._rows.clear()
        return flow_stats_request(xid, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)

    def reply(self, xid: int, message: bytes) -> bool:
        """Take one part of the answer; False when it answers another question."""
        if xid != self._xid:
            return False
        if self.complete:
            return True  # given up already
        try:
            self._rows.update((row.tag, row) for row in _session_rows(message))
            self.complete = not has_more(message)
        except MalformedMessage as error:
            self._malformed = str(error)
        return True

    def holds(self, request: Request) -> bool:
        """Whether the request's session is known from its rule, and waits until its real server is found."""
        return bool(self._rows) and tag_of(request.virtual_server.packed_address, request.identity) in self._rows

    def give_up(self, now: float) -> Optional[GivenUp]:
        """When it has taken too long: wait no more, and say what that means, once."""
        if not self.complete and self._malformed is not None:
            self.complete = True
            return GivenUp(f"malformed flow-stats reply; sessions of the previous run are lost ({self._malformed})", [])
        if now < self._deadline:
            return None
        if not self.complete:
            self.complete = True
            return GivenUp("it does not tell its rules; sessions of an earlier run are lost", [])
        if not self._rows:
            return None
        lost = list(self._rows.values())
        self._rows.clear()
        reason = f"{len(lost)} sessions of an earlier run are lost: their real servers are not where they were"
        return GivenUp(reason, lost)

    def adopt(
        self,
        balancer: Balancer,
        servers: Mapping[bytes, VirtualServer],
        deliveries: Mapping[RealServer, bytes],
        now: float,
    ) -> Iterator[Session]:
        """The sessions of those rules whose actions lead to a known real server; the others wait."""
        leads_to = {
            (server.packed_address, actions): (server, real)
            for server in servers.values()
            for real in server.farm.reals
            for actions in [deliveries.get(real)]
            if actions is not None
        }
        found = {row: leads_to[row[1:]] for row in self._rows.values() if row[1:] in leads_to}
        for row, (server, real) in found.items():
            del self._rows[row.tag]
            if balancer.sessions.by_tag(row.tag) is None:
                yield balancer.recover(server, row.tag, real, now)


def _session_rows(message: bytes) -> Iterator[SessionRow]:
    for row in flow_stats(message):
        if (row.table, row.priority, row.cookie & COOKIE_MARK_MASK) == (Table.SESSIONS, SESSION_PRIORITY, COOKIE_MARK):
            virtual_address = row.field("ipv4_dst")
            if virtual_address is not None:
                yield SessionRow(row.cookie >> 16, virtual_address, row.actions())
