"""ARP at one switch: replies for virtual addresses, probes for next hops (RFC 826; RFC 5227, section 1.1)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, Optional

import pytest
from fake_switch import FakeTransport
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from ryu_haslb.configuration.model import (
    Configuration,
    Port,
    RealServer,
    Route,
    ServerFarm,
    StaticLocation,
    VirtualServer,
    VlanInterface,
)
from ryu_haslb.configuration.outside_ports import Inside, Sides
from ryu_haslb.openflow.flow_tables.pipeline import chassis_address, probe_address
from ryu_haslb.openflow.neighbours.arp_probing import PROBE_INTERVAL, REFRESH_INTERVAL
from ryu_haslb.openflow.neighbours.discovery import (
    MAX_LEARNED_VLANS,
    MAX_SPREAD_BURST,
    MAX_SPREAD_RATE,
    NeighbourDiscovery,
)
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.wire import wire

REAL = RealServer(IPv4Address("10.1.1.51"))
MAC = "02:00:00:00:00:51"
KEY = bytes(16)
VIRTUAL = IPv4Address("10.1.1.10").packed
FARM = {"FARM": ServerFarm("FARM", reals=(REAL,))}
CONFIGURATION = Configuration(farms=FARM)
WITH_VLANS = Configuration(
    farms=FARM, vlan_interfaces=(VlanInterface(15, IPv4Address("10.1.1.15"), IPv4Network("10.1.1.0/24")),)
)


def arp(  # noqa: PLR0913, PLR0917 - each test names the one that it needs
    operation: int,
    target: str = "0.0.0.0",
    vlan: int = 0,
    to: Optional[bytes] = None,
    mac: str = MAC,
    sender: str = str(REAL.address),
) -> bytes:
    """An ARP packet of the real server: a reply goes to the chassis address unless ``to`` says otherwise."""
    destination = (to or chassis_address(1)).hex(":") if operation == 2 else "ff:ff:ff:ff:ff:ff"
    packet = ARP(op=operation, hwsrc=mac, psrc=sender, pdst=target)
    head = Ether(src=mac, dst=destination)
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


def test_probes_have_no_sender_address_and_leave_untagged_and_in_the_vlan_that_holds_the_address() -> None:
    """RFC 5227, section 1.1. NORMAL keeps them in the VLAN, and each VLAN has its own source address."""
    transport = FakeTransport()
    assert not NeighbourDiscovery(1, WITH_VLANS, KEY).probe_due(transport, 0.0)
    assert [frame[ARP].psrc for frame in frames(transport)] == ["0.0.0.0", "0.0.0.0"]
    assert [wire.push_vlan(15) in each for each in transport.sent] == [False, True]
    assert [frame.src for frame in frames(transport)] == [probe_address(KEY, vlan).hex(":") for vlan in (0, 15)]
    assert all(wire.output(wire.OFPP_NORMAL) in each for each in transport.sent)


def test_without_an_interface_that_holds_the_address_every_port_is_probed_in_every_configured_vlan() -> None:
    transport = FakeTransport()
    elsewhere = (VlanInterface(20, IPv4Address("10.20.1.15"), IPv4Network("10.20.1.0/24")),)
    NeighbourDiscovery(1, replace(CONFIGURATION, vlan_interfaces=elsewhere)).probe_due(transport, 0.0)
    assert [wire.push_vlan(20) in each for each in transport.sent] == [False, True]
    assert {frame.src for frame in frames(transport)} == {chassis_address(1).hex(":")}
    assert all(wire.output(wire.OFPP_FLOOD) in each for each in transport.sent)


@pytest.mark.parametrize(
    ("to", "tag", "expected"),
    [
        (15, 15, True),
        (15, 0, True),
        (0, 0, True),
        (0, 15, False),
        (15, 20, False),
        (20, 20, False),
        (20, 0, False),
        (None, 15, False),
        (None, 0, False),
    ],
)
def test_an_address_that_a_vlan_holds_is_believed_from_hosts_that_saw_the_probe_there(
    to: Optional[int], tag: int, expected: bool
) -> None:
    """``to``: the VLAN whose probe is answered; None: the chassis address, which every host can know.

    A switch does not show the VLAN of an access port, so its hosts prove by the address that they reply to that the
    probe has reached them. ``tag`` is the VLAN tag of the reply.
    """
    discovery = NeighbourDiscovery(1, WITH_VLANS, KEY)
    address = None if to is None else probe_address(KEY, to)
    assert discovery.on_arp(arp(2, vlan=tag, to=address), 4, 0.0) is expected
    assert (discovery.location(REAL) is not None) is expected


def test_the_probe_addresses_of_two_switches_and_of_two_runs_differ() -> None:
    """Who has seen those of one cannot answer for the other."""
    sources = set()
    for datapath_id in (1, 1, 2):
        transport = FakeTransport()
        NeighbourDiscovery(datapath_id, WITH_VLANS).probe_due(transport, 0.0)
        sources |= {frame.src for frame in frames(transport)}
    assert len(sources) == 6


@pytest.mark.parametrize("interfaces", [(), WITH_VLANS.vlan_interfaces])
def test_a_claim_causes_a_probe_and_no_more(interfaces: tuple[VlanInterface, ...]) -> None:
    """Gratuitous ARP (RFC 5227, section 3), as request and as reply, and an ordinary request of the real server."""
    broadcast = b"\xff" * 6
    for claim in (arp(1, str(REAL.address)), arp(2, str(REAL.address), to=broadcast), arp(1, "10.1.1.101")):
        discovery = NeighbourDiscovery(1, replace(CONFIGURATION, vlan_interfaces=interfaces))
        probes(discovery, 0.0)
        assert not discovery.on_arp(claim, 4, 0.1)
        assert discovery.location(REAL) is None
        assert probes(discovery, 0.1) > 0


def test_a_claim_with_the_tag_of_another_vlan_causes_no_probe() -> None:
    discovery = NeighbourDiscovery(1, WITH_VLANS)
    probes(discovery, 0.0)
    discovery.on_arp(arp(1, "10.1.1.101", vlan=20), 4, 0.1)
    assert probes(discovery, 0.1) == 0


FORGED = {
    "another sender than the ethernet source": Ether(src="02:00:00:00:00:66") / ARP(op=2, hwsrc=MAC, psrc="10.1.1.51"),
    "multicast": Ether(src="01:00:5e:00:00:01") / ARP(op=2, hwsrc="01:00:5e:00:00:01", psrc="10.1.1.51"),
    "broadcast": Ether(src="ff:ff:ff:ff:ff:ff") / ARP(op=2, hwsrc="ff:ff:ff:ff:ff:ff", psrc="10.1.1.51"),
    "null": Ether(src="00:00:00:00:00:00") / ARP(op=2, hwsrc="00:00:00:00:00:00", psrc="10.1.1.51"),
    "our chassis address": Ether(src="02:51:b7:00:00:01") / ARP(op=2, hwsrc="02:51:b7:00:00:01", psrc="10.1.1.51"),
    "another chassis": Ether(src="02:51:b7:00:00:02") / ARP(op=2, hwsrc="02:51:b7:00:00:02", psrc="10.1.1.51"),
    "rarp request": Ether(src=MAC) / ARP(op=3, hwsrc=MAC, psrc="10.1.1.51"),
    "rarp reply": Ether(src=MAC) / ARP(op=4, hwsrc=MAC, psrc="10.1.1.51"),
    "inverse arp reply": Ether(src=MAC) / ARP(op=9, hwsrc=MAC, psrc="10.1.1.51"),
    "no operation": Ether(src=MAC) / ARP(op=0, hwsrc=MAC, psrc="10.1.1.51"),
    "rarp ethertype": Ether(src=MAC, type=0x8035) / ARP(op=2, hwsrc=MAC, psrc="10.1.1.51"),
    "hardware type": Ether(src=MAC) / ARP(op=2, hwtype=6, hwsrc=MAC, psrc="10.1.1.51"),
    "protocol type": Ether(src=MAC) / ARP(op=2, ptype=0x86DD, hwlen=6, plen=4, hwsrc=MAC, psrc=b"\x0a\x01\x01\x33"),
    "hardware length": Ether(src=MAC) / Raw(bytes.fromhex("00010800080400020200000000510a0101330000000000000a010101")),
    "protocol length": Ether(src=MAC) / Raw(bytes.fromhex("00010800060600020200000000510a0101330000000000000a010101")),
    "two tags": Ether(src=MAC) / Dot1Q(vlan=15) / Dot1Q(vlan=15) / ARP(op=2, hwsrc=MAC, psrc="10.1.1.51"),
    "a tag of another vlan around": Ether(src=MAC) / Dot1Q(vlan=15) / Dot1Q(vlan=7) / ARP(op=2, psrc="10.1.1.51"),
    "a provider's tag": Ether(src=MAC) / Dot1AD(vlan=15) / ARP(op=2, hwsrc=MAC, psrc="10.1.1.51"),
}


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("interfaces", [(), WITH_VLANS.vlan_interfaces])
def test_arp_that_no_host_sends_is_neither_answer_nor_claim(name: str, interfaces: tuple[VlanInterface, ...]) -> None:
    """RFC 826, packet reception; RFC 1812, section 3.3.2. Each goes to the secret address of the right VLAN."""
    discovery = NeighbourDiscovery(1, replace(CONFIGURATION, vlan_interfaces=interfaces), KEY)
    probes(discovery, 0.0)
    to = probe_address(KEY, 15) if interfaces else chassis_address(1)
    frame = bytes(FORGED[name])
    if "length" in name:
        frame = frame[:12] + b"\x08\x06" + frame[14:]
    assert not discovery.on_arp(to + frame[6:], 4, 0.1)
    assert discovery.location(REAL) is None
    assert probes(discovery, 0.1) == 0


def test_the_source_of_our_own_probes_is_no_home_agent() -> None:
    discovery = NeighbourDiscovery(1, WITH_VLANS, KEY)
    own = probe_address(KEY, 15)
    assert not discovery.on_arp(arp(2, to=own, mac=own.hex(":")), 4, 0.1)
    assert discovery.location(REAL) is None


def test_a_tag_of_priority_only_is_no_vlan() -> None:
    """IEEE 802.1Q: VLAN id 0."""
    discovery = NeighbourDiscovery(1, WITH_VLANS, KEY)
    packet = ARP(op=2, hwsrc=MAC, psrc="10.1.1.51")
    frame = bytes(Ether(src=MAC, dst=probe_address(KEY, 15).hex(":")) / Dot1Q(vlan=0, prio=5) / packet)
    assert discovery.on_arp(frame, 4, 0.0)
    assert discovery.location(REAL) == Location(bytes.fromhex(MAC.replace(":", "")), 4, None)


def test_secondary_networks_and_the_next_hop_of_a_route_hold_an_address_as_well() -> None:
    interface = VlanInterface(
        20,
        IPv4Address("10.20.1.15"),
        IPv4Network("10.20.1.0/24"),
        secondaries=(IPv4Interface("10.21.1.15/24"),),
    )
    distant = RealServer(IPv4Address("192.0.2.1"))
    for next_hop in ("10.20.1.1", "10.21.1.1"):
        configuration = Configuration(
            farms={"FARM": ServerFarm("FARM", nat_server=True, reals=(distant,))},
            vlan_interfaces=(interface,),
            routes=(Route(IPv4Network("192.0.2.0/24"), IPv4Address(next_hop)),),
        )
        discovery = NeighbourDiscovery(1, configuration, KEY)
        assert not discovery.on_arp(arp(2, vlan=20, sender=next_hop), 4, 0.0)
        assert discovery.on_arp(arp(2, vlan=20, sender=next_hop, to=probe_address(KEY, 20)), 4, 0.0)
        assert discovery.location(distant) is not None


def test_a_neighbour_that_another_vlan_holds_after_a_change_is_looked_for_anew() -> None:
    discovery = NeighbourDiscovery(1, WITH_VLANS, KEY)
    discovery.on_arp(arp(2, vlan=15, to=probe_address(KEY, 15)), 4, 0.0)
    discovery.configure(WITH_VLANS)
    assert discovery.location(REAL) is not None
    (interface,) = WITH_VLANS.vlan_interfaces
    discovery.configure(replace(WITH_VLANS, vlan_interfaces=(replace(interface, vlan=20),)))
    assert discovery.location(REAL) is None
    assert discovery.on_arp(arp(2, vlan=20, to=probe_address(KEY, 20)), 4, 0.0)


def test_a_known_place_is_polled_by_unicast_at_its_port_and_in_its_vlan() -> None:
    """RFC 1122, section 2.3.2.1."""
    for configuration, source in ((CONFIGURATION, chassis_address(1)), (WITH_VLANS, probe_address(KEY, 15))):
        discovery, transport = NeighbourDiscovery(1, configuration, KEY), FakeTransport()
        discovery.on_arp(arp(2, vlan=15, to=source), 4, 0.0)
        discovery.probe_due(FakeTransport(), 0.0)
        discovery.on_arp(arp(2, vlan=15, to=source), 4, 0.0)
        discovery.probe_due(transport, REFRESH_INTERVAL)
        ((frame,), (message,)) = frames(transport), transport.sent
        assert (frame.dst, frame.src, frame[ARP].pdst) == (MAC, source.hex(":"), "10.1.1.51")
        assert wire.push_vlan(15) + wire.output(4) in message


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
    assert probes(discovery, PROBE_INTERVAL) == 2, "by broadcast, and by unicast to the known place"
    assert not discovery.on_port_changed(5, False)
    assert discovery.on_port_changed(4, False)
    assert discovery.location(REAL) is None


def replies(discovery: NeighbourDiscovery, vlan: int, port: int = 3) -> list[tuple[int, int]]:
    """The VLAN (0: no tag) and the port of each reply to a request for the virtual address."""
    transport = FakeTransport()
    discovery.reply(transport, arp(1, "10.1.1.10", vlan=vlan), port, {VIRTUAL})
    ports = (3, 9, wire.OFPP_NORMAL)
    return sorted(
        (tag, out)
        for message in transport.sent
        for tag in (0, 15, 16)
        for out in ports
        if message[24 : 24 + int.from_bytes(message[16:18], "big")]
        == (wire.push_vlan(tag) if tag else b"") + wire.output(out)
    )


def test_a_virtual_server_that_is_served_in_some_vlans_replies_into_these_only() -> None:
    """The switch decides whether a reply reaches an access port: a host of another VLAN gets none."""
    server = VirtualServer("V", IPv4Address("10.1.1.10"), "FARM", in_service=True, vlans=frozenset({15, 16}))
    restricted = replace(CONFIGURATION, virtual_servers={"V": server})
    discovery = NeighbourDiscovery(1, restricted)
    normal = wire.OFPP_NORMAL
    assert replies(discovery, vlan=15) == [(15, normal)]
    assert replies(discovery, vlan=0) == [(0, normal), (15, normal), (16, normal)]
    assert replies(discovery, vlan=20) == []
    ports = (Port("FastEthernet", "3/20", access_vlan=20), Port("FastEthernet", "3/16", access_vlan=16))
    named = NeighbourDiscovery(1, replace(restricted, ports=ports))
    named.set_port_names({3: "haslb1-fa3-20", 9: "haslb1-fa3-16"})
    assert replies(named, vlan=0, port=3) == []
    assert replies(named, vlan=0, port=9) == [(16, normal)]
    assert replies(NeighbourDiscovery(1, CONFIGURATION), vlan=0) == [(0, 3)], "every VLAN: back to the port"


def test_an_answer_from_an_access_port_of_another_vlan_is_refused_by_its_name_too() -> None:
    """Also where the switch does not keep its VLANs apart."""
    configuration = replace(WITH_VLANS, ports=(Port("FastEthernet", "3/20", access_vlan=20),))
    discovery = NeighbourDiscovery(1, configuration, KEY)
    discovery.set_port_names({3: "haslb1-fa3-20", 4: "haslb1-fa3-15"})
    assert not discovery.on_arp(arp(2, to=probe_address(KEY, 15)), 3, 0.0)
    assert discovery.on_arp(arp(2, to=probe_address(KEY, 15)), 4, 0.0)


def wide(home_agents: int, vlans: int, **settings: Any) -> NeighbourDiscovery:
    """A switch with so many VLANs, none of which holds a home agent, and home agents that do not answer."""
    reals = tuple(RealServer(IPv4Address("172.16.0.1") + number, **settings) for number in range(home_agents))
    networks = [IPv4Network((int(IPv4Address("10.0.0.0")) + 4 * number, 30)) for number in range(vlans)]
    interfaces = tuple(VlanInterface(2 + number, each[1], each) for number, each in enumerate(networks))
    farms = {"FARM": ServerFarm("FARM", reals=reals)}
    return NeighbourDiscovery(1, Configuration(farms=farms, vlan_interfaces=interfaces))


def sent_in(discovery: NeighbourDiscovery, seconds: int) -> list[int]:
    """The probes of each second; ten ticks have one."""
    return [sum(probes(discovery, second + tenth / 10) for tenth in range(10)) for second in range(seconds)]


def test_probes_of_a_switch_with_four_thousand_vlans_are_sent_at_a_bounded_rate() -> None:
    discovery = wide(home_agents=48, vlans=4000)
    sent = sent_in(discovery, 10)
    assert sent[0] <= MAX_SPREAD_BURST + MAX_SPREAD_RATE
    assert all(MAX_SPREAD_RATE - 60 <= each <= MAX_SPREAD_RATE + 60 for each in sent[1:])


def test_every_vlan_is_probed_for_every_address_in_turn() -> None:
    discovery, transport = wide(home_agents=3, vlans=400), FakeTransport()
    for tenth in range(20):
        discovery.probe_due(transport, tenth / 10)
    assert len(set(transport.sent)) == 3 * 401


def test_a_home_agent_in_a_vlan_is_looked_for_in_that_vlan_alone() -> None:
    interfaces = wide(home_agents=0, vlans=4000)._configuration.vlan_interfaces
    interfaces += WITH_VLANS.vlan_interfaces
    discovery = NeighbourDiscovery(1, replace(CONFIGURATION, vlan_interfaces=interfaces))
    assert probes(discovery, 0.0) == 2, "in its VLAN, and untagged for switches without VLANs"


def test_a_static_location_is_probed_there_and_nothing_is_spread() -> None:
    """``location`` names Ethernet address and port."""
    location = StaticLocation(bytes.fromhex(MAC.replace(":", "")), 7)
    discovery, transport = wide(home_agents=48, vlans=4000, locations=(location,)), FakeTransport()
    for second in range(20):
        discovery.probe_due(transport, float(second))
    assert transport.sent
    assert all(wire.output(7) in each[:64] for each in transport.sent)


def test_probes_that_wait_are_dropped_with_the_configuration_that_they_were_for() -> None:
    discovery = wide(home_agents=48, vlans=4000)
    probes(discovery, 0.0)
    discovery.configure(Configuration())
    assert probes(discovery, 1.0) == 0


def test_a_host_that_moved_is_asked_by_broadcast_before_its_old_place_is() -> None:
    """After a connection is new, the next hop may be elsewhere."""
    discovery = NeighbourDiscovery(1, CONFIGURATION)
    discovery.on_arp(arp(2), 4, 0.0)
    discovery.probe_all()
    transport = FakeTransport()
    discovery.probe_due(transport, 1.0)
    assert [frame.dst for frame in frames(transport)] == ["ff:ff:ff:ff:ff:ff", MAC]
