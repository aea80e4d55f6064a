"""Switches with room for some session rules, and such that take some hundred flow-mods a second, as hardware does."""

from __future__ import annotations

from typing import Any

import pytest
from budget import some

from ryu_haslb.openflow.flow_mod_pace import TARGET_DELAY, FlowModPace
from ryu_haslb.openflow.rule_room import RuleRoom
from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.table_invariants import session_rules
from simulation.world import World

#: A slow switch and so many new mobiles a second that its rules take longer than their requests.
SLOW = Parameters(
    seed=5, home_agents=3, pdsns=2, mobiles=1500, arrivals=4.0, lifetime=600, idle=60, flow_mod_rate=300.0
)
SMALL = Parameters(seed=5, home_agents=3, pdsns=2, mobiles=150, lifetime=60, idle=60, stay=60.0)
TABLES: dict[str, dict[str, Any]] = {
    "reported": {"max_flows": 41},
    "found full": {"max_flows": 41, "reports_features": False},
    "found full, without bundles": {"max_flows": 41, "reports_features": False, "bundles": False},
    "configured": {"max_rules": 40},
    "configured, slow": {"max_rules": 40, "flow_mod_rate": 200.0},
    "slow, without bundles": {"flow_mod_rate": 200.0, "bundles": False},
}


def world_after(parameters: Parameters, seconds: float) -> World:
    world = World(parameters)
    world.start()
    world.clock.run_until(world.clock.now + seconds)
    return world


@pytest.mark.parametrize("table", some(list(TABLES.values())), ids=some(list(TABLES)))
@pytest.mark.parametrize(
    "history",
    some(
        [
            [],
            [Fault(100.0, "controller is killed"), Fault(102.0, "controller starts")],
            [Fault(100.0, "switch restarts", (0,))],
            [Fault(100.0, "flows are deleted", ("session rules",))],
        ]
    ),
    ids=str,
)
def test_mobiles_are_served_and_known_ones_keep_their_rules(history: list[Fault], table: dict[str, Any]) -> None:
    assert simulate(Parameters(**{**vars(SMALL), **table}), history, 300.0).violation is None


def test_requests_do_not_wait_behind_the_rules_of_a_slow_switch() -> None:
    """It takes 300 flow-mods a second, and 375 mobiles a second come: rules wait here, and all sessions get theirs."""
    world = World(SLOW)
    world.start()
    world.clock.run_until(world.clock.now + 1.9)
    world.switch.work.max_delay = 0.0
    world.clock.run_until(world.clock.now + 3.0)
    assert world.controller.fleet.switches[1].rules.waiting > 100, "else this shows nothing"
    world.clock.run_until(world.clock.now + 5.0)
    assert world.switch.work.max_delay < 2 * TARGET_DELAY
    assert session_rules(world.switch) == SLOW.mobiles
    assert not world.controller.balancer.statistics.dropped


def test_a_slow_switch_is_not_left_idle() -> None:
    world = world_after(SLOW, 4.0)
    assert session_rules(world.switch) > 0.8 * 300 * (4.0 - 2.0)


def test_a_slow_switch_that_connects_again_is_served_at_once() -> None:
    """Its rules are installed again meanwhile, 1,500 of them in five seconds."""
    world = world_after(SLOW, 20.0)
    requests = world.controller.balancer.statistics.requests
    Fault(0.0, "switch restarts", (0,)).strike(world)
    world.clock.run_until(world.clock.now + 1.5)
    world.switch.work.max_delay = 0.0
    for mobile in world.mobiles[:50]:
        mobile.power_off()
        world.clock.after(0.3, mobile.power_on)
    world.clock.run_until(world.clock.now + 2.0)
    assert world.controller.balancer.statistics.requests >= requests + 50
    assert world.switch.work.max_delay < 2 * TARGET_DELAY
    world.clock.run_until(world.clock.now + 6.0)
    assert session_rules(world.switch) == SLOW.mobiles


#: Made-up mobiles fill the table before others are known.
_STORM = [Fault(3.0, "spoofed storm", (3, 10.0, (12, 50), 1))]
_BREAKS: dict[str, tuple[Any, str, Any, Parameters, list[Fault]]] = {
    "no switch is sent more flow-mods than it takes": (
        *(FlowModPace, "allowance", lambda *_: 4000),
        Parameters(seed=5, mobiles=2500, pdsns=8, arrivals=40.0, lifetime=600, idle=60, flow_mod_rate=50.0),
        [],
    ),
    "the limit of session rules is kept": (
        *(RuleRoom, "free", lambda *_: None),
        Parameters(seed=5, mobiles=100, lifetime=60, idle=60, max_rules=40),
        [],
    ),
    "known mobiles keep their rules first": (
        *(RuleRoom, "replaceable", lambda *_: []),
        Parameters(seed=5, mobiles=100, pdsns=2, lifetime=60, idle=300, max_rules=40),
        _STORM,
    ),
}


@pytest.mark.parametrize("rule", _BREAKS)
def test_a_rule_that_is_broken_is_named(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, name, replacement, parameters, history = _BREAKS[rule]
    assert simulate(parameters, history, 160.0).violation is None
    monkeypatch.setattr(broken, name, replacement)
    violation = simulate(parameters, history, 160.0).violation
    assert violation is not None
    assert rule in str(violation)
