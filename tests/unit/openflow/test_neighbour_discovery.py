"""ARP at one switch: replies for virtual addresses, probes for next hops (RFC 826; RFC 5227, section 1.1)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from fake_switch import FakeTransport
from scapy.layers.l2 import ARP, Dot1Q, Ether

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VlanInterface
from ryu_haslb.configuration.outside_ports import Inside, Sides
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.neighbour_discovery import MAX_LEARNED_VLANS, NeighbourDiscovery
from ryu_haslb.openflow.neighbours import PROBE_INTERVAL, Location
from ryu_haslb.openflow.pipeline import chassis_address

REAL = RealServer(IPv4Address("10.1.1.51"))
MAC = "02:00:00:00:00:51"
VIRTUAL = IPv4Address("10.1.1.10").packed
FARM = {"FARM": ServerFarm("FARM", reals=(REAL,))}
CONFIGURATION = Configuration(farms=FARM)
WITH_VLANS = Configuration(
    farms=FARM, vlan_interfaces=(VlanInterface(15, IPv4Address("10.1.1.15"), IPv4Network("10.1.1.0/24")),)
)


def arp(operation: int, target: str = "0.0.0.0", vlan: int = 0) -> bytes:
    packet = ARP(op=operation, hwsrc=MAC, psrc=str(REAL.address), pdst=target)
    head = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff")
    return bytes(head / Dot1Q(vlan=vlan) / packet if vlan else head / packet)


def frames(transport: FakeTransport) -> list[Any]:
    """The frames in the packet-outs that were sent, without their actions."""
    return [Ether(each[24 + int.from_bytes(each[16:18], "big") :]) for each in transport.sent_of(wire.OFPT_PACKET_OUT)]


def probes(discovery: NeighbourDiscovery, now: float) -> int:
    transport = FakeTransport()
    discovery.probe_due(transport, now)
    return len(transport.sent)


def test_the_chassis_address_is_replied_for_a_virtual_address_and_for_no_other() -> None:
    discovery, transport = NeighbourDiscovery(1, CONFIGURATION), FakeTransport()
    assert discovery.reply(transport, arp(1, "10.1.1.10", vlan=7), 3, {VIRTUAL})
    assert not discovery.reply(transport, arp(1, "10.1.1.11"), 3, {VIRTUAL})
    (reply,) = frames(transport)
    assert (reply[ARP].op, reply[ARP].psrc, reply.dst) == (2, "10.1.1.10", MAC)
    assert reply[ARP].hwsrc == chassis_address(1).hex(":")
    assert wire.push_vlan(7) + wire.output(3) in transport.sent[0], "in the VLAN and by the port of the request"


def test_an_answer_to_a_probe_locates_the_next_hop() -> None:
    discovery = NeighbourDiscovery(1, CONFIGURATION)
    assert discovery.on_arp(arp(2, vlan=15), 4, 0.0)
    assert discovery.location(REAL) == Location(bytes.fromhex(MAC.replace(":", "")), 4, 15)
    assert not discovery.on_arp(arp(2, vlan=15), 4, 1.0), "it is where it was"


def test_probes_have_no_sender_address_and_leave_untagged_and_in_each_configured_vlan() -> None:
    discovery, transport = NeighbourDiscovery(1, WITH_VLANS), FakeTransport()
    assert not discovery.probe_due(transport, 0.0)
    assert [frame[ARP].psrc for frame in frames(transport)] == ["0.0.0.0", "0.0.0.0"]
    assert [wire.push_vlan(15) in each for each in transport.sent] == [False, True]


def test_the_vlan_of_a_request_is_probed_unless_vlans_are_configured() -> None:
    for configuration, expected in ((CONFIGURATION, 2), (WITH_VLANS, 2)):
        discovery = NeighbourDiscovery(1, configuration)
        discovery.on_request_from(77)
        assert probes(discovery, 0.0) == expected


def test_the_number_of_learned_vlans_is_limited() -> None:
    """Requests may be forged."""
    discovery = NeighbourDiscovery(1, CONFIGURATION)
    for vlan in range(1, 200):
        discovery.on_request_from(vlan)
    assert probes(discovery, 0.0) == MAX_LEARNED_VLANS + 1


def test_what_comes_from_outside_of_the_ipsec_module_is_not_learned() -> None:
    discovery = NeighbourDiscovery(1, CONFIGURATION)
    discovery.sides = Sides(frozenset({4}), {15: Inside(frozenset({5}), frozenset({6}))})
    assert [discovery.on_arp(arp(2), port, 0.0) for port in (4, 5, 6)] == [False, False, True]


def test_a_port_that_goes_down_takes_its_neighbours_along_and_any_change_is_probed_at_once() -> None:
    discovery = NeighbourDiscovery(1, CONFIGURATION)
    discovery.on_arp(arp(2), 4, 0.0)
    assert probes(discovery, PROBE_INTERVAL) == 0
    assert not discovery.on_port_changed(5, True)
    assert probes(discovery, PROBE_INTERVAL) == 1
    assert not discovery.on_port_changed(5, False)
    assert discovery.on_port_changed(4, False)
    assert discovery.location(REAL) is None
