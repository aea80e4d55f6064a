"""ICMP echo (RFC 792; RFC 1122, section 3.2.2.6): the reply to a ping of a virtual address. Pure."""

from __future__ import annotations

import struct
from struct import Struct
from typing import Optional

from ryu_haslb.openflow.packets.frame import MAX_FRAME_LENGTH
from ryu_haslb.openflow.packets.martians import is_unicast
from ryu_haslb.openflow.wire.wire import ETHERTYPE_IPV4

#: The number of ICMP in an IPv4 header.
PROTOCOL_ICMP = 1
_ECHO_REQUEST, _ECHO_REPLY = 8, 0

_ETHERNET = Struct("!6s6sH")
_IPV4 = Struct("!BBHHHBBH4s4s")
_ICMP = Struct("!BBH")
_ECHO_HEADER_LENGTH = 8
_VERSION_AND_LENGTH = 0x45
_FRAGMENT = 0x3FFF  # more fragments, and the offset
_TTL = 64


def echo_reply(frame: bytes, mac: bytes, address: bytes) -> Optional[bytes]:
    """The reply of the host that has this Ethernet address and this IPv4 address to the untagged frame of a ping.

    None when the frame is no whole and valid echo request to this host from a single other one: fragments, packets with
    IPv4 options, with TTL 0 and with wrong checksums get no reply.
    """
    try:
        to, sender, ethertype = _ETHERNET.unpack_from(frame)
        head, service, length, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(
            frame, _ETHERNET.size
        )
    except struct.error:
        return None
    if len(frame) > MAX_FRAME_LENGTH:
        return None
    icmp = frame[_ETHERNET.size + _IPV4.size : _ETHERNET.size + length]
    is_for_us = (to, ethertype, head, destination) == (mac, ETHERTYPE_IPV4, _VERSION_AND_LENGTH, address)
    is_from_host = not sender[0] & 1 and is_unicast(source) and source != address and ttl
    is_echo = protocol == PROTOCOL_ICMP and not fragment & _FRAGMENT and icmp[:2] == bytes((_ECHO_REQUEST, 0))
    is_whole = len(icmp) >= _ECHO_HEADER_LENGTH and len(icmp) == length - _IPV4.size
    if not (is_for_us and is_echo and is_whole and is_from_host):
        return None
    if checksum(frame[_ETHERNET.size : _ETHERNET.size + _IPV4.size]) or checksum(icmp):
        return None
    return _ETHERNET.pack(sender, mac, ethertype) + _packet(service, address, source, icmp)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of data with its checksum field at zero; 0 if the field has the right value."""
    total = int.from_bytes(data + bytes(len(data) % 2), "big")
    folded = total % 0xFFFF
    return ~(0xFFFF if total and not folded else folded) & 0xFFFF


def _packet(service: int, source: bytes, destination: bytes, request: bytes) -> bytes:
    """The IPv4 packet that replies to an ICMP echo request."""
    message = _ICMP.pack(_ECHO_REPLY, 0, 0) + request[_ICMP.size :]
    message = _ICMP.pack(_ECHO_REPLY, 0, checksum(message)) + request[_ICMP.size :]
    fields = (_VERSION_AND_LENGTH, service, _IPV4.size + len(message), 0, 0, _TTL, PROTOCOL_ICMP)
    header = _IPV4.pack(*fields, 0, source, destination)
    return _IPV4.pack(*fields, checksum(header), source, destination) + message
