"""OpenFlow 1.3 packet-ins and packet-outs, the messages of the request path, packed and unpacked by hand."""

from __future__ import annotations

import struct
from struct import Struct
from typing import Final, Optional

from ryu_haslb.openflow.wire.wire import (
    OFP_NO_BUFFER,
    OFP_VERSION,
    OFPAT_SET_FIELD,
    OFPMT_OXM,
    OFPP_CONTROLLER,
    OFPP_FLOOD,
    OFPP_TABLE,
    OFPT_PACKET_OUT,
    MalformedMessage,
    find_oxm,
    output,
    oxm_header,
    set_field,
)

_PACKET_OUT: Final = Struct("!HH12sH6x")
#: Cookie; type, length and first field header of the match; the first bytes of that field.
_PACKET_IN: Final = Struct("!16xQQI")
_PACKET_OUT_TYPE: Final = OFP_VERSION << 8 | OFPT_PACKET_OUT
#: What is the same in every packet-out: transaction id 0, no buffer, and the port.
_FROM_CONTROLLER: Final = struct.pack("!III", 0, OFP_NO_BUFFER, OFPP_CONTROLLER)


def packet_out(actions: bytes, frame: bytes) -> bytes:
    """Have the switch apply actions to a frame that comes from the controller."""
    size = len(actions)
    head = _PACKET_OUT.pack(_PACKET_OUT_TYPE, 24 + size + len(frame), _FROM_CONTROLLER, size)
    return b"".join((head, actions, frame))


def numbered_packet_out(xid: int, actions: bytes, frame: bytes) -> bytes:
    """A packet-out whose rejection can be told by its transaction id."""
    message = packet_out(actions, frame)
    return message[:4] + xid.to_bytes(4, "big") + message[8:]


_TO_TABLE: Final = output(OFPP_TABLE)
_RETURN_HEAD: Final = set_field("eth_src", bytes(6))[:8]
_RETURN_TAIL: Final = b"\0\0" + _TO_TABLE
#: Where a packet-out has the type of its first action.
_FIRST_ACTION: Final = 24
#: Where a packet-out with the actions of :func:`return_to_session` has the tag.
_RETURN_TAG: Final = 32
#: Where it has its output action. The first eight bytes of that go up to the port.
_RETURN_OUTPUT: Final = 40


def return_to_session(tag: int) -> bytes:
    """Actions: write a session's tag into the Ethernet source and run the packet through the tables."""
    return _RETURN_HEAD + tag.to_bytes(6, "big") + _RETURN_TAIL


#: Such a packet-out without a frame: its first four bytes (type and length) as a number, and what is before the tag.
_RETURN_PACKET_OUT: Final = packet_out(return_to_session(0), b"")
_RETURN_TYPE_AND_LENGTH: Final = int.from_bytes(_RETURN_PACKET_OUT[:4], "big")
_RETURN_BEFORE_TAG: Final = _RETURN_PACKET_OUT[4:_RETURN_TAG]


def packet_out_to_session(tag: int, frame: bytes) -> bytes:
    """The packet-out with the actions of :func:`return_to_session`."""
    type_and_length = (_RETURN_TYPE_AND_LENGTH + len(frame)).to_bytes(4, "big")
    return b"".join((type_and_length, _RETURN_BEFORE_TAG, tag.to_bytes(6, "big"), _RETURN_TAIL, frame))


def is_return_to_session(message: bytes, tag: Optional[int] = None) -> bool:
    """Whether a packet-out, or the beginning of one that an error quotes, has the actions that return to a session.

    With a ``tag``, only those that return to this one.
    """
    if message[1:2] != bytes([OFPT_PACKET_OUT]) or message[_RETURN_OUTPUT : _RETURN_OUTPUT + 8] != _TO_TABLE[:8]:
        return False
    return tag is None or message[_RETURN_TAG : _RETURN_TAG + 6] == tag.to_bytes(6, "big")


def is_request_packet_out(message: bytes) -> bool:
    """Whether a packet-out, or the beginning of one that an error quotes, forwards a request: only these rewrite."""
    if message[1:2] != bytes([OFPT_PACKET_OUT]):
        return False
    return message[_FIRST_ACTION : _FIRST_ACTION + 2] == OFPAT_SET_FIELD.to_bytes(2, "big")


def is_flood_packet_out(message: bytes) -> bool:
    """Whether a packet-out, or the beginning of one that an error quotes, outputs to FLOOD."""
    return message[1:2] == bytes([OFPT_PACKET_OUT]) and OFPP_FLOOD.to_bytes(4, "big") in message[_FIRST_ACTION:]


_OXM_IN_PORT: Final = oxm_header("in_port")
#: Length of a match with the ingress port alone, its first eight bytes, and where the frame begins behind it.
_PORT_MATCH: Final = 12
_PORT_MATCH_HEAD: Final = OFPMT_OXM << 48 | _PORT_MATCH << 32 | _OXM_IN_PORT
_FRAME_BEHIND_PORT_MATCH: Final = 42


def read_packet_in(message: bytes) -> Optional[tuple[int, int, bytes]]:
    """Cookie of the rule that sent the packet to us, ingress port, and frame; None when it has no ingress port.

    Raises:
        MalformedMessage: the message is cut short, or its match is longer than the message.
    """
    try:
        cookie, match_head, in_port = _PACKET_IN.unpack_from(message)
    except struct.error as error:
        raise MalformedMessage(f"packet-in of {len(message)} bytes: expected {_PACKET_IN.size} or more") from error
    if match_head == _PORT_MATCH_HEAD and len(message) >= _FRAME_BEHIND_PORT_MATCH:
        return cookie, in_port, message[_FRAME_BEHIND_PORT_MATCH:]  # as nearly all switches send it
    match_length, oxm_found = match_head >> 32 & 0xFFFF, match_head & 0xFFFFFFFF
    frame = 26 + (match_length + 7 & ~7)
    if frame > len(message):
        raise MalformedMessage(f"packet-in of {len(message)} bytes: its match of {match_length} bytes does not fit")
    if oxm_found != _OXM_IN_PORT or match_length < _PORT_MATCH:
        value = find_oxm(message, 28, 24 + match_length, _OXM_IN_PORT)
        if value is None:
            return None
        in_port = int.from_bytes(value, "big")
    return cookie, in_port, message[frame:]
