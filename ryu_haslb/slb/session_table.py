"""The session table: every live session, found by its mobile or by its tag, and the end of each in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Optional

from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import Session, adopted_identity, next_tag, tag_of
from ryu_haslb.slb.virtual_server import VirtualServer
from ryu_haslb.slb.wheel import TimingWheel

#: A dictionary keeps the size that it once had. It is made anew when so many times fewer sessions live than once did.
_SHRINK = 16
_LEAST_SHRUNK = 10_000


class SessionTable:
    """Sessions of all virtual servers. Each virtual server holds its own by identity; tags are unique among all."""

    def __init__(self) -> None:
        self._by_tag: dict[int, Session] = {}
        self._most = _LEAST_SHRUNK
        self._adopted = 0
        self._deadlines: TimingWheel[Session] = TimingWheel()

    def find(self, request: Request) -> Optional[Session]:
        """The session of the mobile that sent the request."""
        session = request.virtual_server.sessions.get(request.identity)
        return self._claim(request) if session is None and self._adopted else session

    def by_tag(self, tag: int) -> Optional[Session]:
        """The session that a rule with this Ethernet source address belongs to."""
        return self._by_tag.get(tag)

    def has(self, session: Session) -> bool:
        """Whether the session lives."""
        return self._by_tag.get(session.tag) is session

    def open(self, request: Request, real: RealServer, now: float) -> Session:
        """A new session, with a tag that is no other session's."""
        tag = tag_of(request.virtual_server.packed_address, request.identity)
        while tag in self._by_tag:
            tag = next_tag(tag)
        return self._add(Session(request, tag, real, now))

    def adopt(self, server: VirtualServer, tag: int, real: RealServer, now: float) -> Session:
        """Take over a session of an earlier run, whose rule is still on a switch; ``tag`` must not be in use.

        Its mobile is not known yet: the first request whose identity has this tag claims the session.
        """
        self._adopted += 1
        return self._add(Session(Request(server, adopted_identity(tag), bytes(4), 0, bytes(4), 0, 0), tag, real, now))

    def remove(self, session: Session) -> None:
        """The session is over."""
        self._adopted -= session.is_adopted
        del session.virtual_server.sessions[session.identity]
        del self._by_tag[session.tag]
        if self._most > _LEAST_SHRUNK and len(self._by_tag) * _SHRINK < self._most:
            self._shrink({session.virtual_server})

    def overdue(self, now: float, limit: int) -> Iterator[Optional[Session]]:
        """Sessions whose deadline is past, which the caller removes; None for each that was looked at in vain."""
        for session in islice(self._deadlines.due(now), limit):
            if not self.has(session):
                yield None
            elif session.deadline <= now:
                yield session
            else:
                self._deadlines.file(session, session.deadline)
                yield None

    def file_anew(self, sessions: Iterable[Session]) -> None:
        """Deadlines have changed otherwise than by a request; ``sessions`` are all that live."""
        self._deadlines = TimingWheel()
        for session in sessions:
            self._deadlines.file(session, session.deadline)

    def _add(self, session: Session) -> Session:
        session.virtual_server.sessions[session.identity] = self._by_tag[session.tag] = session
        self._most = max(self._most, len(self._by_tag))
        self._deadlines.file(session, session.deadline)
        return session

    def _shrink(self, servers: set[VirtualServer]) -> None:
        """Give back the memory of a storm; ``servers`` may have no session left by which they could be found."""
        servers.update(session.virtual_server for session in self._by_tag.values())
        for server in servers:
            server.sessions = dict(server.sessions)
        self._by_tag = dict(self._by_tag)
        self._most = max(len(self._by_tag), _LEAST_SHRUNK)

    def _claim(self, request: Request) -> Optional[Session]:
        """The adopted session that is this mobile's; it is adopted no more."""
        server = request.virtual_server
        tag = tag_of(server.packed_address, request.identity)
        session = server.sessions.pop(adopted_identity(tag), None)
        if session is not None:
            self._adopted -= 1
            session.identity = request.identity
            server.sessions[request.identity] = session
        return session
