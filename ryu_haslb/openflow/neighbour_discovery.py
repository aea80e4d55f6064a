"""ARP at one switch: replies for the virtual addresses, and finds the next hops of the real servers.

Probes have the sender 0.0.0.0 (:func:`.arp.probe`) and leave by every port, untagged and with the tag of each VLAN in
which a real server may be: the configured ones (``interface Vlan``), and without any the VLANs that requests come from.
The replies show where each next hop is, and so does any other ARP packet that it sends. :mod:`.neighbours` decides when
a probe is due.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from socket import inet_ntoa
from typing import Optional

from ryu_haslb.configuration.model import Configuration, RealServer
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.openflow import arp, wire
from ryu_haslb.openflow.channel import Channel
from ryu_haslb.openflow.frame import without_vlan_tag
from ryu_haslb.openflow.neighbours import Location, Neighbours
from ryu_haslb.openflow.pipeline import chassis_address

LOG = logging.getLogger(__name__)

#: VLANs that are probed beside the configured ones. Requests and ARP packets may be forged, so there is a limit.
MAX_LEARNED_VLANS = 32


class NeighbourDiscovery:
    """ARP at one switch. ``sides`` is how its ports lie around the IPsec module."""

    def __init__(self, datapath_id: int, configuration: Configuration) -> None:
        self.sides = Sides()
        self._datapath_id = datapath_id
        self._mac = chassis_address(datapath_id)
        self._neighbours = Neighbours(configuration, datapath_id)
        self._configured_vlans: set[int] = set()
        self._learned_vlans: set[int] = set()
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration."""
        self._neighbours.configure(configuration)
        self._configured_vlans = {interface.vlan for interface in configuration.vlan_interfaces}

    def location(self, real: RealServer) -> Optional[Location]:
        """The location of a real server's next hop; None while it is unknown."""
        return self._neighbours.location(real)

    def is_direct(self, real: RealServer) -> bool:
        """Whether a real server is its own next hop: no router lies between it and the switches."""
        return self._neighbours.is_direct(real)

    def on_arp(self, frame: bytes, port: int, now: float) -> bool:
        """Learn from an ARP packet where its sender is. True when the location of a next hop has changed."""
        untagged, vlan = without_vlan_tag(frame)
        packet = arp.read_arp(untagged)
        if packet is None or self.sides.leads_outside(port):
            # Requests would be sent out in clear, after the IPsec module has decrypted them.
            return False
        location = Location(packet.sender_mac, port, vlan or None)
        rival = self._neighbours.rival_of(packet.sender_address, location, now)
        if rival is not None:
            self._log_rivals(packet.sender_address, rival, location)
        changed = self._neighbours.learn(packet.sender_address, location, now)
        if changed and vlan:
            self._learn_vlan(vlan)
        return changed

    def _log_rivals(self, address: bytes, *rivals: Location) -> None:
        one, other = sorted(rivals)
        LOG.warning(
            "Switch %016x: two machines claim %s, the address of a real server or of the router to it: %s at port %d "
            "and %s at port %d; requests go to the one that sent ARP last. Find the machine that must not have it",
            *(self._datapath_id, inet_ntoa(address), one.mac.hex(":"), one.port, other.mac.hex(":"), other.port),
        )

    def on_request_from(self, vlan: int) -> None:
        """Look for real servers in the VLAN of a request, unless VLANs are configured."""
        if not self._configured_vlans:
            self._learn_vlan(vlan)

    def on_port_changed(self, port: int, usable: bool) -> bool:
        """A port came up, went down or was removed. True when the location of a next hop has changed."""
        if usable:
            self._neighbours.probe_all()
            return False
        return self._neighbours.forget_port(port)

    def reply(self, channel: Channel, frame: bytes, port: int, addresses: Collection[bytes]) -> bool:
        """Reply to an ARP request for one of these addresses. False when it asks for another address."""
        untagged, vlan = without_vlan_tag(frame)
        request = arp.read_arp(untagged)
        if request is None or request.target_address not in addresses:
            return False
        tag = wire.push_vlan(vlan) if vlan else b""
        channel.transmit(wire.packet_out(tag + wire.output(port), arp.reply_to(request, self._mac)))
        return True

    def probe_all(self) -> None:
        """Probe every next hop with the next :meth:`probe_due`."""
        self._neighbours.probe_all()

    def probe_due(self, channel: Channel, now: float) -> bool:
        """Send the probes that are due. True when a next hop has become unreachable."""
        addresses, lost = self._neighbours.due_probes(now)
        flood = wire.output(wire.OFPP_FLOOD)
        tags = [b"", *(wire.push_vlan(vlan) for vlan in self._configured_vlans | self._learned_vlans)]
        for address in addresses:
            frame = arp.probe(self._mac, address)
            for tag in tags:
                channel.transmit(wire.packet_out(tag + flood, frame))
        return lost

    def _learn_vlan(self, vlan: int) -> None:
        if vlan not in self._learned_vlans and len(self._learned_vlans) < MAX_LEARNED_VLANS:
            self._learned_vlans.add(vlan)
            self._neighbours.probe_all()
