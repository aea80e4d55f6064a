"""Sessions: one for each mobile of a virtual server, while it registers."""

from __future__ import annotations

from collections import deque
from enum import Enum
from math import inf
from typing import Final, NamedTuple, Optional

from ryu_haslb.slb.count_ranking import Counted, Ranking
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session_tag import RECOVERED, cookie_of
from ryu_haslb.slb.virtual_server import VirtualServer

#: The client of a recovered session: it is not known.
_NO_CLIENT: Final = bytes(4)

#: No request has this Identification: it does not fit into 64 bits.
UNKNOWN_IDENTIFICATION: Final = 1 << 64
#: ``last_attempt`` of a recovered session until its mobile sends a request: the first one repeats nothing.
NO_ATTEMPT: Final = -inf
#: Seconds after which a request that was not retransmitted counts as answered. A foreign agent waits less before its
#: first retransmission (RFC 5944 section 3.6.3 demands no less than one second).
RETRANSMISSION_INTERVAL: Final = 5.0
#: Seconds: a request that follows sooner is no retransmission (RFC 5944 section 3.6.3: one second; the rest is for the
#: delay of the request before).
MIN_RETRANSMISSION_INTERVAL: Final = 0.95
#: Seconds within which a phone whose attempt was not answered begins the next one; most wait 20 to 60.
MAX_PAUSE: Final = 120.0
#: Each retransmission may wait twice as long as the one before (same section); the rest is for delays.
MAX_BACKOFF: Final = 2.5


class SessionState(Enum):
    """The states that ``show ip slb sessions ipmobile`` prints. INIT is the state before and after a session's life."""

    INIT = "IPMOBILE_INIT"
    ESTABLISHED = "IPMOBILE_ESTAB"


class SessionEvent(Enum):
    """The events that ``debug ip slb sessions ipmobile`` prints."""

    REQUEST = "IPMOBILE_REQ_REQUEST"
    TIMEOUT = "IPMOBILE_TIMEOUT"


class ClientShare(Counted):
    """The unconfirmed sessions of one client (:mod:`.session_limit`), in a queue for each of their real servers.

    ``of_farms`` is their number by the name of the farm.
    """

    __slots__ = ("address", "of_farms", "queues")

    def __init__(self, address: bytes) -> None:
        super().__init__()
        self.address = address
        self.of_farms: dict[str, int] = {}
        self.queues: dict[RealServer, SessionQueue] = {}


class SessionQueue(Counted):
    """The unconfirmed sessions of one client at one real server, oldest first.

    They are in ``older``, and then in ``sessions``, among others that have ended, are confirmed, or have moved.
    ``ranking`` is that of the queues at this real server.
    """

    __slots__ = ("older", "ranking", "real", "sessions", "share")

    def __init__(self, share: ClientShare, real: RealServer, ranking: Ranking[SessionQueue]) -> None:
        super().__init__()
        self.share = share
        self.real = real
        self.ranking = ranking
        self.older: deque[Session] = deque()
        self.sessions: deque[Session] = deque()

    @property
    def oldest(self) -> Session:
        """The oldest valid session; there must be one."""
        while self.older and self.older[0].unconfirmed_in is not self:
            self.older.popleft()
        if self.older:
            return self.older[0]
        while self.sessions[0].unconfirmed_in is not self:
            self.sessions.popleft()
        return self.sessions[0]

    def purge(self, limit: int) -> None:
        """Look at up to ``limit`` entries, and drop those that are not valid: there may be a million."""
        for _ in range(min(limit, len(self.sessions))):
            session = self.sessions.popleft()
            if session.unconfirmed_in is self:
                self.older.append(session)
        if not self.sessions:
            self.sessions, self.older = self.older, self.sessions


