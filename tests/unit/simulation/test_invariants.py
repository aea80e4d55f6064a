"""Each rule of the simulator can be broken, and is then named: a rule that cannot fail shows nothing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from budget import some

from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.request import Request, Verdict
from simulation import failure_invariant, invariants, rule_invariant
from simulation.faults import FAULTS, Fault
from simulation.openflow import ROLE_MASTER
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.world import World

_SMALL = Parameters(seed=3, mobiles=10, lifetime=60)
#: New mobiles keep coming.
_ARRIVING = Parameters(seed=5, mobiles=240, pdsns=2, lifetime=60, idle=60, arrivals=280.0)


def _count_twice(world: World) -> None:
    world.controller.balancer.statistics.requests += 1


def _dispatch_in_numbers_only(world: World) -> None:
    statistics = world.controller.balancer.statistics
    statistics.dispatched += 1
    statistics.requests += 1
    world.counts.requests += 1
    world.clock.after(1.0, _dispatch_in_numbers_only, world)  # it shows where two checks in a row find calm


def _keep_sessions(world: World) -> None:
    world.controller.balancer.sessions.overdue = lambda *_: iter(())  # type: ignore[method-assign]


def _keep_much(world: World) -> None:
    memory = dict.fromkeys(range(invariants.MAX_REMEMBERED + 1))
    world.controller.balancer.failure_detection._undecided = memory  # type: ignore[assignment]
    world.controller.balancer.failure_detection.advance = lambda *_: None  # type: ignore[method-assign]


def _favour_one(world: World) -> None:
    farm = world.controller.balancer.farms["HAFARM"]
    farm.choose = lambda *_: farm.reals[0]  # type: ignore[method-assign]


def _repeat(world: World) -> None:
    world.counts.repeated += 1


def _make_two_masters(world: World) -> None:
    for connection in world.switch.connections:
        connection.role = ROLE_MASTER


def _serve_no_mobile(world: World) -> None:
    balancer = world.controller.balancer

    def drop(request: Request, now: float) -> Verdict:
        balancer.statistics.count_dropped(DropReason.NO_REAL_AVAILABLE)
        return None, None, DropReason.NO_REAL_AVAILABLE

    balancer.request = drop  # type: ignore[method-assign]


def _cut_bystanders(world: World) -> None:
    world.counts.bystanders_sent += 100


def _bind_twice(world: World) -> None:
    mobile = world.mobiles[0]
    for agent in world.home_agents:
        agent.bindings[mobile.nai] = world.clock.now + 1000.0
    mobile.excuse = None


def _fail_for_nothing(world: World) -> None:
    real = next(world.controller.balancer.reals())
    real.health, real.failed_at = Health.FAILED, world.clock.now


def _never_fail(world: World) -> None:
    world.controller.balancer.failure_detection._has_decided = lambda *_: True  # type: ignore[method-assign]


def _lose_dfp(world: World) -> None:
    for link in world.controller.dfp.links:
        link.connection.counters.keep_alive_timeouts += 1


def _lose_sessions(world: World) -> None:
    world.restarts.at = world.clock.now
    world.restarts.faults.clear()
    world.restarts.rules = {0x020000000001: b"\2\0\x0a\1\1\x33"}


def _believe_in_rules(world: World) -> None:
    """The switch loses rules and says nothing, and the audit is blind."""
    world.controller.fleet._connections[1]._installation.upkeep.audit.tick = lambda _: None  # type: ignore[method-assign,assignment]
    for flow in [flow for flow in world.switch.datapath.tables[1] if flow.cookie >> 32]:
        world.switch.datapath.tables[1].remove(flow)


#: By rule: what breaks it after a minute, in which world, and seconds of the run.
SABOTAGE: dict[str, tuple[Callable[[World], None], Parameters, float]] = {
    "every request is counted once": (_count_twice, _SMALL, 120.0),
    "dispatched is sent out": (_dispatch_in_numbers_only, _SMALL, 120.0),
    "nothing is left": (_keep_sessions, replace(_SMALL, idle=100), 70.0),
    "state does not grow": (_keep_much, _SMALL, 70.0),
    "shares equal weights": (_favour_one, replace(_SMALL, mobiles=60, arrivals=120.0), 150.0),
    "each request is dispatched once": (_repeat, _SMALL, 70.0),
    "one balancer acts": (_make_two_masters, replace(_SMALL, controllers=2), 70.0),
    "every mobile is served": (_serve_no_mobile, replace(_SMALL, arrivals=600.0), 900.0),
    "traffic of others passes": (_cut_bystanders, _SMALL, 120.0),
    "no mobile is bound twice": (_bind_twice, _SMALL, 70.0),
    "no home agent that serves is taken out": (_fail_for_nothing, replace(_SMALL, retry=0, idle=300), 900.0),
    "a silent home agent is failed": (
        _never_fail,
        replace(_SMALL, seed=5, mobiles=240, pdsns=2, idle=60, arrivals=280.0),
        300.0,
    ),
    "DFP agents that report stay connected": (_lose_dfp, replace(_SMALL, dfp=True, dfp_timeout=10), 900.0),
    "sessions survive a restart": (_lose_sessions, _SMALL, 70.0),
    "the switch has the rules of sessions with rule_at": (_believe_in_rules, replace(_SMALL, idle=300), 120.0),
}
#: Faults beside the sabotage.
_BESIDE: dict[str, list[Fault]] = {"a silent home agent is failed": [Fault(61.0, "home agent hangs", (0,))]}


@pytest.mark.parametrize("rule", some(SABOTAGE))
def test_a_rule_that_is_broken_is_named(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage, parameters, seconds = SABOTAGE[rule]
    monkeypatch.setitem(FAULTS, "sabotage", sabotage)
    kept = [Fault(60.0, "power on", (0,))]  # a fault of a mobile alone, so that shares are checked as well
    monkeypatch.setattr("simulation.simulation.MOBILE_FAULTS", ("power on", "sabotage"))
    assert simulate(parameters, [*kept, *_BESIDE.get(rule, [])], seconds).violation is None
    violation = simulate(parameters, [*kept, Fault(60.0, "sabotage"), *_BESIDE.get(rule, [])], seconds).violation
    assert violation is not None
    assert violation.rule == rule


def test_every_rule_has_a_test_that_breaks_it() -> None:
    modules = (invariants, failure_invariant, rule_invariant)
    source = "".join(inspect.getsource(each) for each in modules)
    assert set(re.findall(r'ViolationError\("([^"]+)"', source)) == set(SABOTAGE)
