"""Histories that once broke a rule of the simulator, and what it must find again if they do."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Optional

import pytest
from budget import seconds, some

from ryu_haslb.openflow.recovery import recovery
from simulation.faults import Fault
from simulation.flow_mods import FlowMods, RejectedBundleError
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.switch_connection import SwitchConnection
from simulation.world import World

_SESSIONS = 1


def session_rules(world: World) -> int:
    """The number of session rules on the switch."""
    return sum(flow.cookie >> 32 > 0 for flow in world.switch.datapath.tables[_SESSIONS])


def test_a_full_table_takes_as_many_session_rules_as_fit() -> None:
    """A switch rejects a bundle as a whole, also where all of its rules but one would fit (ONF EXT-230)."""
    for bundles in (True, False):
        parameters = Parameters(seed=5, mobiles=80, arrivals=0.001, idle=300, max_flows=60, reports_features=False)
        world = World(replace(parameters, bundles=bundles))
        world.start()
        world.clock.run_until(world.clock.now + 30.0)
        table = world.switch.datapath.tables[_SESSIONS]
        assert len(table) == table.limit
        confirmed = sum(session.rule_at == 1 for session in world.controller.balancer.sessions)
        assert confirmed == session_rules(world) == 59


@pytest.mark.parametrize(
    ("table", "slice_rules"), some(product(["output_to_table", "rejects_table", "ignores_table"], [20, 20_000]))
)
def test_sessions_survive_a_restart_on_a_switch_that_takes_long_to_tell_its_rules(
    table: str, slice_rules: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit counts from the last part of the switch's reply; it took half a minute here for all of them."""
    monkeypatch.setattr(recovery, "PACE", recovery.PACE._replace(slice_rules=slice_rules))
    parameters = Parameters(
        seed=6,
        mobiles=300,
        home_agents=3,
        idle=300,
        lifetime=120,
        stats_delay=1.0,
        output_to_table=table != "rejects_table",
        ignores_table=table == "ignores_table",
    )
    history = [Fault(60.0, "controller is killed"), Fault(62.0, "controller starts")]
    outcome = simulate(parameters, history, seconds(300.0, least=160.0))
    assert outcome.violation is None


@pytest.mark.parametrize("idle", [10, 300])
def test_sessions_survive_a_restart_at_which_a_home_agent_is_slow_to_answer_arp(idle: int) -> None:
    parameters = Parameters(seed=7, mobiles=60, home_agents=3, idle=idle, lifetime=120)
    history = [
        Fault(50.0, "controller is killed"),
        Fault(50.5, "home agent answers no ARP", (1, 40.0)),
        Fault(51.0, "controller starts"),
    ]
    assert simulate(parameters, history, seconds(400.0, least=200.0)).violation is None


def test_a_home_agent_that_dies_while_the_balancer_is_away_loses_its_mobiles_to_others() -> None:
    """Their rules are pending for 300 s; a mobile that retries more often than ``reassign`` allows does not wait."""
    parameters = Parameters(seed=8, mobiles=60, home_agents=2, idle=300, lifetime=60)
    history = [
        Fault(60.0, "controller is killed"),
        Fault(61.0, "home agent dies", (0,)),
        Fault(65.0, "controller starts"),
    ]
    assert simulate(parameters, history, seconds(900.0, least=450.0)).violation is None


@pytest.mark.parametrize(
    "parameters",
    [
        Parameters(seed=9, mobiles=20, idle=300, output_to_table=False),
        Parameters(seed=9, mobiles=20, idle=300, ignores_table=True),
    ],
)
def test_every_request_is_sent_out_by_a_switch_that_does_not_output_to_table(parameters: Parameters) -> None:
    """OpenFlow 1.3.5 lets a switch reject it; the first request after each connection counted as dispatched and was
    lost."""
    history = [Fault(100.0, "control connection breaks"), Fault(101.0, "control connection mends")]
    history += [Fault(130.0 + number, "power cycle", (number,)) for number in range(20)]
    assert simulate(parameters, history, seconds(400.0, least=200.0)).violation is None


def test_a_bundle_with_a_rule_that_the_switch_refuses_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONF EXT-230: no rule of it stays. Half of the standing rules would dispatch requests a second time."""
    commit = FlowMods.commit
    changes: list[bool] = []

    def watched(self: FlowMods, messages: list[bytes], by: Optional[SwitchConnection] = None) -> None:
        before = [list(table) for table in world.switch.datapath.tables]
        try:
            commit(self, messages, by)
        except RejectedBundleError:
            changes.append(before != [list(table) for table in world.switch.datapath.tables])
            raise

    monkeypatch.setattr(FlowMods, "commit", watched)
    world = World(Parameters(mobiles=1, normal="refused"))
    world.start()
    world.clock.run_until(world.clock.now + 5.0)
    assert changes
    assert not any(changes)
