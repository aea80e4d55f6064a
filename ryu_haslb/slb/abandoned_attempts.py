"""Attempts that were retransmitted until their sessions ended: their retries count on into the next attempt.

A phone gives up after a few retransmissions and begins anew 20 to 60 seconds later. By then its session has ended, if
the idle time is the default of 10 seconds. If its retries were forgotten with it, they would never exceed ``reassign``:
no mobile would be moved, and no real server would fail.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Optional

from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import MAX_PAUSE, Session
from ryu_haslb.slb.virtual_server import VirtualServer

#: Attempts that are remembered; the oldest are forgotten first.
MAX_ATTEMPTS: Final = 100_000


class Attempt(NamedTuple):
    """The last attempt of an ended session (see :class:`ryu_haslb.slb.session.Session`)."""

    real: RealServer
    retries: int
    waited: float
    last_attempt: float
    ended_at: float


class AbandonedAttempts:
    """``attempts`` holds those of the last :data:`MAX_PAUSE` seconds, by virtual server and mobile, oldest first."""

    def __init__(self) -> None:
        self.attempts: dict[tuple[VirtualServer, bytes], Attempt] = {}

    def remember(self, session: Session, now: float) -> None:
        """A session with retransmissions has ended."""
        key = session.virtual_server, session.identity
        self.attempts.pop(key, None)
        if len(self.attempts) >= MAX_ATTEMPTS:
            del self.attempts[next(iter(self.attempts))]
        self.attempts[key] = Attempt(session.real, session.retries, session.waited, session.last_attempt, now)

    def take(self, request: Request, now: float) -> Optional[Attempt]:
        """The attempt that this mobile has abandoned: its request is the first of the next one. None: there is none."""
        attempt = self.attempts.pop((request.virtual_server, request.identity), None)
        return None if attempt is None or attempt.last_attempt < now - MAX_PAUSE else attempt

    def expire(self, now: float) -> None:
        """Forget attempts whose mobiles do not come back."""
        while self.attempts:
            oldest = next(iter(self.attempts))
            if self.attempts[oldest].ended_at > now - MAX_PAUSE:
                break
            del self.attempts[oldest]
