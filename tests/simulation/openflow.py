"""Numbers of OpenFlow 1.3, and structures that several parts of the simulated switch write."""

from __future__ import annotations

from struct import Struct

from simulation.flow_table import Match
from simulation.packet import fields_of

(HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, EXPERIMENTER, FEATURES_REQUEST, FEATURES_REPLY) = range(7)
GET_CONFIG_REQUEST, GET_CONFIG_REPLY, SET_CONFIG, PACKET_IN, FLOW_REMOVED, PORT_STATUS, PACKET_OUT = range(7, 14)
FLOW_MOD, MULTIPART_REQUEST, MULTIPART_REPLY, BARRIER_REQUEST, BARRIER_REPLY = 14, 18, 19, 20, 21
ROLE_REQUEST, ROLE_REPLY, GET_ASYNC_REQUEST, GET_ASYNC_REPLY, SET_ASYNC, METER_MOD = range(24, 30)
ROLE_NOCHANGE, ROLE_EQUAL, ROLE_MASTER, ROLE_SLAVE = range(4)
ONF = 0x4F4E4600

#: The header of every message: version, type, length, transaction id.
HEADER = Struct("!BBHI")


def packed(match: Match) -> bytes:
    """A match structure (section 7.2.3)."""
    length = 4 + len(match.oxms)
    return (b"\0\1" + length.to_bytes(2, "big") + match.oxms).ljust(length + 7 & ~7, b"\0")


#: Bytes of the match fields that do not have two.
_SIZES = {0: 4, 2: 8, 3: 6, 4: 6, 10: 1, 11: 4, 12: 4, 22: 4, 23: 4}


def packed_fields(frame: bytes, in_port: int) -> bytes:
    """A match structure with every field that a frame has, the ingress port behind the others."""
    oxms = b""
    for number, value in reversed(list(enumerate(fields_of(frame, in_port)))):
        size = _SIZES.get(number, 2)
        if value is not None:
            oxms += (0x8000_0000 | number << 9 | size).to_bytes(4, "big") + value.to_bytes(size, "big")
    length = 4 + len(oxms)
    return (b"\0\1" + length.to_bytes(2, "big") + oxms).ljust(length + 7 & ~7, b"\0")
