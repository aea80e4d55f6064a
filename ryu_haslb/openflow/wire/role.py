"""OpenFlow 1.3 controller roles (OpenFlow 1.3.5, sections 6.3.6 and 7.3.9), and ONF's role status (EXT-191)."""

from __future__ import annotations

import struct
from enum import IntEnum
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow.wire.flow_mod import ONF_EXPERIMENTER_ID
from ryu_haslb.openflow.wire.wire import OFP_VERSION, OFPT_EXPERIMENTER, MalformedMessage

OFPT_ROLE_REQUEST = 24
ONF_ET_ROLE_STATUS = 1911

#: The generation that a switch reports before any controller has given it one: all bits are set.
UNDEFINED_GENERATION = 0xFFFFFFFFFFFFFFFF
#: The generation of a question, which a switch is to ignore. One that repeats it (Lagopus) does not say its own.
QUESTION_GENERATION = 0xA5C0_0000_0000_51B7

_ROLE_REQUEST = Struct("!BBHII4xQ")
_ROLE_REPLY = Struct("!8xI4xQ")
_ROLE_STATUS = Struct("!8xIII")


class ControllerRole(IntEnum):
    """OFPCR_ROLE_…: what a controller asks for, and what it has."""

    NOCHANGE = 0
    EQUAL = 1
    MASTER = 2
    SLAVE = 3


class RoleReply(NamedTuple):
    """The role that the controller has now, and the newest generation that the switch has seen."""

    role: int
    generation: int


def role_request(xid: int, role: ControllerRole, generation: int = 0) -> bytes:
    """Ask for a role. The switch rejects MASTER and SLAVE with an older generation than its own (OFPRRFC_STALE)."""
    return _ROLE_REQUEST.pack(OFP_VERSION, OFPT_ROLE_REQUEST, _ROLE_REQUEST.size, xid, role, generation)


def role_question(xid: int) -> bytes:
    """Ask which role this connection has, and which generation the switch has seen."""
    return role_request(xid, ControllerRole.NOCHANGE, QUESTION_GENERATION)


def read_role_reply(message: bytes) -> RoleReply:
    """Unpack a role reply.

    Raises:
        MalformedMessage: the message is cut short.
    """
    try:
        return RoleReply(*_ROLE_REPLY.unpack_from(message))
    except struct.error as error:
        raise MalformedMessage(f"role reply of {len(message)} bytes: expected {_ROLE_REPLY.size} or more") from error


def read_role_status(message: bytes) -> Optional[int]:
    """The new role in a role status, which a switch sends when another controller took MASTER; None if it is none."""
    if message[1:2] != bytes([OFPT_EXPERIMENTER]) or len(message) < _ROLE_STATUS.size:
        return None
    experimenter, kind, role = _ROLE_STATUS.unpack_from(message)
    return role if (experimenter, kind) == (ONF_EXPERIMENTER_ID, ONF_ET_ROLE_STATUS) else None


def next_generation(generation: int) -> int:
    """The generation after this one; they wrap around."""
    return generation + 1 & 0xFFFFFFFFFFFFFFFF


def is_newer(generation: int, than: int) -> bool:
    """Whether a generation is newer than another one, as the switch compares them (section 6.3.6)."""
    return 0 < (generation - than & 0xFFFFFFFFFFFFFFFF) < 1 << 63
