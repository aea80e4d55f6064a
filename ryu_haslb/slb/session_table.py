"""The session table: the one owner of the live sessions. It finds them by mobile, by tag, and by deadline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final, Optional

from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.recovery_room import RecoveryRoom
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import NO_ATTEMPT, Session
from ryu_haslb.slb.session_limit import MAX_CONFIRMED_PART, RECOVERED, SessionLimit
from ryu_haslb.slb.session_tag import UNKEYED, next_tag, recovered_identity, tag_of
from ryu_haslb.slb.shards import Shards
from ryu_haslb.slb.tag_keys import TagKeys
from ryu_haslb.slb.virtual_server import VirtualServer
from ryu_haslb.slb.wheel import TimingWheel

#: Deadlines of ended sessions that are kept beside as many as there are live sessions.
_MAX_STALE_DEADLINES: Final = 10_000
#: Sessions of a slice whose deadlines are scheduled anew.
_SESSIONS_PER_SLICE: Final = 500


class SessionTable:
    """The sessions of all virtual servers: by identity for each virtual server, by tag for all together.

    ``limit`` holds the limit of their number, and which of them makes room for a new one. ``keys`` are the secrets that
    tags are hashed with.
    """

    def __init__(self, key: bytes = UNKEYED) -> None:
        self.limit = SessionLimit()
        self.recovery_room = RecoveryRoom()
        self.keys = TagKeys(key)
        self._by_identity: dict[VirtualServer, Shards[bytes, Session]] = {}
        self._by_tag: Shards[int, Session] = Shards()
        self._recovered = 0
        self._deadlines: TimingWheel[Session] = TimingWheel()
        self._stale_deadlines = 0
        self._idle_times: dict[VirtualServer, int] = {}
        self._to_schedule: Iterator[Session] = iter(())

    def __len__(self) -> int:
        """The number of live sessions."""
        return len(self._by_tag)

    def __iter__(self) -> Iterator[Session]:
        """Every live session; none may begin or end meanwhile."""
        return self._by_tag.values()

    def slices(self, limit: int) -> Iterator[list[Session]]:
        """Every live session, in lists of ``limit`` at most. Between two of them sessions may begin and end.

        One that lives all the time is in them once: they are made by tag, which a session keeps. Its identity changes
        when its mobile claims it.
        """
        return self._by_tag.slices(limit)

    def in_order(self, after: Optional[int], limit: int) -> Iterator[list[Session]]:
        """The live sessions whose tags are behind this one (None: all) in the order of :func:`.place_of`, in slices."""
        return self._by_tag.in_order(after, limit)

    def of_server(self, server: VirtualServer) -> list[Session]:
        """The live sessions of one virtual server."""
        return list(self._by_identity[server].values())

    def count_of(self, server: VirtualServer) -> int:
        """The number of live sessions of one virtual server; 0 of one that was removed meanwhile."""
        sessions = self._by_identity.get(server)
        return 0 if sessions is None else len(sessions)

    def configure(self, servers: Iterable[VirtualServer]) -> None:
        """Hold the sessions of these virtual servers; the caller has removed those of all others.

        Where an idle time is shorter than it was, deadlines are scheduled anew: by :meth:`overdue`, bit by bit, since
        there may be a million. A deadline that is later than before is found out when the earlier one is due.
        """
        before_by_identity = self._by_identity
        self._by_identity = {server: before_by_identity.get(server, Shards()) for server in servers}
        before, self._idle_times = self._idle_times, {server: server.idle for server in self._by_identity}
        if any(idle < before.get(server, 0) for server, idle in self._idle_times.items()):
            self._schedule_anew()

    def _schedule_anew(self) -> None:
        """Forget all deadlines; :meth:`overdue` schedules those of live sessions, bit by bit."""
        self._deadlines = TimingWheel()
        self._stale_deadlines = 0
        self._to_schedule = chain.from_iterable(self.slices(_SESSIONS_PER_SLICE))

    def find(self, request: Request) -> Optional[Session]:
        """The session of the mobile that sent the request."""
        sessions, identity = self._by_identity[request.virtual_server], request.identity
        session = sessions.shards[hash(identity) & sessions.mask].get(identity)
        return self._claim(request) if session is None and self._recovered else session

    def of_mobile(self, server: VirtualServer, identity: bytes) -> Optional[Session]:
        """The session of a mobile that has sent a request to the virtual server."""
        sessions = self._by_identity.get(server)
        return None if sessions is None else sessions.get(identity)

    def with_identity(self, server: VirtualServer, identity: bytes) -> Optional[Session]:
        """The session of a mobile, or the recovered one that its next request will claim."""
        found = self.of_mobile(server, identity)
        if found is None and self._recovered:
            recovered = map(recovered_identity, self._tags(server, identity))
            found = next(filter(None, (self.of_mobile(server, each) for each in recovered)), None)
        return found

    def tags_of(self, request: Request) -> list[int]:
        """The tags that the rule of this mobile's session may have if it is still to be recovered: one for each key."""
        server, keys = request.virtual_server, self.keys.of_switch(request.datapath_id)
        return [tag_of(server.packed_address, request.identity, key) for key in keys]

    def _tags(self, server: VirtualServer, identity: bytes) -> list[int]:
        return [tag_of(server.packed_address, identity, key) for key in self.keys.every()]

    def by_tag(self, tag: int) -> Optional[Session]:
        """The session whose flow matches this Ethernet source address."""
        return self._by_tag.get(tag)

    @property
    def is_full(self) -> bool:
        """Whether a new session needs another one to make room."""
        return self._by_tag.size >= self.limit.limit

    @property
    def places(self) -> int:
        """Further sessions that the limit allows."""
        return max(0, self.limit.limit - self._by_tag.size)

    def _may_confirm(self) -> bool:
        """Whether the part of the limit that confirmed sessions may take has room."""
        return self._by_tag.size - self.limit.unconfirmed < self.limit.limit * MAX_CONFIRMED_PART

    def confirm(self, session: Session) -> None:
        """The session's mobile has begun a further attempt: it no longer makes room for others."""
        if self._may_confirm():
            self.limit.remove(session)

    def move(self, session: Session, real: RealServer) -> None:
        """The session goes to another real server."""
        session.real = real
        self.limit.on_moved(session)

    def open(self, request: Request, real: RealServer, now: float) -> Session:
        """Open a session with a tag that no other session has."""
        server, identity, client = request.virtual_server, request.identity, request.client
        tag = tag_of(server.packed_address, identity, self.keys.current)
        session = Session(server, identity, tag, real, now, client, request.client_port, request.identification)
        while not self._by_tag.add(session.tag, session):
            session.tag = next_tag(session.tag)
        session.client = self.limit.add(session, client).address or client  # one address for all sessions of a client
        self._add(session, now + server.idle)
        return session

    def recover(self, server: VirtualServer, tag: int, real: RealServer, now: float) -> Session:
        """Add a session of the previous run, whose flow a switch still has; ``tag`` must not be in use.

        Its mobile is not known yet: the first request whose identity has this tag claims the session.
        """
        self._recovered += 1
        session = Session(server, recovered_identity(tag), tag, real, now)
        session.last_attempt = NO_ATTEMPT
        if not self._may_confirm():
            self.limit.add(session, RECOVERED)
        self._by_tag.add(tag, session)
        self._add(session, session.deadline)
        return session

    def remove(self, session: Session) -> None:
        """Remove a session that has ended."""
        self._recovered -= session.is_recovered
        self.limit.remove(session)
        self._by_identity[session.virtual_server].pop(session.identity)
        self._by_tag.pop(session.tag)
        session.is_live = False
        self._stale_deadlines += 1  # it would hold the session for as long as the idle time, which may be hours
        if self._stale_deadlines > self._by_tag.size + _MAX_STALE_DEADLINES:
            self._schedule_anew()

    def overdue(self, now: float, limit: int) -> Iterator[Optional[Session]]:
        """Look at up to ``limit`` sessions: yield those past their deadline, to be removed, and None for others."""
        for session in islice(self._to_schedule, limit):
            if session.is_live:
                self._deadlines.schedule(session, session.deadline)
                yield session if session.deadline <= now else None
            else:
                yield None
            limit -= 1
        for session in islice(self._deadlines.due(now), limit):
            if not session.is_live:
                self._stale_deadlines -= 1
                yield None
            elif session.deadline <= now:
                self._stale_deadlines -= 1
                yield session
            else:
                self._deadlines.schedule(session, session.deadline)
                yield None

    def _add(self, session: Session, deadline: float) -> None:
        """Hold a session that is in the table by tag already."""
        self._by_identity[session.virtual_server].add(session.identity, session)
        session.is_live = True
        self._deadlines.schedule(session, deadline)

    def _claim(self, request: Request) -> Optional[Session]:
        """The recovered session of this mobile, which is now known by its identity."""
        sessions = self._by_identity[request.virtual_server]
        for tag in self.tags_of(request):
            session = sessions.pop(recovered_identity(tag))
            if session is not None:
                self._recovered -= 1
                session.identity = request.identity
                sessions.add(request.identity, session)
                return session
        return None
