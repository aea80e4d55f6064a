"""As much of Mobile IPv4 (RFC 5944, RFC 2794) as simulated mobiles and home agents speak; nothing of the product's."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple, Optional

ACCEPTED, INSUFFICIENT_RESOURCES, FAILED_AUTHENTICATION = 0, 130, 131
_REQUEST = Struct("!BBH4s4s4sQ")
_REPLY = Struct("!BBH4s4sQ")
_AUTHENTICATION = bytes([32, 20]) + bytes(20)
#: What a stranger writes, who does not know the key.
_FORGED_AUTHENTICATION = bytes([32, 20]) + b"\xff" * 20


class Registration(NamedTuple):
    """A Registration Request; ``identification`` is new with each transmission."""

    nai: bytes
    lifetime: int
    home_agent: bytes
    care_of: bytes
    identification: int


class Reply(NamedTuple):
    """A Registration Reply."""

    code: int
    lifetime: int
    home_agent: bytes
    identification: int
    nai: bytes


def request(registration: Registration, is_forged: bool = False) -> bytes:
    """The bytes of a request, with NAI and MN-HA authentication extensions; a forged one has a wrong authenticator."""
    nai, lifetime, home_agent, care_of, identification = registration
    head = _REQUEST.pack(1, 0, lifetime, bytes(4), home_agent, care_of, identification)
    return head + bytes([131, len(nai)]) + nai + (_FORGED_AUTHENTICATION if is_forged else _AUTHENTICATION)


def is_authentic(payload: bytes) -> bool:
    """Whether a request has the right authenticator."""
    return payload.endswith(_AUTHENTICATION)


def read_request(payload: bytes) -> Optional[Registration]:
    """The request in a datagram whose NAI extension is the first, or None."""
    if len(payload) < 26 or payload[0] != 1 or payload[24] != 131:
        return None
    _, _, lifetime, _, home_agent, care_of, identification = _REQUEST.unpack_from(payload)
    nai = payload[26 : 26 + payload[25]]
    return Registration(nai, lifetime, home_agent, care_of, identification) if len(nai) == payload[25] else None


def reply(to: Registration, code: int, home_agent: bytes) -> bytes:
    """The bytes of a reply."""
    head = _REPLY.pack(3, code, to.lifetime, bytes(4), home_agent, to.identification)
    return head + bytes([131, len(to.nai)]) + to.nai + _AUTHENTICATION


def read_reply(payload: bytes) -> Optional[Reply]:
    """The reply in a datagram, or None."""
    if len(payload) < 22 or payload[0] != 3 or payload[20] != 131:
        return None
    _, code, lifetime, _, home_agent, identification = _REPLY.unpack_from(payload)
    return Reply(code, lifetime, home_agent, identification, payload[22 : 22 + payload[21]])
