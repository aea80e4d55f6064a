"""Each rule of the simulator can be broken, and is then named: a rule that cannot fail shows nothing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from budget import some

from ryu_haslb.openflow.flow_tables import standing_rules
from ryu_haslb.slb.health import Health
from simulation import (
    failure_invariant,
    health_invariants,
    invariants,
    ownership_invariants,
    request_invariants,
    rule_invariant,
)
from simulation.faults import FAULTS, Fault
from simulation.openflow import ROLE_MASTER
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.world import World

_SMALL = Parameters(seed=3, mobiles=10, lifetime=60)
#: New mobiles keep coming.
_ARRIVING = Parameters(seed=5, mobiles=240, pdsns=2, lifetime=60, idle=60, arrivals=280.0)

#: Mobiles come to the virtual address all the time, and their sessions last.
_REFRESHING = replace(_ARRIVING, mobiles=40, refresh=15.0, lifetime=600, arrivals=20.0)


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
    """Its requests are forwarded, and no reply comes."""
    mobile = world.mobiles[0]
    world.clock.after(600.0, setattr, mobile, "seeking_since", world.clock.now)


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


def _lose_rules(world: World) -> None:
    """The balancer knows it, and installs none again."""
    _believe_in_rules(world)
    for session in world.controller.balancer.sessions:
        session.rule_at = None


def _fail_while_it_answers(world: World) -> None:
    """Between two checks: its next reply brings it back."""
    world.clock.after(4.0, _fail_for_nothing, world)
    world.clock.after(4.5, setattr, next(world.controller.balancer.reals()), "health", Health.OPERATIONAL)
    world.clock.after(4.0, world.home_agents[0].replied_at.append, world.clock.now + 3.5)


def _return_while_it_is_silent(world: World) -> None:
    real = next(world.controller.balancer.reals())
    if real.health is Health.FAILED and world.clock.now > 1150.0:
        real.health = Health.OPERATIONAL
        real.failed_mobiles.clear()
    else:
        world.clock.after(1.0, _return_while_it_is_silent, world)


def _never_test(world: World) -> None:
    world.controller.balancer.farms["HAFARM"].advance = lambda now: None  # type: ignore[method-assign]


def _weigh_wrongly(world: World) -> None:
    next(world.controller.balancer.reals()).weight += 1


def _let_sessions_stay(world: World) -> None:
    """At a home agent that hangs, and has just been failed."""
    farm = world.controller.balancer.farms["HAFARM"]
    farm.choose_instead = lambda real, *_: real  # type: ignore[method-assign]
    world.clock.after(2.0, _fail_for_nothing, world)


def _let_sessions_go_nowhere(world: World) -> None:
    farm = world.controller.balancer.farms["HAFARM"]
    farm.choose_instead = lambda *_: None  # type: ignore[method-assign]


def _move(world: World, moves: bool) -> None:
    world.controller.balancer.failure_detection.on_request = lambda *_: moves  # type: ignore[method-assign]


def _change_idle_time(world: World, seconds: int) -> None:
    world.controller.balancer.virtual_servers["MIPSLB"].idle += seconds


def _forget_rules_early(world: World) -> None:
    table = world.switch.datapath.tables[1]
    for flow in [flow for flow in table if flow.cookie >> 32]:
        flow.idle_timeout = 2
        table._schedule(flow)


def _stop_and_delete(world: World) -> None:
    FAULTS["controller is stopped"](world)
    for flow in [flow for flow in world.switch.datapath.tables[1] if flow.cookie >> 32]:
        world.switch.datapath.tables[1].remove(flow)
    world.clock.after(5.0, FAULTS["controller starts"], world)


def _find_what_is_not_there(world: World) -> None:
    """Whether a home agent answers ARP or not."""
    discovery = world.controller.fleet.switches[1].adjacencies.discovery
    for neighbour in discovery._neighbours._by_address.values():
        neighbour.unanswered_probes = 0
    world.controller.balancer.failure_detection._has_decided = lambda *_: True  # type: ignore[method-assign]
    world.clock.after(0.5, _find_what_is_not_there, world)


def _deregister_elsewhere(world: World) -> None:
    decision, farm = world.controller.balancer.decision, world.controller.balancer.farms["HAFARM"]
    decision._deregister = lambda request, session, named, now: decision._dispatch(  # type: ignore[method-assign]
        next(real for real in farm.reals if session is None or real is not session.real), None
    )


def _fail_all(world: World) -> None:
    world.controller.balancer.farms["HAFARM"].serves_without = lambda real: True  # type: ignore[method-assign]


def _believe_in_old_places(world: World) -> None:
    world.controller.fleet._connections[1]._installation.upkeep.audit.tick = lambda _: None  # type: ignore[method-assign,assignment]
    world.controller.fleet.switches[1].rules.on_moved = lambda _: None  # type: ignore[method-assign,assignment]


def _delete_what_others_add(world: World) -> None:
    FAULTS["rules of others are added"](world)
    for switch, flow, _ in world.foreign_rules:
        for number, table in switch.datapath.tables_with_rules():
            if flow in table:
                world.clock.after(1.0, world.switch.datapath.tables[number].remove, flow)


def _retire_in_part(world: World) -> None:
    rule = next(flow for flow in world.switch.datapath.tables[1] if flow.cookie >> 32)
    FAULTS["controller is retired"](world)
    world.clock.after(5.0, world.switch.datapath.tables[1].put, rule)


#: Home agents fall silent, one after the other; few mobiles come then.
_FEW = replace(_ARRIVING, mobiles=4, pdsns=1, numconns=2, retry=0, idle=300)

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
    "a home agent that still replies is not failed": (_fail_while_it_answers, replace(_SMALL, retry=0), 70.0),
    "a silent home agent does not return": (_return_while_it_is_silent, replace(_ARRIVING, retry=0), 300.0),
    "a failed home agent is tested": (_never_test, _ARRIVING, 300.0),
    "a real server has the weight of its agent": (_weigh_wrongly, replace(_SMALL, dfp=True), 70.0),
    "a session leaves a home agent that cannot serve": (_let_sessions_stay, _REFRESHING, 300.0),
    "a request that a home agent can take is dispatched": (_let_sessions_go_nowhere, _REFRESHING, 300.0),
    "a mobile leaves a silent home agent": (partial(_move, moves=False), _REFRESHING, 300.0),
    "a mobile keeps its home agent": (partial(_move, moves=True), _REFRESHING, 120.0),
    "a session ends with its idle time": (partial(_change_idle_time, seconds=1), _ARRIVING, 200.0),
    "a session lives as long as its idle time": (partial(_change_idle_time, seconds=-3), _ARRIVING, 200.0),
    "a session rule lives as long as its session": (_forget_rules_early, _REFRESHING, 120.0),
    "a stop leaves the rules": (_stop_and_delete, _REFRESHING, 120.0),
    "no request goes to a home agent that answers no ARP": (_find_what_is_not_there, _REFRESHING, 200.0),
    "a request goes to where its home agent is": (_believe_in_old_places, _REFRESHING, 120.0),
    "rules of others stay": (_delete_what_others_add, _SMALL, 120.0),
    "a balancer that is retired leaves no rule": (_retire_in_part, _REFRESHING, 120.0),
    "a deregistration goes to its home agent": (
        _deregister_elsewhere,
        replace(_REFRESHING, virtual_deregistrations=True, stay=60.0),
        200.0,
    ),
    "the last home agent that serves is not failed": (_fail_all, _FEW, 1000.0),
    "the switch has the rules of sessions with rule_at": (_believe_in_rules, replace(_SMALL, idle=300), 120.0),
    "a session has its rule": (_lose_rules, replace(_SMALL, idle=300), 120.0),
}
_HANGS = [Fault(61.0, "home agent hangs", (0,))]
_DIES = [Fault(61.0, "home agent dies", (0,))]
#: Faults beside the sabotage.
_BESIDE: dict[str, list[Fault]] = {
    "no request goes to a home agent that answers no ARP": _DIES,
    "a request goes to where its home agent is": [Fault(61.0, "home agent gets another Ethernet address", (0,))],
    "the last home agent that serves is not failed": [*_HANGS, Fault(400.0, "home agent hangs", (1,))],
    "a silent home agent is failed": _HANGS,
    "a silent home agent does not return": _HANGS,
    "a mobile leaves a silent home agent": _HANGS,
    "a failed home agent is tested": _HANGS,
    "a session leaves a home agent that cannot serve": _HANGS,
    "a request that a home agent can take is dispatched": _DIES,
}


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


def test_a_switch_that_does_not_pass_on_what_others_dispatch_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart it may have no rule with the key of another one for a while: docs/flows.md, "pass dispatched"."""
    parameters = replace(_REFRESHING, switches=2)
    assert simulate(parameters, [], 60.0).violation is None
    monkeypatch.setattr(standing_rules, "_rules_for_our_switches", lambda *_: iter(()))
    violation = simulate(parameters, [], 60.0).violation
    assert violation is not None
    assert violation.rule == "each request is dispatched once"


def test_every_rule_has_a_test_that_breaks_it() -> None:
    modules = (
        invariants,
        failure_invariant,
        health_invariants,
        ownership_invariants,
        request_invariants,
        rule_invariant,
    )
    source = "".join(inspect.getsource(each) for each in modules)
    assert set(re.findall(r'ViolationError\("([^"]+)"', source)) == set(SABOTAGE)
