"""The switch is the session store: after a restart, sessions are taken over from the rules that are still there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.pipeline import SESSION_PRIORITY, Table
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK, Session, tag_of
from ryu_haslb.slb.virtual_server import VirtualServer

#: Seconds that a switch has to tell its rules; until it has, its requests are dropped.
PATIENCE = 3.0

_MULTIPART_FLOW = 1
_REPLY_MORE = 1
_REQUEST = Struct("!BBHIHH4xB3xII4xQQHH4x")
_REPLY_HEAD = Struct("!8xHH4x")
_ROW = Struct("!HBx8xH10xQ16x")
_LENGTHS = Struct("!HH")
_OXM_IPV4_DST = b"\x80\x00\x18\x04"


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
        self._rows: dict[int, SessionRow] = {}

    def request(self, xid: int, now: float) -> bytes:
        """The question: every rule of ours in the session table."""
        self._xid = xid
        self._deadline = now + PATIENCE
        self._rows.clear()
        return _REQUEST.pack(
            *(wire.OFP_VERSION, wire.OFPT_MULTIPART_REQUEST, _REQUEST.size, xid, _MULTIPART_FLOW, 0),
            *(Table.SESSIONS, wire.OFPP_ANY, wire.OFPP_ANY, COOKIE_MARK, COOKIE_MARK_MASK, 1, 4),
        )

    def reply(self, xid: int, message: bytes) -> bool:
        """Take one part of the answer; False when it answers another question. struct.error when it is cut short."""
        if xid != self._xid:
            return False
        if self.complete:
            return True  # given up already
        _, flags = _REPLY_HEAD.unpack_from(message)
        self._rows.update((row.tag, row) for row in _session_rows(message))
        self.complete = not flags & _REPLY_MORE
        return True

    def holds(self, request: Request) -> bool:
        """Whether the request's session is known from its rule, and waits until its real server is found."""
        return bool(self._rows) and tag_of(request.virtual_server.packed_address, request.identity) in self._rows

    def give_up(self, now: float) -> Optional[GivenUp]:
        """When it has taken too long: wait no more, and say what that means, once."""
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
    offset = _REPLY_HEAD.size
    while offset < len(message):
        length, table, priority, cookie = _ROW.unpack_from(message, offset)
        if length < _ROW.size:
            return
        if (table, priority, cookie & COOKIE_MARK_MASK) == (Table.SESSIONS, SESSION_PRIORITY, COOKIE_MARK):
            match = offset + _ROW.size
            _, match_length = _LENGTHS.unpack_from(message, match)
            address = message.find(_OXM_IPV4_DST, match, match + match_length) + len(_OXM_IPV4_DST)
            actions = match + (match_length + 7 & ~7) + 8
            yield SessionRow(cookie >> 16, message[address : address + 4], message[actions : offset + length])
        offset += length
