"""Histories of a balancer that stops, is retired, or starts again: what the switch and the mobiles see of it."""

from __future__ import annotations

import pytest

from ryu_haslb.openflow.pipeline import Purpose
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK
from simulation.faults import Fault
from simulation.simulation import simulate
from simulation.world import Parameters, World

PARAMETERS = Parameters(seed=5, mobiles=60, lifetime=60, idle=300)


def run(world: World, seconds: float) -> None:
    world.clock.run_until(world.clock.now + seconds)


def real_of_each_session(world: World) -> dict[int, bytes]:
    return {session.tag: session.real.packed_address for session in world.controller.balancer.sessions}


def rules(world: World) -> list[int]:
    """The cookies of all rules with our mark."""
    flows = [flow for table in world.switch.datapath.tables for flow in table]
    return [flow.cookie for flow in flows if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK]


@pytest.mark.parametrize("bundles", [True, False])
def test_a_restart_under_load_loses_no_session(bundles: bool) -> None:
    """SIGTERM leaves sessions and rules where they are; the next start recovers them, even those of this moment."""
    world = World(Parameters(seed=5, mobiles=300, arrivals=10.0, idle=300, bundles=bundles))
    world.start()
    run(world, 7.0)  # in the midst of the first registrations
    world.controller.stop()
    run(world, 0.02)
    before = real_of_each_session(world)
    run(world, 2.0)
    assert not world.controller.is_running
    assert len(before) > 100
    world.controller.start()
    run(world, 3.0)
    after = real_of_each_session(world)
    assert {tag: after.get(tag) for tag in before} == before
    run(world, 60.0)
    assert all(mobile.is_bound for mobile in world.mobiles)


@pytest.mark.parametrize("how", ["controller is stopped", "controller is killed", "controller is retired"])
@pytest.mark.parametrize("seconds", [1.0, 100.0])
def test_traffic_of_others_passes_while_a_balancer_is_away(how: str, seconds: float) -> None:
    history = [Fault(100.0, how), Fault(100.0 + seconds, "controller starts")]
    assert simulate(PARAMETERS, history, 400.0).violation is None


def test_only_the_rule_that_switches_other_traffic_stays_when_a_balancer_is_retired() -> None:
    world = World(PARAMETERS)
    world.start()
    run(world, 60.0)
    assert len(rules(world)) > 60
    world.controller.retire()
    run(world, 1.0)
    assert rules(world) == [Purpose.PASS_OTHER.cookie]
    assert world.switch.datapath.meters == {}
    before = world.counts.bystanders_received
    run(world, 20.0)
    assert world.counts.bystanders_received == before + 40
