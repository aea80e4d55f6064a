"""OpenFlow 1.3 packet-ins and packet-outs, the messages of the request path, packed and unpacked by hand."""

from __future__ import annotations

import struct
from struct import Struct
from typing import Optional

from ryu_haslb.openflow.wire import (
    OFP_NO_BUFFER,
    OFP_VERSION,
    OFPAT_SET_FIELD,
    OFPP_CONTROLLER,
    OFPP_TABLE,
    OFPT_PACKET_OUT,
    MalformedMessage,
    find_oxm,
    output,
    oxm_header,
    set_field,
)

_PACKET_OUT = Struct("!HH12sH6x")
_PACKET_IN = Struct("!16xQHHII")
_PACKET_OUT_TYPE = OFP_VERSION << 8 | OFPT_PACKET_OUT
#: What is the same in every packet-out: transaction id 0, no buffer, and the port.
_FROM_CONTROLLER = struct.pack("!III", 0, OFP_NO_BUFFER, OFPP_CONTROLLER)


def packet_out(actions: bytes, frame: bytes) -> bytes:
    """Have the switch apply actions to a frame that comes from the controller."""
    size = len(actions)
    return _PACKET_OUT.pack(_PACKET_OUT_TYPE, 24 + size + len(frame), _FROM_CONTROLLER, size) + actions + frame


_TO_TABLE = output(OFPP_TABLE)
_RETURN_HEAD, _RETURN_TAIL = set_field("eth_src", bytes(6))[:8], b"\0\0" + _TO_TABLE
#: Where a packet-out with the actions of :func:`return_to_session` has its output action, up to the port.
_RETURN_OUTPUT = slice(40, 48)
#: Where it has the tag.
_RETURN_TAG = slice(32, 38)
#: Where a packet-out has the type of its first action.
_FIRST_ACTION = slice(24, 26)


def return_to_session(tag: int) -> bytes:
    """Actions: write a session's tag into the Ethernet source and run the packet through the tables."""
    return _RETURN_HEAD + tag.to_bytes(6, "big") + _RETURN_TAIL


_RETURN_LENGTH = len(_RETURN_HEAD) + 6 + len(_RETURN_TAIL)


def packet_out_to_session(tag: int, frame: bytes) -> bytes:
    """The packet-out with the actions of :func:`return_to_session`."""
    head = _PACKET_OUT.pack(_PACKET_OUT_TYPE, 24 + _RETURN_LENGTH + len(frame), _FROM_CONTROLLER, _RETURN_LENGTH)
    return b"".join((head, _RETURN_HEAD, tag.to_bytes(6, "big"), _RETURN_TAIL, frame))


def is_return_to_session(message: bytes, tag: Optional[int] = None) -> bool:
    """Whether a packet-out, or the beginning of one that an error quotes, has the actions that return to a session.

    With a ``tag``, only those that return to this one.
    """
    if message[1:2] != bytes([OFPT_PACKET_OUT]) or message[_RETURN_OUTPUT] != _TO_TABLE[:8]:
        return False
    return tag is None or message[_RETURN_TAG] == tag.to_bytes(6, "big")


def is_request_packet_out(message: bytes) -> bool:
    """Whether a packet-out, or the beginning of one that an error quotes, forwards a request: only these rewrite."""
    return message[1:2] == bytes([OFPT_PACKET_OUT]) and message[_FIRST_ACTION] == OFPAT_SET_FIELD.to_bytes(2, "big")


_OXM_IN_PORT = oxm_header("in_port")
#: Length of a match with the ingress port alone, and where the frame begins behind it.
_PORT_MATCH, _FRAME_BEHIND_PORT_MATCH = 12, 42


def read_packet_in(message: bytes) -> Optional[tuple[int, int, bytes]]:
    """Cookie of the rule that sent the packet to us, ingress port, and frame; None when it has no ingress port.

    Raises:
        MalformedMessage: the message is cut short, or its match is longer than the message.
    """
    try:
        cookie, _, match_length, oxm_found, in_port = _PACKET_IN.unpack_from(message)
    except struct.error as error:
        raise MalformedMessage(f"packet-in of {len(message)} bytes: expected {_PACKET_IN.size} or more") from error
    if match_length == _PORT_MATCH and oxm_found == _OXM_IN_PORT and len(message) >= _FRAME_BEHIND_PORT_MATCH:
        return cookie, in_port, message[_FRAME_BEHIND_PORT_MATCH:]  # as nearly all switches send it
    frame = 26 + (match_length + 7 & ~7)
    if frame > len(message):
        raise MalformedMessage(f"packet-in of {len(message)} bytes: its match of {match_length} bytes does not fit")
    if oxm_found != _OXM_IN_PORT or match_length < _PORT_MATCH:
        value = find_oxm(message, 28, 24 + match_length, _OXM_IN_PORT)
        if value is None:
            return None
        in_port = int.from_bytes(value, "big")
    return cookie, in_port, message[frame:]
