"""Histories of a cluster: what becomes of sessions and bindings when another member takes over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from played import run, world_after
from played_cluster import CLUSTER, Step

from ryu_haslb.configuration.model import ProbeKind
from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.world import World


def test_a_member_that_takes_over_has_every_session_at_once() -> None:
    world = world_after(replace(CLUSTER, idle=300, arrivals=30.0), 60.0)
    before = {session.tag: session.real.packed_address for session in world.controller.balancer.sessions}
    ended = world.controller
    ended.kill()
    run(world, 1.5)
    successor = world.controller
    assert successor is not ended
    assert {session.tag: session.real.packed_address for session in successor.balancer.sessions} == before
    assert len(before) == 40


def test_a_mobile_whose_session_ended_while_no_member_led_may_get_another_home_agent() -> None:
    """It refreshes its binding in vain for longer than its session lives, and begins anew: it is bound twice then."""
    crowd = replace(CLUSTER, switches=1, arrivals=30.0, refresh=15.0, idle=30, lifetime=1800)
    history = [
        Fault(at, kind, (number,))
        for at, kind in ((100.0, "controller is killed"), (160.0, "controller starts"))
        for number in range(2)
    ]
    assert simulate(crowd, history, 200.0).violation is None


def test_a_mobile_that_is_answered_too_late_may_get_another_home_agent_when_its_session_has_ended() -> None:
    """The leader hangs for longer than an attempt lasts, so the mobile does not know that a home agent has bound it."""
    parameters = Parameters(seed=4, controllers=1, is_cluster=True, mobiles=20, arrivals=30.0, idle=30, lifetime=1800)
    steps = [
        Fault(12.0, "member hangs", (0,)),
        Fault(19.424, "member wakes", (0, True)),
        Fault(22.424, "controller is killed", (0,)),
        Fault(70.0, "controller starts", (0,)),
    ]
    assert simulate(parameters, steps, 130.0).violation is None


def test_a_mobile_that_retransmits_after_a_takeover_may_have_lost_a_session_for_whose_rule_there_was_no_room() -> None:
    """The reply to its first request came too late, and the next one meets another leader (docs/cluster.md)."""
    parameters = replace(
        CLUSTER,
        seed=1055302238,
        home_agents=4,
        controllers=3,
        weights=(2, 4, 4, 4),
        pdsns=3,
        mobiles=400,
        arrivals=30.0,
        lifetime=600,
        refresh=20.0,
        reassign=2,
        numconns=4,
        numclients=2,
        leastconns=True,
        max_rules=50,
    )
    steps = [
        Fault(20.121, "control connection stalls", (0, 1)),
        Fault(22.768, "member hangs", (0,)),
        Fault(24.565, "control connection mends", (0, 1)),
    ]
    assert simulate(parameters, steps, 35.0).violation is None


def test_a_mobile_that_moves_after_a_takeover_may_have_lost_a_session_for_whose_rule_there_was_no_room() -> None:
    """Another member knows sessions by their rules alone (docs/cluster.md)."""
    parameters = replace(
        CLUSTER, switches=1, arrivals=20.0, idle=300, lifetime=600, refresh=60.0, pdsns=2, max_rules=20
    )
    moves = [Fault(31.0 + number / 9, "move", (number, 1)) for number in range(40)]
    assert simulate(parameters, [Fault(30.0, "controller is killed", (0,)), *moves], 40.0).violation is None


@pytest.mark.parametrize("hangs", [False, True])
def test_members_that_are_restarted_know_no_session_of_a_switch_with_one_table(hangs: bool) -> None:
    """docs/switches.md. A home agent that hangs then has had requests in vain that came while no member led."""
    parameters = replace(
        CLUSTER, seed=1, home_agents=3, switches=1, tables=1, mobiles=60, arrivals=20.0, refresh=15.0, lifetime=600
    )
    steps = [
        Fault(at, kind, (number,))
        for at, kind in ((40.0, "controller is killed"), (46.0, "controller starts"))
        for number in range(2)
    ]
    if hangs:
        steps.append(Fault(56.0, "home agent hangs", (1,)))
    assert simulate(replace(parameters, numconns=30), steps, 115.0).violation is None


def test_a_session_whose_rule_was_under_way_when_the_leader_was_cut_off_is_lost_with_the_next_request() -> None:
    """Found with seed 31368 of 300 s; docs/cluster.md, "What is promised, and what is not". Its mobile stays bound
    where it is, for 20 s here, and comes to another home agent then."""
    parameters = Parameters(
        seed=372617590,
        home_agents=4,
        weights=(8, 4, 4, 1),
        controllers=2,
        is_cluster=True,
        mobiles=800,
        nat=True,
        leastconns=True,
        idle=60,
        arrivals=30.0,
        stay=300.0,
        refresh=20.0,
        lifetime=600,
        stats_delay=0.1,
        bundles=False,
        flood=False,
        dfp=True,
        dfp_punctual=False,
        probe=ProbeKind.PING,
    )
    assert simulate(parameters, [Fault(7.715, "control connection stalls", (0, 0))], 35.0).violation is None


def test_the_session_of_a_contested_rule_does_not_come_back_when_the_other_has_ended() -> None:
    """Found with seed 30078 of 300 s: mobiles move while the leader does not reach the switch that has their rules."""
    parameters = replace(CLUSTER, seed=1, mobiles=20, pdsns=2, refresh=15.0, lifetime=600, arrivals=10.0)
    faults = [
        Fault(20.0, "controller is killed", (0,)),
        Fault(21.0, "control connection breaks", (0, 1)),
        Fault(22.0, "controller starts", (0,)),
        Fault(50.0, "controller is killed", (1,)),
        *(Fault(55.0 + number / 10, "move", (number, 0)) for number in range(20)),
    ]
    assert simulate(parameters, faults, 80.0).violation is None


@pytest.mark.parametrize(
    ("gone", "back"),
    [(("home agent dies", (0,)), ("home agent returns", (0, False))), (("link", (1, False)), ("link", (1, True)))],
    ids=["dies", "link"],
)
def test_a_new_leader_knows_which_home_agents_were_lost_and_the_sessions_that_they_have(gone: Step, back: Step) -> None:
    """Their mobiles move with their next request; those that send none are still there when the home agent is back."""
    world = world_after(replace(CLUSTER, idle=300, lifetime=600, arrivals=30.0), 60.0)
    before = {session.tag: session.real.packed_address for session in world.controller.balancer.sessions}
    lost = world.home_agents[0]
    Fault(0.0, *gone).strike(world)
    run(world, 10.0)
    ended = world.controller
    ended.kill()
    run(world, 3.0)
    successor = world.controller
    assert successor is not ended
    (real,) = (each for each in successor.balancer.reals() if each.packed_address == lost.address)
    assert (real.reachable_from, real.sessions) == (set(), list(before.values()).count(lost.address))
    Fault(0.0, *back).strike(world)
    run(world, 5.0)
    assert real.reachable_from
    assert {each.tag: each.real.packed_address for each in successor.balancer.sessions} == before


def test_a_session_whose_requests_are_dropped_keeps_its_rule_for_as_long_as_it_lives() -> None:
    """No home agent can serve for longer than the idle time. Without its rule a takeover would lose the session."""
    world = World(replace(CLUSTER, idle=70))
    world.start()
    run(world, 50.0)
    for number, _ in enumerate(world.home_agents, 1):
        Fault(0.0, "link", (number, False)).strike(world)
    for mobile in world.mobiles:
        mobile.reset()
    run(world, 130.0)
    ended = world.controller
    before = {session.tag: session.real.packed_address for session in ended.balancer.sessions}
    assert before
    ended.kill()
    run(world, 3.0)
    assert world.controller is not ended
    after = {session.tag: session.real.packed_address for session in world.controller.balancer.sessions}
    assert {tag: after.get(tag) for tag in before} == before


def test_a_deregistration_says_nothing_of_when_the_rule_of_a_recovered_session_runs_out() -> None:
    """The leader is killed, and leads again. This switch does not say that rules have timed out."""
    parameters = Parameters(
        seed=372617590,
        home_agents=4,
        names_datapaths=True,
        controllers=2,
        is_cluster=True,
        weights=(8, 4, 4, 1),
        mobiles=800,
        nat=True,
        idle=60,
        numclients=1,
        retry=0,
        leastconns=True,
        lifetime=600,
        stay=300.0,
        refresh=20.0,
        dfp=True,
        stats_delay=0.1,
        bundles=False,
        flood=False,
        habits=(("flow_removed", False),),
        virtual_deregistrations=True,
        probe=ProbeKind.PING,
        probe_interval=10,
        probe_faildetect=5,
    )
    history = [
        Fault(7.715, "member is cut from the database", (0, (0, 1, 2))),
        Fault(200.99, "controller is killed", (1,)),
        Fault(204.102, "controller starts", (1,)),
    ]
    outcome = simulate(parameters, history, seconds=255.0)
    assert outcome.violation is None, outcome.violation
