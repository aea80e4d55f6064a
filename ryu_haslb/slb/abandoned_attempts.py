"""What is remembered of ended sessions: attempts that were retransmitted to the end, and places that were taken away.

A phone gives up after a few retransmissions and begins anew 20 to 60 seconds later. By then its session has ended, if
the idle time is the default of 10 seconds. If its retries were forgotten with it, they would never exceed ``reassign``:
no mobile would be moved, and no real server would fail.

A session that has made room for another one would have brought its mobile to the same real server for as long as its
idle time: a flood must not move mobiles by ending their sessions. So its place is remembered for so long, among the
last :data:`MAX_ATTEMPTS`. The mobile of a recovered session may not be known yet: then its request claims the place by
the tag, as it would have claimed the session.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import MAX_PAUSE, Session
from ryu_haslb.slb.session_tag import recovered_identity
from ryu_haslb.slb.virtual_server import VirtualServer

#: Attempts that are remembered; the oldest are forgotten first.
MAX_ATTEMPTS = 100_000


class Attempt(NamedTuple):
    """The last attempt of an ended session (see :class:`ryu_haslb.slb.session.Session`), remembered until ``until``.

    ``is_displaced``: the session has not ended by its idle time, but has made room for another one.
    """

    real: RealServer
    retries: int
    waited: float
    last_attempt: float
    until: float
    is_displaced: bool

    def as_session(self, request: Request, now: float) -> Session:
        """What would be the mobile's session; no table holds it."""
        session = Session(request.virtual_server, request.identity, 0, self.real, now, request.client)
        session.retries, session.waited, session.last_attempt = self.retries, self.waited, self.last_attempt
        return session


class AbandonedAttempts:
    """``attempts`` holds those that are remembered, by virtual server and mobile, oldest first.

    ``may_have_unclaimed`` is whether places of recovered sessions may be among them whose mobile is not known.
    """

    def __init__(self) -> None:
        self.attempts: dict[tuple[VirtualServer, bytes], Attempt] = {}
        self.may_have_unclaimed = False

    def remember(self, session: Session) -> None:
        """A session has ended by its idle time: if its mobile was retransmitting, its retries count on."""
        if session.retries and session.waited:
            self._add(session, session.last_attempt + MAX_PAUSE, False)

    def remember_place(self, session: Session) -> None:
        """A session has made room for another one: its mobile comes back to the same real server."""
        self._add(session, max(session.deadline, session.last_attempt + MAX_PAUSE), True)
        if session.is_recovered:
            self.may_have_unclaimed = True

    def _add(self, session: Session, until: float, is_displaced: bool) -> None:
        key = session.virtual_server, session.identity
        self.attempts.pop(key, None)
        if len(self.attempts) >= MAX_ATTEMPTS:
            del self.attempts[next(iter(self.attempts))]
        last = session.retries, session.waited, session.last_attempt
        self.attempts[key] = Attempt(session.real, *last, until, is_displaced)

    def find(self, request: Request, now: float) -> Optional[Attempt]:
        """What is remembered of this mobile; None: nothing is."""
        attempt = self.attempts.get((request.virtual_server, request.identity))
        return None if attempt is None or attempt.until < now else attempt

    def claim(self, request: Request, tags: Iterable[int], now: float) -> Optional[Attempt]:
        """The place of a recovered session with one of these tags is from now on that of the request's mobile."""
        for tag in tags:
            attempt = self.attempts.pop((request.virtual_server, recovered_identity(tag)), None)
            if attempt is not None and attempt.until >= now:
                self.attempts[request.virtual_server, request.identity] = attempt
                return attempt
        return None

    def stay(self, attempt: Attempt, session: Session) -> None:
        """The mobile has sent a further request. Its place is remembered for as long as this would be its session."""
        self._add(session, max(attempt.until, session.deadline), True)

    def forget(self, request: Request) -> None:
        """The mobile has a session again."""
        self.attempts.pop((request.virtual_server, request.identity), None)

    def expire(self, now: float) -> None:
        """Forget mobiles that do not come back. One whose time is over waits for older ones, and is not found."""
        while self.attempts:
            oldest = next(iter(self.attempts))
            if self.attempts[oldest].until > now:
                return
            del self.attempts[oldest]
        self.may_have_unclaimed = False
