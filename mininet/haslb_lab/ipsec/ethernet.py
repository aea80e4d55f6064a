"""The fields of Ethernet, IEEE 802.1Q and IPv4 that a bump in the wire reads."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

ETHERTYPE_IP = 0x0800
ETHERTYPE_VLAN = 0x8100
ETHERTYPES_OF_TAGS = frozenset({ETHERTYPE_VLAN, 0x88A8, 0x9100})
#: The LLC/SNAP header before the EtherType of an IEEE 802.3 frame; switches read the EtherType behind it.
SNAP = bytes.fromhex("aaaa03000000")

UDP = 17
ESP = 50
AH = 51
#: UDP ports of IKE (500), and of IKE and ESP in UDP (4500, RFC 3948).
IKE_PORTS = frozenset({500, 4500})

_VLAN_MASK = 0x0FFF
_MIN_ETHERTYPE = 0x0600
_TAG = struct.Struct("!HHH")
_IP = struct.Struct("!BxHxxHxBxx4s4s")
_FRAGMENT_OFFSET = 0x1FFF


class TaggedFrame(NamedTuple):
    """An Ethernet frame with a VLAN tag; ``tag`` holds priority and VLAN, ``type`` is the EtherType behind it."""

    destination: bytes
    source: bytes
    tag: int
    type: int
    payload: bytes

    @classmethod
    def decode(cls, data: bytes) -> Optional[TaggedFrame]:
        """The frame; None if it has no tag or is too short for one."""
        if len(data) < 18:
            return None
        protocol, tag, kind = _TAG.unpack_from(data, 12)
        if protocol != ETHERTYPE_VLAN:
            return None
        return cls(data[:6], data[6:12], tag, kind, data[18:])

    @classmethod
    def of_ip(cls, destination: bytes, source: bytes, vlan: int, packet: Ipv4Packet) -> bytes:
        """The bytes of a tagged frame that carries a packet."""
        return destination + source + _TAG.pack(ETHERTYPE_VLAN, vlan, ETHERTYPE_IP) + packet.data

    @property
    def vlan(self) -> int:
        """Its VLAN, 1 to 4094; 0 is a priority without a VLAN."""
        return self.tag & _VLAN_MASK

    @property
    def is_ip(self) -> bool:
        """Whether its EtherType is IPv4."""
        return self.type == ETHERTYPE_IP

    @property
    def hides_ip(self) -> bool:
        """Whether a switch may find IP in it behind a second tag or behind SNAP."""
        return self.type in ETHERTYPES_OF_TAGS or (self.type < _MIN_ETHERTYPE and self.payload.startswith(SNAP))

    def retagged(self, vlan: int) -> bytes:
        """The bytes of the same frame in another VLAN, with the same priority."""
        tag = self.tag & ~_VLAN_MASK | vlan
        return self.destination + self.source + _TAG.pack(ETHERTYPE_VLAN, tag, self.type) + self.payload


class Ipv4Packet(NamedTuple):
    """An IPv4 packet with a consistent header; ``data`` is the whole packet without Ethernet padding."""

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    fragment_offset: int
    payload: bytes
    data: bytes

    @classmethod
    def decode(cls, data: bytes) -> Optional[Ipv4Packet]:
        """The packet; None if it is truncated or has no valid IPv4 header, so that no host would accept it."""
        if len(data) < 20:
            return None
        first, length, fragment, protocol, source, destination = _IP.unpack_from(data)
        header = (first & 0x0F) * 4
        if first >> 4 != 4 or not 20 <= header <= length <= len(data):
            return None
        offset = (fragment & _FRAGMENT_OFFSET) * 8
        return cls(IPv4Address(source), IPv4Address(destination), protocol, offset, data[header:length], data[:length])


def is_ike_or_esp(packet: Ipv4Packet) -> bool:
    """Whether it is IKE, ESP in UDP, ESP or AH, or a later fragment that may belong to one of these."""
    if packet.protocol in (ESP, AH):
        return True
    if packet.protocol != UDP:
        return False
    if packet.fragment_offset > 0:
        return True
    ports = {int.from_bytes(packet.payload[0:2], "big"), int.from_bytes(packet.payload[2:4], "big")}
    return not IKE_PORTS.isdisjoint(ports)
