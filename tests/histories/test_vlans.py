"""Home agents in several VLANs, behind access ports and trunks, and thieves of their addresses in these VLANs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from budget import seconds, some
from played import world_after

from ryu_haslb.configuration.model import ProbeKind
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.neighbours.table import Neighbours
from simulation.datapath import Datapath
from simulation.faults import Fault
from simulation.packet import has_right_checksums, routed, tag_of, tagged, udp_frame, untagged
from simulation.parameters import Parameters
from simulation.simulation import FIRST_VLAN_SEED, random_run, simulate
from simulation.thief import is_for_thief
from simulation.world import World, mac_of

#: Home agents 0 and 2 are in one VLAN, the first at an access port and the other behind a trunk; 1 is in another VLAN.
VLANS = Parameters(
    seed=3,
    home_agents=3,
    pdsns=2,
    mobiles=10,
    lifetime=600,
    refresh=15.0,
    arrivals=5.0,
    idle=60,
    vlans=(15, 16, 15),
    weights=(1, 1, 1),
    trunks=frozenset({3, 5}),
)
WORLDS: dict[str, dict[str, Any]] = {
    "dispatched": {},
    "direct, two switches": {"nat": True, "switches": 2},
    "VLANs of ports and clients are configured": {"names_ports": True, "names_client_vlan": True},
    "a switch that rejects NORMAL": {"normal": "refused", "tables": 64, "trunks": frozenset(VLANS.node_ports)},
    "no interface, access ports": {"has_vlan_interfaces": False, "trunks": frozenset()},
    "probes": {"probe": ProbeKind.PING},
}
DEATH = [Fault(20.0, "home agent dies", (0,)), Fault(70.0, "home agent returns", (0, False))]
BROADCAST = b"\xff" * 6 + mac_of(b"\x0a\1\x0f\7") + b"\x88\xb5" + bytes(46)


def sent(port: int, frame: bytes) -> list[tuple[int, int]]:
    """The ports by which a switch of two access ports in a VLAN, one in another and a trunk sends a frame; the tags."""
    found: list[tuple[int, int]] = []
    datapath = Datapath(
        dict.fromkeys(range(1, 5), "port"), lambda port, frame: found.append((port, tag_of(frame))), lambda _: None
    )
    datapath.access_vlans = {1: 15, 2: 15, 3: 16}
    datapath._normal(frame, port, 0.0)
    return found


def test_normal_keeps_vlans_apart() -> None:
    """As an Open vSwitch with ``tag`` at its access ports, and with ports without it as trunks."""
    assert sent(1, BROADCAST) == [(2, 0), (4, 15)]
    assert sent(4, tagged(BROADCAST, 15)) == [(1, 0), (2, 0)]
    assert sent(4, tagged(BROADCAST, 99)) == sent(4, BROADCAST) == []
    assert sent(1, tagged(BROADCAST, 15)) == [], "a tag from an access port"


def test_a_tag_is_added_and_removed() -> None:
    assert untagged(tagged(BROADCAST, 15)) == BROADCAST == tagged(BROADCAST, 0)


def test_a_packet_that_is_routed_has_a_right_header_checksum() -> None:
    packet = routed(udp_frame(bytes(12), b"\x0a\1\x0f\7", b"\x0a\1\1\7", (434, 434), b"payload"), b"\2" * 12)
    assert has_right_checksums(packet) and (packet[:12], packet[22]) == (b"\2" * 12, 0x3F)


@pytest.mark.parametrize("world", some(list(WORLDS.values())), ids=some(list(WORLDS)))
def test_mobiles_are_served_by_home_agents_in_all_vlans(world: dict[str, Any]) -> None:
    parameters = replace(VLANS, **world)
    played = world_after(parameters, 20.0)
    assert all(agent.bindings for agent in played.home_agents)
    assert simulate(parameters, [], seconds(200.0, least=60.0)).violation is None


def test_a_home_agent_behind_a_trunk_is_not_found_without_its_vlan() -> None:
    """docs/states.md, "The place of a home agent": write an ``interface Vlan`` for each VLAN of home agents."""
    world = world_after(replace(VLANS, has_vlan_interfaces=False, trunks=frozenset({3})), 20.0)
    assert [bool(agent.bindings) for agent in world.home_agents] == [True, True, False]


@pytest.mark.parametrize(
    ("port", "faults", "gets_requests"),
    [(3, DEATH, True), (3, [], False), (2, DEATH, False), (4, DEATH, False)],
    ids=["beside a dead one", "beside a living one", "in another VLAN", "in the VLAN of the clients"],
)
def test_a_thief_gets_requests_in_the_vlan_of_a_silent_home_agent_alone(
    port: int, faults: list[Fault], gets_requests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/security.md, "The home agents' VLAN". Each of these requests counts as sent out."""
    stolen: list[bytes] = []
    excuse = World.excuse

    def note(world: World, frame: bytes) -> None:
        if is_for_thief(frame):
            stolen.append(frame)
        excuse(world, frame)

    monkeypatch.setattr(World, "excuse", note)
    history = sorted([*faults, Fault(25.0, "address is taken", (port, 0, 60.0))])
    assert simulate(VLANS, history, 150.0).violation is None
    assert bool(stolen) is gets_requests


def test_a_thief_that_gets_the_requests_of_a_living_home_agent_breaks_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """The witness knows the thief by its Ethernet address: here each claim is believed."""

    def believe(neighbours: Neighbours, address: bytes, location: Location, now: float) -> bool:
        neighbour = neighbours._by_address[address]
        return neighbour.locate(location, now, neighbours.events) if location != neighbour.location else False

    monkeypatch.setattr(Neighbours, "on_answer", believe)
    violation = simulate(VLANS, [Fault(25.0, "address is taken", (3, 0, 60.0))], 150.0).violation
    assert violation is not None and violation.rule == "a request goes to where its home agent is"


def test_random_worlds_have_vlans_and_thieves_from_a_seed_on() -> None:
    def has_vlans_and_thieves(seed: int) -> tuple[bool, bool]:
        parameters, history = random_run(seed, 300.0)
        return bool(parameters.vlans), any(fault.kind == "address is taken" for fault in history)

    worlds = {has_vlans_and_thieves(seed) for seed in range(FIRST_VLAN_SEED, FIRST_VLAN_SEED + 20)}
    assert worlds == {(True, False), (True, True)}
    assert {has_vlans_and_thieves(seed) for seed in range(FIRST_VLAN_SEED - 20, FIRST_VLAN_SEED)} == {(False, False)}
