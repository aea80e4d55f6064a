"""ARP (RFC 826, RFC 5227) as Ethernet frames."""

from __future__ import annotations

import struct
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow.wire.wire import ETHERTYPE_ARP, ETHERTYPE_IPV4

#: The operations of ARP.
REQUEST = 1
REPLY = 2

_BROADCAST = b"\xff" * 6
_NO_MAC = bytes(6)
_UNSPECIFIED = bytes(4)
_FRAME = Struct("!6s6sHHHBBH6s4s6s4s")
_HARDWARE_ETHERNET = 1


class ArpPacket(NamedTuple):
    """The fields of an ARP packet over Ethernet and IPv4; addresses in network order."""

    operation: int
    sender_mac: bytes
    sender_address: bytes
    target_mac: bytes
    target_address: bytes


def read_arp(frame: bytes) -> Optional[ArpPacket]:
    """The ARP packet in an untagged frame; None when there is none, it is cut short, or no host has sent it.

    A host sends requests and replies (not RARP, RFC 903), from the Ethernet address that it gives as its own. That is
    neither a group address nor 0 (RFC 1812, section 3.3.2).
    """
    try:
        fields = _FRAME.unpack_from(frame)
    except struct.error:
        return None
    _, source, ethertype, hardware, protocol, mac_length, address_length, *packet = fields
    if (ethertype, hardware, protocol) != (ETHERTYPE_ARP, _HARDWARE_ETHERNET, ETHERTYPE_IPV4):
        return None
    if (mac_length, address_length) != (6, 4) or packet[0] not in (REQUEST, REPLY):
        return None
    return ArpPacket(*packet) if packet[1] == source and _is_host(source) else None


def _is_host(mac: bytes) -> bool:
    """False for group addresses and for the address 0: no host has them (RFC 1812, section 3.3.2)."""
    return not mac[0] & 1 and mac != _NO_MAC


def _frame(destination: bytes, packet: ArpPacket) -> bytes:
    return _FRAME.pack(destination, packet.sender_mac, ETHERTYPE_ARP, _HARDWARE_ETHERNET, ETHERTYPE_IPV4, 6, 4, *packet)


def probe(sender_mac: bytes, target_address: bytes, to: bytes = _BROADCAST) -> bytes:
    """The frame that asks for an address, with the sender address 0.0.0.0 (RFC 5227, section 1.1).

    ``to`` is the Ethernet address that it goes to: of all hosts, or of one that is polled (RFC 1122, section 2.3.2.1).

    Hosts do not store this sender in their ARP caches. Home agents that hold the virtual address themselves reply too.
    """
    return _frame(to, ArpPacket(REQUEST, sender_mac, _UNSPECIFIED, _NO_MAC, target_address))


def request(sender_mac: bytes, sender_address: bytes, target_address: bytes, to: bytes) -> bytes:
    """The frame that asks a host for its own address. The host stores the sender's in its ARP cache (RFC 826)."""
    return _frame(to, ArpPacket(REQUEST, sender_mac, sender_address, _NO_MAC, target_address))


def reply_to(request: ArpPacket, mac: bytes) -> bytes:
    """The frame that replies to a request: ``mac`` has the requested address."""
    return _frame(
        request.sender_mac,
        ArpPacket(REPLY, mac, request.target_address, request.sender_mac, request.sender_address),
    )
