"""ARP at one switch: replies for the virtual addresses, and finds the next hops of the real servers.

A next hop is looked for by ARP requests with the sender 0.0.0.0 (:func:`.arp.probe`). Where they go, and who is
believed, depends on whether an ``interface Vlan`` holds its address:

``interface Vlan15`` holds it
    The probe is switched as usual (NORMAL) in VLAN 15, and once more untagged, for switches without VLANs. So only
    hosts in these see it: a switch shows the VLAN of a frame from a trunk, but not that of an access port. The source
    of the probe is a secret Ethernet address for each VLAN (:func:`.pipeline.probe_address`). A reply to this address
    comes from a host that has seen the probe; any other reply, such as one from an access port of another VLAN, is no
    answer.
no interface holds it
    The probe leaves by every port (FLOOD): untagged, with the tag of each configured VLAN, and without any of those
    VLANs that requests came from. A reply from any VLAN is an answer.

All other ARP packets of the next hop are claims. :mod:`.table` decides what follows from an answer or a claim.

A switch may have thousands of VLANs, and each frame that is spread goes to many ports. So frames that are spread are
limited to :data:`MAX_SPREAD_RATE` a second; those beyond wait, each address once. A static location needs none.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Optional

from ryu_haslb.configuration.model import Configuration, RealServer
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.configuration.served_vlans import access_vlans, served_vlans
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import CHASSIS_PREFIX, chassis_address, probe_address
from ryu_haslb.openflow.flow_tables.standing_rules import mute_rules
from ryu_haslb.openflow.neighbours.arp_probing import PROBE_INTERVAL
from ryu_haslb.openflow.neighbours.arp_storm_limit import MUTE_INTERVAL, ArpStormLimit
from ryu_haslb.openflow.neighbours.discovery_log import NeighbourLog
from ryu_haslb.openflow.neighbours.places import Location, Place, Probe
from ryu_haslb.openflow.neighbours.static_arp import static_entries
from ryu_haslb.openflow.neighbours.table import Neighbours
from ryu_haslb.openflow.packets import arp
from ryu_haslb.openflow.packets.frame import with_one_vlan_tag_at_most
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.packet import packet_out

#: VLANs that are probed beside the configured ones. Requests and ARP packets may be forged, so there is a limit.
MAX_LEARNED_VLANS = 32
#: Frames of probes that a switch is told to spread in a second, and at once after a pause.
MAX_SPREAD_RATE = 500
MAX_SPREAD_BURST = 1000

_KEY_LENGTH = 16
#: In place of a VLAN: frames without a tag, on ports that are in no VLAN of the switch.
_UNTAGGED = 0


class NeighbourDiscovery:
    """ARP at one switch. ``sides`` is how its ports lie around the IPsec module, ``key`` the secret of its probes.

    ``layout`` is how the switch forwards what is not ours.

    ``served_vlans`` are the VLANs of each virtual server that is not served in every VLAN.
    """

    def __init__(self, datapath_id: int, configuration: Configuration, key: Optional[bytes] = None) -> None:
        self.sides = Sides()
        self.layout = Layout()
        self._datapath_id = datapath_id
        self._mac = chassis_address(datapath_id)
        self._key = os.urandom(_KEY_LENGTH) if key is None else key
        self._port_names: dict[int, str] = {}
        self._neighbours = Neighbours(configuration, datapath_id)
        self._configured_vlans: set[int] = set()
        self._learned_vlans: set[int] = set()
        self._vlans_of: dict[bytes, frozenset[int]] = {}
        self._vlan_probed_by: dict[bytes, int] = {}
        #: What is still to be spread, by the address that is looked for.
        self._to_spread: dict[bytes, Iterator[bytes]] = {}
        self._allowance, self._allowed_at = float(MAX_SPREAD_BURST), 0.0
        self._log = NeighbourLog(datapath_id)
        self.limit = ArpStormLimit()
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration. A neighbour that other VLANs hold now is looked for anew."""
        before = self._vlans_of
        self._to_spread.clear()
        self._configuration = configuration
        entries = self._entries = static_entries(configuration, self._port_names)
        self._neighbours.configure(configuration, entries.macs, entries.places)
        self._access_vlans = access_vlans(configuration, self._port_names)
        self.served_vlans = {
            server.address.packed: vlans
            for server in configuration.virtual_servers.values()
            for vlans in [served_vlans(configuration, server)]
            if server.in_service and vlans is not None
        }
        self._configured_vlans = {interface.vlan for interface in configuration.vlan_interfaces}
        self._vlans_of = _vlans_of(configuration, self._neighbours.addresses())
        self._vlans_of.update(
            {address: frozenset({vlan}) for address, vlan in entries.vlans.items() if address in self._vlans_of}
        )
        vlans = {_UNTAGGED}.union(*self._vlans_of.values())
        self._vlan_probed_by = {probe_address(self._key, vlan): vlan for vlan in vlans}
        for address, now_in in self._vlans_of.items():
            if before.get(address, now_in) != now_in:
                self._neighbours.forget(address)

    def set_port_names(self, names: Mapping[int, str]) -> tuple[str, ...]:
        """The switch has these ports: static ARP entries name some. Returns remarks about ports that it lacks."""
        if names != self._port_names:
            self._port_names = dict(names)
            self.configure(self._configuration)
        return self._entries.remarks

    def location(self, real: RealServer) -> Optional[Location]:
        """The location of a real server's next hop; None while it is unknown."""
        return self._neighbours.location(real)

    def last_location(self, real: RealServer) -> Optional[Location]:
        """The location of a real server's next hop, or the last one if it was lost."""
        return self._neighbours.last_location(real)

    def is_direct(self, real: RealServer) -> bool:
        """Whether a real server is its own next hop: no router lies between it and the switches."""
        return self._neighbours.is_direct(real)

    def place(self, real: RealServer) -> Place:
        """The place of a real server's next hop."""
        return self._neighbours.place(real)

    def found(self) -> dict[bytes, Location]:
        """The next hops that ARP has located, by address: what other members of the cluster may take over."""
        return self._neighbours.found()

    def lost(self) -> dict[bytes, Location]:
        """Where the next hops were that were lost, by address: what other members of the cluster may take over."""
        return self._neighbours.lost()

    def preload(self, places: Mapping[bytes, Location], lost: Mapping[bytes, Location]) -> bool:
        """Take over what another member of the cluster has found or ``lost``, where it can be true here.

        True when the location of a next hop has changed, or the last one.
        """
        possible, lost = (
            {address: place for address, place in each.items() if self._is_possible(address, place)}
            for each in (places, lost)
        )
        return self._neighbours.preload(possible, lost)

    def verify_preloaded(self, now: float) -> None:
        """This member begins to lead: the places that it has taken over have to answer."""
        self._neighbours.verify_preloaded(now)

    def _is_possible(self, address: bytes, place: Location) -> bool:
        vlans, vlan = self._vlans_of.get(address), self.vlan_of(place.port, place.vlan)
        if vlans is None or self.sides.leads_outside(place.port):
            return False
        return not vlans or vlan is None or vlan in vlans

    def admits(self, frame: bytes, port: int, now: float) -> bool:
        """Whether an ARP packet is within the limits of its host and port."""
        return self.limit.admits(port, frame[6:12], now)

    def mute(self, channel: Channel, now: float) -> None:
        """Keep the ARP packets of hosts that send too many from the controller for a while."""
        for storm in self.limit.take_storms():
            self._neighbours.suspend(storm.port, storm.mac, now + MUTE_INTERVAL + PROBE_INTERVAL)
            rules = mute_rules(self._configuration, self._datapath_id, storm.port, storm.mac)
            for message in rule_messages.temporary(rules, MUTE_INTERVAL, self.layout, channel.next_xid()):
                channel.transmit(message)
            self._log.on_storm(storm, now)

    def on_arp(self, frame: bytes, port: int, now: float) -> bool:
        """Learn from an ARP packet where its sender is. True when the location of a next hop has changed."""
        untagged = with_one_vlan_tag_at_most(frame)
        if untagged is None or self.sides.leads_outside(port):
            # Requests would be sent out in clear, after the IPsec module has decrypted them.
            return False
        packet = arp.read_arp(untagged[0])
        if packet is None or packet.sender_mac.startswith(CHASSIS_PREFIX) or packet.sender_mac in self._vlan_probed_by:
            return False
        location = Location(packet.sender_mac, port, untagged[1])
        vlan = self.vlan_of(port, location.vlan)
        address, to = packet.sender_address, frame[:6]
        vlans = self._vlans_of.get(address)
        if vlans is None:
            return False
        if vlans and vlan is not None and vlan not in vlans:
            return False
        if packet.operation == arp.REPLY and self._is_answer(vlans, (to, packet.target_mac), location.vlan):
            changed = self._neighbours.on_answer(address, location, now)
            if changed and location.vlan and not vlans:
                self._learn_vlan(location.vlan)
        else:
            changed = False
            self._neighbours.on_claim(address, location, now)
        self._log.on_events(self._neighbours.take_events(), now)
        return changed

    def _is_answer(self, vlans: frozenset[int], to: tuple[bytes, bytes], tag: Optional[int]) -> bool:
        """Whether a reply answers a probe. ``to`` is where it goes: the Ethernet destination, and ARP's target.

        Where a VLAN holds the address, only hosts there have seen the probe, and with it where a reply has to go. Where
        none does, a reply to another switch of ours is as good as one to this switch.
        """
        if not vlans:
            return any(each.startswith(CHASSIS_PREFIX) for each in to)
        probed = self._vlan_probed_by.get(to[0])
        return probed is not None and tag in (None, probed) and (probed == _UNTAGGED or probed in vlans)

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
        """Reply to an ARP request for one of these addresses. False when it asks for another address.

        A virtual server that is served in some VLANs only is replied for in these: the switch itself (NORMAL) decides
        whether the reply reaches the host, since it does not show the VLAN of an access port.
        """
        untagged = with_one_vlan_tag_at_most(frame)
        request = None if untagged is None else arp.read_arp(untagged[0])
        if untagged is None or request is None or request.target_address not in addresses:
            return False
        vlan = untagged[1] or self._access_vlans.get(port)
        served = self.served_vlans.get(request.target_address)
        reply = arp.reply_to(request, self._mac)
        if served is None:
            tag = wire.push_vlan(untagged[1]) if untagged[1] else b""
            channel.transmit(packet_out(tag + wire.output(port), reply))
            return True
        for each in {_UNTAGGED, *served} if vlan is None else served & {vlan}:
            tag = wire.push_vlan(each) if each else b""
            channel.transmit(packet_out(tag + self.layout.spread, reply))
        return True

    def serves(self, address: bytes, vlan: Optional[int]) -> bool:
        """Whether a virtual server is served in a VLAN; None is the unknown one of an access port."""
        served = self.served_vlans.get(address)
        return served is None or vlan is None or vlan in served

    def vlan_of(self, port: int, tag: Optional[int]) -> Optional[int]:
        """The VLAN of a frame: that of its tag, or of the access port if the configuration names that."""
        return tag or self._access_vlans.get(port)

    def probe_all(self) -> None:
        """Probe every next hop with the next :meth:`probe_due`."""
        self._neighbours.probe_all()

    def probe_due(self, channel: Channel, now: float, is_behind: bool = False) -> bool:
        """Send the probes that are due, as :meth:`.Neighbours.due_probes`. True when a location has changed."""
        probes, changed = self._neighbours.due_probes(now, is_behind)
        for probe in probes:
            if probe.to is None and probe.address not in self._to_spread:
                self._to_spread[probe.address] = self._broadcast(probe)
        self._spread(channel, now)
        for probe in probes:
            if probe.to is not None:
                channel.transmit(self._unicast(probe, probe.to))
        self._log.on_events(self._neighbours.take_events(), now)
        return changed

    def _spread(self, channel: Channel, now: float) -> None:
        """Spread what may be spread at this time, one address after the other."""
        self._allowance += (now - self._allowed_at) * MAX_SPREAD_RATE
        self._allowance, self._allowed_at = min(self._allowance, float(MAX_SPREAD_BURST)), now
        while self._to_spread and self._allowance >= 1.0:
            address = next(iter(self._to_spread))
            message = next(self._to_spread[address], None)
            if message is None:
                del self._to_spread[address]
            else:
                self._allowance -= 1.0
                channel.transmit(message)

    def _unicast(self, probe: Probe, to: Location) -> bytes:
        vlans = self._vlans_of[probe.address]
        source = probe_address(self._key, to.vlan or min(vlans)) if vlans else self._mac
        tag = wire.push_vlan(to.vlan) if to.vlan else b""
        return packet_out(tag + wire.output(to.port), arp.probe(source, probe.address, to.mac))

    def _broadcast(self, probe: Probe) -> Iterator[bytes]:
        vlans = self._vlans_of[probe.address]
        for vlan in {_UNTAGGED} | (vlans or self._configured_vlans | self._learned_vlans):
            tag = wire.push_vlan(vlan) if vlan else b""
            flooded, spread = self.layout.flood, self.layout.spread
            source, output = (probe_address(self._key, vlan), spread) if vlans else (self._mac, flooded)
            yield packet_out(tag + output, arp.probe(source, probe.address))

    def _learn_vlan(self, vlan: int) -> None:
        if vlan not in self._learned_vlans and len(self._learned_vlans) < MAX_LEARNED_VLANS:
            self._learned_vlans.add(vlan)
            self._neighbours.probe_all()


def _vlans_of(configuration: Configuration, addresses: Iterable[bytes]) -> dict[bytes, frozenset[int]]:
    """The VLANs whose interfaces hold each address."""
    networks = [(each.vlan, network) for each in configuration.vlan_interfaces for network in each.networks]
    ranges = [(vlan, int(each.network_address), int(each.broadcast_address)) for vlan, each in networks]
    return {
        address: frozenset(vlan for vlan, low, high in ranges if low <= int.from_bytes(address, "big") <= high)
        for address in addresses
    }
