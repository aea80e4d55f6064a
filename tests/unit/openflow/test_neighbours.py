"""Where real servers are: found by ARP and followed, reached by a route, or configured."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from ryu_haslb.configuration.model import (
    Configuration,
    RealServer,
    Route,
    ServerFarm,
    StaticLocation,
    VlanInterface,
    next_hop_of,
)
from ryu_haslb.openflow.neighbours import MAX_UNANSWERED_PROBES, REFRESH_INTERVAL, RIVAL_INTERVAL, Location, Neighbours

ADJACENT = RealServer(IPv4Address("10.1.1.51"))
DISTANT = RealServer(IPv4Address("10.99.11.11"))
STATIC = RealServer(IPv4Address("10.1.1.53"), locations=(StaticLocation(b"\x02\0\0\0\0\x53", 4, 15, datapath=2),))
HERE = Location(b"\x02\0\0\0\0\x51", 3, None)

CONFIGURATION = Configuration(
    farms={"FARM": ServerFarm("FARM", reals=(ADJACENT, DISTANT, STATIC))},
    vlan_interfaces=(VlanInterface(15, IPv4Address("10.1.1.15"), IPv4Network("10.1.1.0/24")),),
    routes=(
        Route(IPv4Network("10.0.0.0/8"), IPv4Address("10.1.1.1")),
        Route(IPv4Network("10.99.0.0/16"), IPv4Address("10.1.1.2")),
    ),
)


def test_an_adjacent_real_is_asked_for_itself_and_a_distant_one_through_the_most_specific_route() -> None:
    interfaces, routes = CONFIGURATION.vlan_interfaces, CONFIGURATION.routes
    assert next_hop_of(interfaces, routes, ADJACENT.address) == ADJACENT.address
    assert next_hop_of(interfaces, routes, DISTANT.address) == IPv4Address("10.1.1.2")
    assert next_hop_of((), (), DISTANT.address) == DISTANT.address


def test_a_static_location_holds_for_its_switch_and_is_not_probed() -> None:
    assert Neighbours(CONFIGURATION, 2).location(STATIC) == Location(b"\x02\0\0\0\0\x53", 4, 15)
    assert STATIC.address.packed not in Neighbours(CONFIGURATION, 2).due_probes(0.0)[0]
    assert Neighbours(CONFIGURATION, 1).location(STATIC) is None
    assert STATIC.address.packed in Neighbours(CONFIGURATION, 1).due_probes(0.0)[0]


def test_a_real_is_where_its_answer_comes_from_and_follows_every_change() -> None:
    neighbours = Neighbours(CONFIGURATION, 1)
    assert neighbours.learn(ADJACENT.address.packed, HERE, 1.0)
    assert neighbours.location(ADJACENT) == HERE
    assert not neighbours.learn(ADJACENT.address.packed, HERE, 2.0)
    assert neighbours.learn(ADJACENT.address.packed, HERE._replace(port=4), 3.0)
    assert neighbours.location(ADJACENT) == HERE._replace(port=4)


def test_the_sender_of_an_arp_packet_that_is_no_next_hop_is_ignored() -> None:
    assert not Neighbours(CONFIGURATION, 1).learn(b"\x0a\x01\x01\x77", HERE, 1.0)


def test_a_real_that_leaves_several_probes_unanswered_is_unreachable() -> None:
    neighbours = Neighbours(CONFIGURATION, 1)
    neighbours.learn(ADJACENT.address.packed, HERE, 0.0)
    now, probes, lost = REFRESH_INTERVAL, 0, False
    while not lost:
        addresses, lost = neighbours.due_probes(now)
        probes += ADJACENT.address.packed in addresses
        now += 0.5
        assert now < 60
    assert probes == MAX_UNANSWERED_PROBES + 1
    assert neighbours.location(ADJACENT) is None


def test_a_real_at_a_port_that_goes_down_is_probed_at_once() -> None:
    neighbours = Neighbours(CONFIGURATION, 1)
    neighbours.learn(ADJACENT.address.packed, HERE, 1.0)
    assert not neighbours.forget_port(9)
    assert neighbours.forget_port(HERE.port)
    assert neighbours.location(ADJACENT) is None
    assert ADJACENT.address.packed in neighbours.due_probes(1.0)[0]


THERE = Location(b"\x02\0\0\0\0\x66", 9, None)


def rivals(*claims: tuple[Location, float]) -> list[Location]:
    """The rivals that are found while these locations claim the address one after the other."""
    neighbours = Neighbours(CONFIGURATION, 1)
    found = []
    for location, now in claims:
        rival = neighbours.rival_of(ADJACENT.address.packed, location, now)
        found += [] if rival is None else [rival]
        neighbours.learn(ADJACENT.address.packed, location, now)
    return found


def test_two_machines_that_claim_an_address_in_turn_are_rivals() -> None:
    """RFC 5227 section 2.4: each answers a probe of the address."""
    assert rivals((HERE, 1.0), (THERE, 5.0), (HERE, 5.1), (THERE, 6.0)) == [THERE, HERE]


def test_a_machine_that_moves_or_takes_over_is_no_rival() -> None:
    assert rivals((HERE, 1.0), (THERE, 5.0), (THERE, 6.0)) == []
    assert rivals((HERE, 1.0), (THERE, 5.0), (HERE, 5.0 + RIVAL_INTERVAL)) == []
    assert rivals((HERE, 1.0), (HERE._replace(port=4), 2.0), (HERE, 3.0)) == []


def test_the_sender_of_an_arp_packet_that_is_no_next_hop_has_no_rival() -> None:
    assert Neighbours(CONFIGURATION, 1).rival_of(b"\x0a\x01\x01\x63", HERE, 1.0) is None
