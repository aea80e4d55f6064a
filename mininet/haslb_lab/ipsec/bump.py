"""What the IPsec module does with each frame: a bump in the wire between the outside VLAN and the inside VLAN.

To hosts on either side the two VLANs are one wire. Only traffic that a crypto map protects does not simply pass: from
the inside it is encrypted, and from the outside a protected address can be reached only by encrypted traffic.

This module decides about frames and packets and does no I/O. ``ipsec_module.py`` has the interfaces; charon and the
kernel behind the crypto port have the keys.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

from haslb_lab.ipsec.ethernet import Ipv4Packet, TaggedFrame, is_ike_or_esp
from haslb_lab.ipsec.protected_traffic import ProtectedTraffic, Protection


class Port(Enum):
    """The ports of the module: the two trunks carry Ethernet frames, the crypto port carries IP packets.

    Packets to be encrypted or decrypted, and IKE, go into the crypto port; encrypted and decrypted packets come out.
    """

    INSIDE = "inside"
    OUTSIDE = "outside"
    CRYPTO = "crypto"


class Reason(Enum):
    """Why a frame or packet was dropped."""

    OTHER_VLAN = "VLAN that is not bridged"
    NESTED = "IP hidden in a second tag or in SNAP"
    MALFORMED = "malformed"
    CLEAR_TEXT = "clear text that had to be encrypted"
    NO_ASSOCIATION = "no security association"
    NO_PEER = "IKE or ESP of no peer"
    NO_NEIGHBOUR = "peer whose Ethernet address is not known"
    OWN = "the module's own"


class Sent(NamedTuple):
    """What leaves by ``port`` (None: it was dropped). ``wanted`` is a missing association that traffic needs."""

    port: Optional[Port]
    data: bytes = b""
    wanted: Optional[str] = None


@dataclass
class Traffic:
    """Counters. ``inward`` and ``outward`` frames passed unchanged; ``received`` and ``sent`` are IKE and ESP."""

    inward: int = 0
    outward: int = 0
    received: int = 0
    sent: int = 0
    encrypted: int = 0
    decrypted: int = 0
    dropped: Counter[Reason] = field(default_factory=Counter)


class Neighbours(NamedTuple):
    """The Ethernet addresses at both ends of the wire: that of the peer, or of the router before it, and the inside
    router's."""

    peer: bytes
    router: bytes


class Bump:
    """Decides about every frame. The module answers IKE and ESP at ``local``, the protected interface's address."""

    def __init__(self, local: IPv4Address, protected: ProtectedTraffic, inside_vlan: int, outside_vlan: int) -> None:
        self.traffic = Traffic()
        self._established: frozenset[str] = frozenset()
        self._local = local
        self._protected = protected
        self._vlans = {Port.INSIDE: inside_vlan, Port.OUTSIDE: outside_vlan}
        self._neighbours: dict[IPv4Address, Neighbours] = {}

    def establish(self, associations: frozenset[str]) -> None:
        """Set the names of the associations that are established."""
        self._established = associations

    def forward(self, port: Port, data: bytes) -> Sent:
        """What to do with a frame, or with a packet from the crypto port. The content may be anything."""
        if port is Port.CRYPTO:
            return self._from_crypto(data)
        frame = TaggedFrame.decode(data)
        if frame is None or frame.vlan != self._vlans[port]:
            return self._drop(Reason.OTHER_VLAN)
        if frame.hides_ip:
            return self._drop(Reason.NESTED)
        packet = None
        if frame.is_ip:
            packet = Ipv4Packet.decode(frame.payload)
            if packet is None:
                return self._drop(Reason.MALFORMED)
        return self._from_inside(frame, packet) if port is Port.INSIDE else self._from_outside(frame, packet)

    def _from_inside(self, frame: TaggedFrame, packet: Optional[Ipv4Packet]) -> Sent:
        if packet is not None and (protection := self._protected.leaving(packet.source, packet.destination)):
            self._neighbours.setdefault(protection.peer, Neighbours(frame.destination, frame.source))
            if protection.association not in self._established:
                return self._drop(Reason.NO_ASSOCIATION, protection.association)
            self.traffic.encrypted += 1
            return Sent(Port.CRYPTO, packet.data)
        self.traffic.outward += 1
        return Sent(Port.OUTSIDE, frame.retagged(self._vlans[Port.OUTSIDE]))

    def _from_outside(self, frame: TaggedFrame, packet: Optional[Ipv4Packet]) -> Sent:
        if packet is not None:
            if packet.destination == self._local and is_ike_or_esp(packet):
                return self._receive(frame, packet)
            if self._protected.holds(packet.destination):
                return self._drop(Reason.CLEAR_TEXT)
        self.traffic.inward += 1
        return Sent(Port.INSIDE, frame.retagged(self._vlans[Port.INSIDE]))

    def _receive(self, frame: TaggedFrame, packet: Ipv4Packet) -> Sent:
        """Pass IKE or ESP to the crypto port, and learn the Ethernet addresses by which its sender is reached."""
        if packet.source not in self._protected.peers:
            return self._drop(Reason.NO_PEER)
        self._neighbours[packet.source] = Neighbours(frame.source, frame.destination)
        self.traffic.received += 1
        return Sent(Port.CRYPTO, packet.data)

    def _from_crypto(self, data: bytes) -> Sent:
        """Pass on an encrypted or decrypted packet, and drop all others.

        A protected packet that comes back unencrypted found no association. All others are the kernel's own.
        """
        packet = Ipv4Packet.decode(data)
        if packet is None:
            return self._drop(Reason.OWN)
        if packet.source == self._local and packet.destination in self._protected.peers and is_ike_or_esp(packet):
            return self._send(packet)
        if protection := self._protected.arriving(packet.source, packet.destination):
            return self._deliver(packet, protection)
        if protection := self._protected.leaving(packet.source, packet.destination):
            return self._drop(Reason.NO_ASSOCIATION, protection.association)
        return self._drop(Reason.OWN)

    def _send(self, packet: Ipv4Packet) -> Sent:
        ends = self._neighbours.get(packet.destination)
        if ends is None:
            return self._drop(Reason.NO_NEIGHBOUR)
        self.traffic.sent += 1
        frame = TaggedFrame.of_ip(ends.peer, ends.router, self._vlans[Port.OUTSIDE], packet)
        return Sent(Port.OUTSIDE, frame)

    def _deliver(self, packet: Ipv4Packet, protection: Protection) -> Sent:
        ends = self._neighbours.get(protection.peer)
        if ends is None:
            return self._drop(Reason.NO_NEIGHBOUR)
        self.traffic.decrypted += 1
        return Sent(Port.INSIDE, TaggedFrame.of_ip(ends.router, ends.peer, self._vlans[Port.INSIDE], packet))

    def _drop(self, reason: Reason, wanted: Optional[str] = None) -> Sent:
        self.traffic.dropped[reason] += 1
        return Sent(None, wanted=wanted)
