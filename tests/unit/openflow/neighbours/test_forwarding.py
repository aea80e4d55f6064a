"""The actions that lead to each real server that a switch can reach."""

from __future__ import annotations

import logging
from typing import Any, Optional

import pytest
from fake_switch import decoded
from farm_builder import Bench

from ryu_haslb.configuration.model import RealServer as RealServerConfiguration
from ryu_haslb.openflow.flow_tables.pipeline import chassis_address
from ryu_haslb.openflow.flow_tables.session_rule import SessionRule
from ryu_haslb.openflow.neighbours.forwarding import Forwarding
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.wire import wire

MAC = b"\x02\0\0\0\0\x51"
CHASSIS = "02:51:b7:00:00:09"


class Forwarded:
    """A switch with datapath id 9 and a farm of two real servers; ``locations`` says where their next hops are."""

    def __init__(self, **real: Any) -> None:
        self.bench = Bench(1, 1, **real)
        self.reals = self.bench.reals
        self.forwarding = Forwarding(9)
        self.locations: dict[RealServerConfiguration, Location] = {}
        self.last_locations: dict[RealServerConfiguration, Location] = {}

    def locate(self, number: int, location: Optional[Location]) -> None:
        configuration = self.reals[number].configuration
        if location is None:
            del self.locations[configuration]
        else:
            self.locations[configuration] = self.last_locations[configuration] = location

    def update(self) -> list[int]:
        """Which real servers have changed, by number."""
        farms = self.bench.balancer.farms.values()
        changed = self.forwarding.update(farms, self.locations.get, self.last_locations.get)
        return sorted(self.reals.index(real) for real in changed)

    def actions(self, number: int) -> list[tuple[str, Any]]:
        """The actions as the engine reads them: field and value, or port."""
        actions = self.forwarding.actions[self.reals[number]]
        rule = SessionRule(tag=2, virtual_address=bytes(4), port=434, idle_timeout=0, actions=actions)
        (instruction,) = decoded(rule.flow_mod(0, wire.OFPFC_ADD)).instructions
        return [
            (each.key, each.value) if hasattr(each, "key") else ("output", getattr(each, "port", "push"))
            for each in instruction.actions
        ]


def test_in_dispatched_mode_only_the_ethernet_addresses_are_rewritten() -> None:
    forwarded = Forwarded()
    forwarded.locate(0, Location(MAC, 3, None))
    forwarded.update()
    assert chassis_address(9).hex(":") == CHASSIS
    assert forwarded.actions(0) == [("eth_src", CHASSIS), ("eth_dst", MAC.hex(":")), ("output", 3)]
    assert forwarded.forwarding.dispatched_macs == {MAC}


def test_only_real_servers_that_have_moved_are_changed() -> None:
    forwarded = Forwarded()
    forwarded.locate(0, Location(MAC, 3, None))
    forwarded.locate(1, Location(MAC, 4, None))
    assert forwarded.update() == [0, 1]
    assert forwarded.update() == []
    forwarded.locate(1, Location(MAC, 5, 15))
    assert forwarded.update() == [1]
    assert forwarded.actions(1)[-1] == ("output", 5)


def test_a_real_server_without_a_location_is_unreachable_from_the_switch() -> None:
    forwarded = Forwarded()
    real = forwarded.reals[0]
    forwarded.locate(0, Location(MAC, 3, None))
    forwarded.update()
    assert 9 in real.reachable_from
    assert forwarded.forwarding.is_at(real, MAC)
    forwarded.locate(0, None)
    forwarded.update()
    assert 9 not in real.reachable_from
    assert not forwarded.forwarding.is_at(real, MAC)
    assert forwarded.forwarding.dispatched_macs == frozenset()
    assert forwarded.forwarding.actions == {}


def test_the_rules_of_a_real_server_that_is_lost_and_found_where_it_was_stay_as_they_are() -> None:
    """They show where its mobiles are, also to a balancer that is started meanwhile (docs/states.md, Recovery)."""
    forwarded = Forwarded()
    real = forwarded.reals[0]
    forwarded.locate(0, Location(MAC, 3, None))
    forwarded.update()
    before = dict(forwarded.forwarding.rule_actions)
    for location in (None, Location(MAC, 3, None)):
        forwarded.locate(0, location)
        assert forwarded.update() == []
        assert forwarded.forwarding.rule_actions == before
        assert (9 in real.reachable_from) == (location is not None)
    forwarded.locate(0, Location(MAC, 5, None))
    assert forwarded.update() == [0], "it has moved"


def test_the_loss_of_the_last_switch_that_reaches_a_real_server_is_left_to_the_line_about_its_state(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each event is logged once; ``%SLB-3-REACH`` says that no switch finds it (docs/running.md)."""
    forwarded = Forwarded()
    nowhere: set[int] = set()
    for others in (nowhere, {7}):
        forwarded.locate(0, Location(MAC, 1, None))
        forwarded.update()
        forwarded.reals[0].reachable_from = {9} | others
        caplog.clear()
        forwarded.locate(0, None)
        with caplog.at_level(logging.INFO):
            forwarded.update()
        assert ("is unreachable" in caplog.text) == bool(others)


def test_a_real_server_that_leaves_the_configuration_is_forgotten() -> None:
    forwarded = Forwarded()
    forwarded.locate(0, Location(MAC, 3, None))
    forwarded.update()
    assert forwarded.forwarding.update([], forwarded.locations.get, forwarded.last_locations.get) == {
        forwarded.reals[0]
    }
    assert forwarded.forwarding.actions == forwarded.forwarding.rule_actions == {}