class Session:
    """A mobile at a virtual server, and the real server that its requests go to.

    ``last_request`` is the time of its last request, which restarts the idle time. ``last_attempt`` is the time of the
    last one that was no premature repetition. ``client``, ``client_port`` and ``identification`` are of the last one
    that was neither a premature repetition nor a late copy. ``retries`` counts the requests that repeat an unanswered
    one, since the session came to this real server. ``waited`` is the time in seconds before the last retransmission of
    the current attempt (0 without one). ``rule_at`` is the datapath id of the switch that has confirmed the session's
    rule; None while no switch has. ``unconfirmed_in`` is None once the mobile has shown that it exists
    (:mod:`.session_limit`). ``is_live`` is True as long as the session table holds the session.
    """

    __slots__ = (
        "client",
        "client_port",
        "identification",
        "identity",
        "is_live",
        "last_attempt",
        "last_request",
        "real",
        "retries",
        "rule_at",
        "tag",
        "unconfirmed_in",
        "virtual_server",
        "waited",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - what is known of a session when it begins
        self,
        virtual_server: VirtualServer,
        identity: bytes,
        tag: int,
        real: RealServer,
        now: float,
        client: bytes = _NO_CLIENT,
        client_port: int = 0,
        identification: int = UNKNOWN_IDENTIFICATION,
    ) -> None:
        self.virtual_server = virtual_server
        self.identity = identity
        self.client = client
        self.client_port = client_port
        self.tag = tag
        self.real = real
        self.identification = identification
        self.last_request = self.last_attempt = now
        self.retries = 0
        self.waited = 0.0
        self.rule_at: Optional[int] = None
        self.unconfirmed_in: Optional[SessionQueue] = None
        self.is_live = False

    def record_request(self, identification: int, lifetime: int, names_home_agent: bool, now: float) -> bool:
        """Record a further Registration Request: a retransmission, or the first of the mobile's next attempt.

        The balancer sees no replies, so it goes by the time since the last request. An attempt with retransmissions was
        abandoned if a further one follows soon enough for its ``lifetime`` (:func:`max_pause_of`). A mobile that uses
        nonces retransmits its request unchanged.

        Returns False for a premature repetition (RFC 5944 section 3.6.3) and for a late copy: neither shows that the
        mobile exists. Otherwise the caller records the client as well.
        """
        self.last_request = now
        waited = now - self.last_attempt
        if waited < MIN_RETRANSMISSION_INTERVAL:
            return False
        if waited < RETRANSMISSION_INTERVAL or waited <= MAX_BACKOFF * self.waited:
            self.retries += 1
            self.waited = waited
        else:
            is_abandoned = self.retries and self.waited and waited <= max_pause_of(lifetime, names_home_agent)
            self.retries = self.retries + 1 if is_abandoned else 0
            self.waited = 0.0
            if not is_abandoned and identification == self.identification:
                self.last_attempt = now
                return False
        self.last_attempt = now
        self.identification = identification
        return True

    @property
    def shows_mobile(self) -> bool:
        """Whether its last request shows that its mobile exists, as far as requests do (:mod:`.session_limit`)."""
        return not self.retries or self.retries > self.real.configuration.reassign

    @property
    def cookie(self) -> int:
        """The 64-bit session key: the tag and our mark. ``show`` prints it as NAI hash, the switch as cookie."""
        return cookie_of(self.tag)

    @property
    def is_recovered(self) -> bool:
        """Whether the session was recovered from a rule, and its mobile is not known yet: none of its requests came."""
        return self.identity[:1] == RECOVERED

    @property
    def has_requested(self) -> bool:
        """Whether a request has restarted its time. None has at first if it was recovered; a deregistration does not.

        Until then its rule times out before the session, idle seconds after a packet that the balancer has not seen.
        """
        return self.last_attempt != NO_ATTEMPT

    @property
    def deadline(self) -> float:
        """When the session ends if no further request comes (``idle ipmobile request``)."""
        return self.last_request + self.virtual_server.idle


def max_pause_of(lifetime: int, names_home_agent: bool) -> float:
    """The most seconds between an abandoned attempt and the request that begins the next one.

    A mobile that was answered renews at its home agent's own address, after half of its ``lifetime`` in seconds or
    later. If it comes back to the virtual address earlier, it has no binding. One that names a home agent was answered
    once, so it has abandoned nothing.
    """
    return 0.0 if names_home_agent else max(MAX_PAUSE, lifetime / 2)


class StaleRule(NamedTuple):
    """A rule that leads where its session no longer is, and the switch that has to remove it."""

    datapath_id: int
    session: Session
