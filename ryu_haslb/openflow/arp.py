"""ARP (RFC 826, RFC 5227) as Ethernet frames."""

from __future__ import annotations

import struct
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow.wire import ETHERTYPE_ARP, ETHERTYPE_IPV4

_BROADCAST = b"\xff" * 6
_UNKNOWN = bytes(6)
_NOBODY = bytes(4)
_FRAME = Struct("!6s6sHHHBBH6s4s6s4s")
_HARDWARE_ETHERNET = 1

REQUEST = 1
REPLY = 2


class ArpPacket(NamedTuple):
    """The fields of an ARP packet over Ethernet and IPv4; addresses in network order."""

    operation: int
    sender_mac: bytes
    sender_address: bytes
    target_mac: bytes
    target_address: bytes


def read_arp(frame: bytes) -> Optional[ArpPacket]:
    """The ARP packet in an untagged frame; None when it is none, cut short, or its sender is no host."""
    try:
        fields = _FRAME.unpack_from(frame)
    except struct.error:
        return None
    _, _, ethertype, hardware, protocol, mac_length, address_length, *packet = fields
    if (ethertype, hardware, protocol) != (ETHERTYPE_ARP, _HARDWARE_ETHERNET, ETHERTYPE_IPV4):
        return None
    return ArpPacket(*packet) if (mac_length, address_length) == (6, 4) and _is_host(packet[1]) else None


def _is_host(mac: bytes) -> bool:
    """A group or no address at all is nobody's (RFC 1812, section 3.3.2)."""
    return not mac[0] & 1 and mac != _UNKNOWN


def _frame(destination: bytes, packet: ArpPacket) -> bytes:
    return _FRAME.pack(destination, packet.sender_mac, ETHERTYPE_ARP, _HARDWARE_ETHERNET, ETHERTYPE_IPV4, 6, 4, *packet)


def probe(sender_mac: bytes, target_address: bytes) -> bytes:
    """Ask for an address without telling one's own (RFC 5227, section 1.1).

    Sender 0.0.0.0 leaves no trace in anybody's cache, and home agents that hold the virtual address answer it too.
    """
    return _frame(_BROADCAST, ArpPacket(REQUEST, sender_mac, _NOBODY, _UNKNOWN, target_address))


def answer(request: ArpPacket, mac: bytes) -> bytes:
    """The reply that says that ``mac`` has the address that was asked for."""
    return _frame(
        request.sender_mac,
        ArpPacket(REPLY, mac, request.target_address, request.sender_mac, request.sender_address),
    )
