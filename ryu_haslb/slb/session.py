"""Sessions: one for each mobile of a virtual server, while it registers."""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from typing import NamedTuple, Optional

from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.virtual_server import VirtualServer

#: The low 16 bits of the cookie of every flow of ours. The application touches no other flow on a switch.
COOKIE_MARK = 0x51B7
COOKIE_MARK_MASK = 0xFFFF

#: A tag is a unicast Ethernet address (bit 40 clear) that is locally administered (bit 41 set).
_TAG_FIXED_BITS = 0x03 << 40
_TAG_LOCAL_BIT = 0x02 << 40
_TAG_FREE_BITS = ((1 << 48) - 1) & ~_TAG_FIXED_BITS
#: The first byte of the identity of a recovered session. The identity of a mobile never begins with this byte.
_RECOVERED = b"\xff"

#: Seconds after which a request that was not retransmitted counts as answered. A foreign agent waits less before its
#: first retransmission (RFC 5944 section 3.6.3 demands no less than one second).
RETRANSMISSION_INTERVAL = 5.0
#: Each retransmission may wait twice as long as the one before (same section); the rest is for delays.
MAX_BACKOFF = 2.5


class SessionState(Enum):
    """The states that ``show ip slb sessions ipmobile`` prints. INIT is the state before and after a session's life."""

    INIT = "IPMOBILE_INIT"
    ESTABLISHED = "IPMOBILE_ESTAB"


class SessionEvent(Enum):
    """The events that ``debug ip slb sessions ipmobile`` prints."""

    REQUEST = "IPMOBILE_REQ_REQUEST"
    TIMEOUT = "IPMOBILE_TIMEOUT"


class Session:
    """A mobile at a virtual server, and the real server that its requests go to.

    ``client`` and ``client_port`` are the source of its last request. ``retries`` counts the retransmissions of that
    request at this real server, and ``waited`` is the time in seconds before the last of them (0 without one).
    ``rule_at`` is the datapath id of the switch that has confirmed the session's flow; None while no switch has.
    """

    __slots__ = (
        "client",
        "client_port",
        "identity",
        "last_request",
        "real",
        "retries",
        "rule_at",
        "tag",
        "virtual_server",
        "waited",
    )

    def __init__(self, virtual_server: VirtualServer, identity: bytes, tag: int, real: RealServer, now: float) -> None:
        self.virtual_server = virtual_server
        self.identity = identity
        self.client = bytes(4)
        self.client_port = 0
        self.tag = tag
        self.real = real
        self.last_request = now
        self.retries = 0
        self.waited = 0.0
        self.rule_at: Optional[int] = None

    def record_request(self, client: bytes, client_port: int, now: float) -> None:
        """Record a further Registration Request: a retransmission, or a new registration (RFC 5944 section 3.6.3).

        The balancer sees no replies, so the time since the last request decides which of the two it is.
        """
        waited = now - self.last_request
        if waited >= RETRANSMISSION_INTERVAL and waited > MAX_BACKOFF * self.waited:
            self.retries, self.waited = 0, 0.0
        else:
            self.retries += 1
            self.waited = waited
        self.last_request = now
        self.client = client
        self.client_port = client_port

    @property
    def cookie(self) -> int:
        """The 64-bit session key: the tag and our mark. ``show`` prints it as NAI hash, the switch as cookie."""
        return self.tag << 16 | COOKIE_MARK

    @property
    def is_recovered(self) -> bool:
        """Whether the session was recovered from a flow, and its mobile has sent no request since."""
        return self.identity[:1] == _RECOVERED

    @property
    def deadline(self) -> float:
        """When the session ends if no further request comes (``idle ipmobile request``)."""
        return self.last_request + self.virtual_server.idle


class StaleRule(NamedTuple):
    """A flow that leads where its session no longer is, and the switch that has to remove it."""

    datapath_id: int
    session: Session


def tag_of(virtual_address: bytes, identity: bytes) -> int:
    """The tag of a mobile's session, unless another has it: 46 bits of hash in a locally administered address."""
    digest = blake2b(virtual_address + identity, digest_size=6).digest()
    return int.from_bytes(digest, "big") & _TAG_FREE_BITS | _TAG_LOCAL_BIT


def recovered_identity(tag: int) -> bytes:
    """The identity of a recovered session until its mobile is known. No NAI and no home address equals it."""
    return _RECOVERED + tag.to_bytes(6, "big")


def next_tag(tag: int) -> int:
    """The tag to try when another session has this one."""
    return (tag | _TAG_FIXED_BITS) + 1 & _TAG_FREE_BITS | _TAG_LOCAL_BIT
