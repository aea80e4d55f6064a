"""Sessions: one for each mobile of a virtual server, while it registers."""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Optional, Protocol

if TYPE_CHECKING:
    from ryu_haslb.slb.real import RealServer
    from ryu_haslb.slb.request import Request

#: The low 16 bits of every cookie of ours: what the application may touch on a switch, and nothing else.
COOKIE_MARK = 0x51B7
COOKIE_MARK_MASK = 0xFFFF

#: A tag is a unicast Ethernet address (bit 40 clear) that is locally administered (bit 41 set).
_TAG_FIXED_BITS = 0x03 << 40
_TAG_LOCAL_BIT = 0x02 << 40
_ADOPTED = b"\xff"
_TAG_FREE_BITS = ((1 << 48) - 1) & ~_TAG_FIXED_BITS


class SessionState(Enum):
    """The states that ``show ip slb sessions ipmobile`` prints."""

    INIT = "IPMOBILE_INIT"
    ESTABLISHED = "IPMOBILE_ESTAB"


class SessionEvent(Enum):
    """The events that ``debug ip slb sessions ipmobile`` prints."""

    REQUEST = "IPMOBILE_REQ_REQUEST"
    TIMEOUT = "IPMOBILE_TIMEOUT"


#: The session's state machine. INIT is the state of a session that is not there: before and after its life.
SESSION_TRANSITIONS: dict[tuple[SessionState, SessionEvent], SessionState] = {
    (SessionState.INIT, SessionEvent.REQUEST): SessionState.ESTABLISHED,
    (SessionState.ESTABLISHED, SessionEvent.REQUEST): SessionState.ESTABLISHED,
    (SessionState.ESTABLISHED, SessionEvent.TIMEOUT): SessionState.INIT,
}


#: Seconds after which a request that was not repeated counts as answered: more than a foreign agent waits before its
#: first retransmission (RFC 5944, section 3.6.3, demands no less than one second).
RETRANSMISSION_INTERVAL = 5.0
#: Each further retransmission may take twice as long as the one before it (same section); the rest is for delays.
MOST_BACKOFF = 2.5


class RuleHolder(Protocol):
    """Where a session's rule is in place."""

    def remove(self, session: Session) -> None:
        """Take the session's rule away."""


class Session:
    """A mobile at a virtual server, and the real server that it is kept at.

    ``client`` and ``client_port`` say where its last request came from, ``retries`` how often its mobile repeated that
    at this real server, ``waited`` how many seconds before the last time (0 without one). ``rule_on`` is where its rule
    is known to be in place; None while there is none.
    """

    __slots__ = (
        "client",
        "client_port",
        "identity",
        "last_request",
        "real",
        "retries",
        "rule_on",
        "tag",
        "virtual_server",
        "waited",
    )

    def __init__(self, request: Request, tag: int, real: RealServer, now: float) -> None:
        self.virtual_server = request.virtual_server
        self.identity = request.identity
        self.tag = tag
        self.real = real
        self.client = request.client
        self.client_port = request.client_port
        self.last_request = now
        self.retries = 0
        self.waited = 0.0
        self.rule_on: Optional[RuleHolder] = None

    def ask_again(self, request: Request, now: float) -> None:
        """Its mobile asks again: because it had no answer, or because it had one and registers anew, as it does before
        its lifetime ends or when it moves on. The replies do not pass us; the time that it has waited must tell."""
        waited = now - self.last_request
        if waited >= RETRANSMISSION_INTERVAL and waited > MOST_BACKOFF * self.waited:
            self.retries, self.waited = 0, 0.0
        else:
            self.retries += 1
            self.waited = waited
        self.last_request = now
        self.client = request.client
        self.client_port = request.client_port

    @property
    def cookie(self) -> int:
        """The 64-bit session key: the tag and our mark. ``show`` prints it as NAI hash, the switch as cookie."""
        return self.tag << 16 | COOKIE_MARK

    @property
    def is_adopted(self) -> bool:
        """Taken over from a rule on a switch, and not claimed by its mobile yet."""
        return self.identity[:1] == _ADOPTED

    @property
    def deadline(self) -> float:
        """When it ends, if no further request comes."""
        return self.last_request + self.virtual_server.idle


def tag_of(virtual_address: bytes, identity: bytes) -> int:
    """The tag that a mobile's session has unless it is taken: 46 bits of hash in a locally administered address."""
    digest = blake2b(virtual_address + identity, digest_size=6).digest()
    return int.from_bytes(digest, "big") & _TAG_FREE_BITS | _TAG_LOCAL_BIT


def adopted_identity(tag: int) -> bytes:
    """What stands for the identity of a session whose mobile is not known: no NAI and no home address looks like it."""
    return _ADOPTED + tag.to_bytes(6, "big")


def next_tag(tag: int) -> int:
    """The tag to try when this one is another session's."""
    return (tag | _TAG_FIXED_BITS) + 1 & _TAG_FREE_BITS | _TAG_LOCAL_BIT
