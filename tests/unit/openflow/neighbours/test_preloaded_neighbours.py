"""What a member that stands by takes over from the leader, and how it is verified when it leads (RFC 826, RFC 1122)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, StaticLocation, VlanInterface
from ryu_haslb.openflow.neighbours.arp_probing import CHALLENGE_PROBE_INTERVAL, CHALLENGE_PROBES, CHALLENGE_TIMEOUT
from ryu_haslb.openflow.neighbours.discovery import NeighbourDiscovery
from ryu_haslb.openflow.neighbours.places import Location, PlaceState, Probe
from ryu_haslb.openflow.neighbours.table import Neighbours

REAL = RealServer(IPv4Address("10.1.1.51"))
STATIC = RealServer(IPv4Address("10.1.1.53"), locations=(StaticLocation(b"\x02\0\0\0\0\x53", 4, 15, datapath=1),))
ADDRESS, STATIC_ADDRESS = REAL.address.packed, STATIC.address.packed
HERE, THERE = Location(b"\x02\0\0\0\0\x51", 3, None), Location(b"\x02\0\0\0\0\x51", 7, None)
CONFIGURATION = Configuration(
    farms={"FARM": ServerFarm("FARM", reals=(REAL, STATIC))},
    vlan_interfaces=(VlanInterface(15, IPv4Address("10.1.1.15"), IPv4Network("10.1.1.0/24")),),
)


def preloaded() -> Neighbours:
    """The neighbours of a member that begins to lead at 0."""
    neighbours = Neighbours(CONFIGURATION, 1)
    assert neighbours.preload({ADDRESS: HERE}, {})
    neighbours.verify_preloaded(0.0)
    return neighbours


def give_up(neighbours: Neighbours) -> int:
    """Let the known place be silent until it is given up. Returns how often it was probed."""
    now, probes = 0.0, 0
    while now < CHALLENGE_TIMEOUT:
        probes += sum(probe == Probe(ADDRESS, HERE) for probe in neighbours.due_probes(now)[0])
        assert neighbours.location(REAL) == HERE
        now += CHALLENGE_PROBE_INTERVAL / 4
    assert neighbours.due_probes(now)[1]
    return probes


def test_a_standby_follows_what_the_leader_finds() -> None:
    neighbours = Neighbours(CONFIGURATION, 1)
    assert neighbours.preload({ADDRESS: HERE}, {})
    assert neighbours.location(REAL) == HERE
    assert not neighbours.preload({ADDRESS: HERE}, {}), "nothing new"
    assert neighbours.preload({ADDRESS: THERE}, {})
    assert neighbours.location(REAL) == THERE
    assert neighbours.preload({}, {})
    assert neighbours.location(REAL) is None


def test_a_preloaded_place_serves_at_once_and_is_probed_at_once() -> None:
    neighbours = preloaded()
    assert neighbours.location(REAL) == HERE
    probes = [probe for probe in neighbours.due_probes(0.0)[0] if probe.address == ADDRESS]
    assert probes == [Probe(ADDRESS), Probe(ADDRESS, HERE)], "by broadcast, so that it answers wherever it is"


def test_a_preloaded_place_that_answers_is_found_and_no_claim_was_refused() -> None:
    neighbours = preloaded()
    assert not neighbours.on_answer(ADDRESS, HERE, 0.1)
    assert neighbours.place(REAL) == (HERE, PlaceState.LOCATED, 0, False)
    assert not neighbours.due_probes(CHALLENGE_TIMEOUT)[1]
    assert neighbours.found() == {ADDRESS: HERE}


def test_a_preloaded_place_that_does_not_answer_loses_to_the_place_that_does() -> None:
    neighbours = preloaded()
    neighbours.on_answer(ADDRESS, THERE, 0.1)
    give_up(neighbours)
    assert neighbours.location(REAL) == THERE


def test_a_preloaded_place_that_does_not_answer_at_all_is_given_up_after_the_challenge() -> None:
    """Requests of its sessions must not be sent there for ever."""
    neighbours = preloaded()
    assert give_up(neighbours) == CHALLENGE_PROBES
    assert neighbours.location(REAL) is None
    assert neighbours.on_answer(ADDRESS, THERE, CHALLENGE_TIMEOUT), "and found where it is, without a challenge"


def test_a_preloaded_place_is_not_given_up_before_it_was_probed() -> None:
    """A new leader has much to do: its first tick may come late. Its sessions would move to another home agent."""
    neighbours = preloaded()
    assert not neighbours.due_probes(2 * CHALLENGE_TIMEOUT)[1]
    neighbours.on_answer(ADDRESS, HERE, 2 * CHALLENGE_TIMEOUT)
    assert neighbours.place(REAL).state is PlaceState.LOCATED


def test_a_preloaded_place_is_not_given_up_while_the_switch_is_behind() -> None:
    """The switch has much to do when it has a new leader."""
    neighbours = preloaded()
    for tenth in range(200):
        assert not neighbours.due_probes(tenth / 10, is_behind=True)[1]
    neighbours.on_answer(ADDRESS, HERE, 20.0)
    assert neighbours.place(REAL).state is PlaceState.LOCATED


def test_a_forged_answer_does_not_take_a_preloaded_place_that_answers() -> None:
    neighbours = preloaded()
    neighbours.on_answer(ADDRESS, THERE, 0.1)
    neighbours.on_answer(ADDRESS, HERE, 0.2)
    assert not neighbours.due_probes(CHALLENGE_TIMEOUT)[1]
    assert neighbours.place(REAL) == (HERE, PlaceState.LOCATED, 1, False)


def test_what_is_configured_prevails_over_what_another_member_has_found() -> None:
    neighbours = Neighbours(CONFIGURATION, 1)
    neighbours.configure(CONFIGURATION, {ADDRESS: b"\x02\0\0\0\0\x52"})
    assert not neighbours.preload({ADDRESS: HERE, STATIC_ADDRESS: HERE}, {})
    assert neighbours.location(REAL) is None
    assert neighbours.location(STATIC) == Location(b"\x02\0\0\0\0\x53", 4, 15)


@pytest.mark.parametrize(("place", "is_taken"), [(HERE._replace(vlan=15), True), (HERE._replace(vlan=16), False)])
def test_a_place_in_a_vlan_that_does_not_hold_the_address_is_not_taken_over(place: Location, is_taken: bool) -> None:
    discovery = NeighbourDiscovery(1, CONFIGURATION)
    assert discovery.preload({ADDRESS: place, b"\x0a\x09\x09\x09": place}, {}) == is_taken
    assert discovery.found() == ({ADDRESS: place} if is_taken else {})


def test_a_standby_knows_where_a_next_hop_was_that_the_leader_has_lost() -> None:
    """Session rules lead there; the next leader knows then that they lead to an unreachable home agent."""
    leader, standby = (Neighbours(CONFIGURATION, 1) for _ in range(2))
    leader.on_answer(ADDRESS, HERE, 0.0)
    for second in range(5, 10):
        leader.due_probes(float(second))
    assert (leader.found(), leader.lost()) == ({}, {ADDRESS: HERE})
    assert standby.preload(leader.found(), leader.lost())
    assert not standby.preload(leader.found(), leader.lost()), "nothing new"
    assert (standby.location(REAL), standby.last_location(REAL)) == (None, HERE)
    standby.verify_preloaded(20.0)
    assert standby.on_answer(ADDRESS, THERE, 20.1)
    assert (standby.last_location(REAL), standby.lost()) == (THERE, {}), "it is found where it is now"


def test_where_a_next_hop_was_is_known_until_it_is_found_again() -> None:
    neighbours = preloaded()
    give_up(neighbours)
    assert neighbours.lost() == {ADDRESS: HERE}
    neighbours.on_answer(ADDRESS, THERE, 3.0)
    assert neighbours.lost() == {}
    assert neighbours.forget_port(THERE.port)
    assert neighbours.lost() == {ADDRESS: THERE}


def test_no_last_place_is_taken_over_that_the_configuration_excludes() -> None:
    neighbours = Neighbours(CONFIGURATION, 1)
    neighbours.configure(CONFIGURATION, {ADDRESS: b"\x02\0\0\0\0\x52"})
    assert not neighbours.preload({}, {ADDRESS: HERE, STATIC_ADDRESS: HERE})
    assert neighbours.lost() == {}
