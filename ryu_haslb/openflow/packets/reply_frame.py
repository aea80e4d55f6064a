"""Reads the Registration Reply in a frame that a switch has copied or returned. Pure."""

from __future__ import annotations

import struct
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.mobile_ip.reply_reader import ReplyFields, read_registration_reply
from ryu_haslb.openflow.packets.icmp import checksum
from ryu_haslb.openflow.wire.wire import ETHERTYPE_IPV4, PROTOCOL_UDP

_ETHERNET = Struct("!6x6sH")
_IPV4 = Struct("!BxH2xHxB2x4s4s")
_UDP = Struct("!HHH")
_UDP_LENGTH = 8
# Bounds of the first byte of an IPv4 header: the version, 4, and the header's length in words, at least 5.
_NO_OPTIONS, _NEXT_VERSION = 0x45, 0x50
_FRAGMENT = 0x3FFF  # more fragments, and the offset


class CopiedReply(NamedTuple):
    """A Registration Reply on its way: its Ethernet and IPv4 source in bytes, its UDP source port, and its fields.

    It goes to ``to_port`` at ``destination``.
    """

    mac: bytes
    source: bytes
    port: int
    fields: ReplyFields
    destination: bytes
    to_port: int


def read_reply(frame: bytes) -> Optional[CopiedReply]:
    """The Registration Reply in an untagged frame; None if there is none, or anything about it is wrong.

    The UDP checksum is not read: in virtual machines it may be completed behind the switch.
    """
    try:
        mac, ethertype = _ETHERNET.unpack_from(frame)
        version_ihl, total_length, fragment, protocol, source, destination = _IPV4.unpack_from(frame, _ETHERNET.size)
        datagram = _ETHERNET.size + (version_ihl & 0x0F) * 4
        port, to_port, datagram_length = _UDP.unpack_from(frame, datagram)
    except struct.error:
        return None
    end = datagram + datagram_length
    is_sound = (
        (ethertype, protocol) == (ETHERTYPE_IPV4, PROTOCOL_UDP)
        and _NO_OPTIONS <= version_ihl < _NEXT_VERSION
        and not fragment & _FRAGMENT
        and datagram + _UDP_LENGTH <= end <= min(_ETHERNET.size + total_length, len(frame))
        and checksum(frame[_ETHERNET.size : datagram]) == 0
    )
    fields = read_registration_reply(frame[datagram + _UDP_LENGTH : end]) if is_sound else None
    return None if fields is None else CopiedReply(mac, source, port, fields, destination, to_port)
