"""The router of a chassis (its MSFC): it has an interface in each VLAN, behind one port, and routes between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Optional

from simulation.packet import arp_frame, routed, tag_of, tagged, untagged
from simulation.parameters import network_of
from simulation.witness import NODE_PREFIX

#: Its port at the first switch.
ROUTER_PORT = 150
#: The last byte of its addresses.
_HOST = 1


class Router:
    """Knows the networks of the VLANs, and the Ethernet addresses of their hosts. ``send`` puts tagged frames out."""

    mac = NODE_PREFIX + bytes([10, 1, 0, _HOST])

    def __init__(self, vlans: Iterable[int]) -> None:
        self.send: Callable[[bytes], None] = lambda _: None
        self._vlans = {network_of(vlan): vlan for vlan in vlans}

    def vlan_of(self, address: bytes) -> Optional[int]:
        """The VLAN to whose network an address belongs."""
        return self._vlans.get(address[2]) if address[:2] == b"\x0a\1" else None

    def announce(self) -> None:
        """Show the switches where it is, in each VLAN."""
        for network, vlan in self._vlans.items():
            address = bytes([10, 1, network, _HOST])
            self.send(tagged(arp_frame(1, self.mac, address, bytes(6), address), vlan))

    def receive(self, frame: bytes) -> None:
        """A frame came in: send the packet on into the VLAN of its destination."""
        plain = untagged(frame)
        if plain[:6] != self.mac or plain[12:15] != b"\x08\0\x45" or not tag_of(frame):
            return
        vlan = self.vlan_of(plain[30:34])
        if vlan is not None and plain[22] > 1:
            self.send(tagged(routed(plain, NODE_PREFIX + plain[30:34] + self.mac), vlan))
