"""Histories of a cluster whose members, database and switches fail: who leads, and that nothing is lost by it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest
from budget import some
from played import run, world_after

from ryu_haslb.cluster.reach import SURPASSED_TIMEOUT
from ryu_haslb.configuration.model import Drain, ProbeKind
from simulation.faults import Fault
from simulation.openflow import ROLE_MASTER
from simulation.ovsdb_server import Operation, Request
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.strangers import Stranger
from simulation.world import World

CLUSTER = Parameters(
    seed=5, mobiles=40, controllers=2, is_cluster=True, switches=2, idle=60, lifetime=60, arrivals=150.0
)
#: A fault without its time.
Step = tuple[str, tuple[Any, ...]]
EVERY_SERVER = (0, 1, 2)
_BACK = "home agent returns"

HISTORIES: dict[str, list[Step]] = {
    "the leader is killed": [("controller is killed", (0,)), ("controller starts", (0,))],
    "the leader is stopped": [("controller is stopped", (0,)), ("controller starts", (0,))],
    "the leader hangs for long": [("member hangs", (0,)), ("member wakes", (0, True))],
    "the leader hands over": [("member hands over", (0,))],
    "the leader loses the database": [
        ("member is cut from the database", (0, EVERY_SERVER)),
        ("member reaches the database", (0,)),
    ],
    "the leader loses one of two switches": [
        ("control connection stalls", (0, 0)),
        ("control connection mends", (0, 0)),
    ],
    "the Raft leader fails": [("Raft leader fails", ()), ("database server returns", (0,))],
    "the Raft leader is cut off with the leader": [
        ("database servers are parted", ((0, 1, 1),)),
        ("database servers are parted", ((0, 0, 0),)),
    ],
    "the database is gone": [
        ("database servers are parted", ((0, 1, 2),)),
        ("database servers are parted", ((0, 0, 0),)),
    ],
    "the database is made anew": [("database is made anew", ())],
    "a switch restarts": [("switch restarts", (0,))],
}


def history(*steps: Step, at: float = 80.0, pause: float = 30.0) -> list[Fault]:
    return [Fault(at + number * pause, kind, arguments) for number, (kind, arguments) in enumerate(steps)]


def leaders(world: World) -> list[str]:
    return [each.name for each in world.members if each.is_running and each.member.is_leading]


@pytest.mark.parametrize("what", some(HISTORIES))
def test_a_cluster_goes_on_whatever_fails(what: str) -> None:
    outcome = simulate(CLUSTER, history(*HISTORIES[what]), 160.0)
    assert outcome.violation is None
    assert outcome.requests >= 40


@pytest.mark.parametrize(("pause", "timers_first"), some(product([0.2, 1.5, 2.1, 3.0], [False, True])))
def test_a_leader_that_hung_does_no_harm_when_it_wakes(pause: float, timers_first: bool) -> None:
    """It goes on with its old beliefs and all its input, before or after another member has taken over."""
    steps = history(("member hangs", (0,)), ("member wakes", (0, timers_first)), pause=pause)
    assert simulate(replace(CLUSTER, arrivals=100.0), steps, 120.0).violation is None


@pytest.mark.parametrize("reconnects", [True, False], ids=["connects_again", "stays_connected"])
def test_a_leader_that_is_cut_off_does_no_harm_where_a_switch_does_not_say_its_generation(reconnects: bool) -> None:
    """It has its generation rejected, and does not take the switch for one that rejects every generation."""
    numbers = range(CLUSTER.switches) if reconnects else ()
    steps = [
        Fault(80.0, "member is cut from the database", (0, EVERY_SERVER)),
        *(Fault(80.0, "control connection breaks", (0, number)) for number in numbers),
        *(Fault(90.0, "control connection mends", (0, number)) for number in numbers),
        Fault(110.0, "member reaches the database", (0,)),
    ]
    parameters = replace(CLUSTER, habits=(("repeats_generation", True),))
    assert simulate(parameters, steps, 150.0).violation is None


def test_an_upgrade_of_each_member_in_turn_loses_no_session() -> None:
    steps = [Fault(60.0 + 20.0 * number, "controller is stopped", (number,)) for number in range(3)]
    steps += [Fault(66.0 + 20.0 * number, "controller starts", (number,)) for number in range(3)]
    parameters = replace(CLUSTER, controllers=3, mobiles=120, idle=300, lifetime=600)
    assert simulate(parameters, sorted(steps), 150.0).violation is None


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


def test_a_leader_whose_commits_get_no_reply_leads_all_the_same() -> None:
    """The commits succeed, and the connection breaks before each reply."""
    steps = [Fault(80.0, "replies to commits are lost", (30.0,)), Fault(80.1, "controller is killed", (0,))]
    world = World(CLUSTER)
    world.start()
    for fault in steps:
        world.clock.at(world.clock.now + fault.at, fault.strike, world)
    run(world, 86.0)
    assert leaders(world) == ["balancer2"]


def test_a_leader_does_not_stand_by_before_its_own_generation() -> None:
    """Its newer claim is committed, and the connection breaks before the reply; no other member waits for the lock."""
    world = world_after(replace(CLUSTER, controllers=1), 30.0)
    changes: list[bool] = []
    member = world.members[0].member
    on_change = member.on_change

    def record() -> None:
        changes.append(member.is_leading)
        on_change()

    member.on_change = record
    Fault(0.0, "replies to commits are lost", (5.0,)).strike(world)
    member.election.on_generation_at_switch(40, True)
    run(world, 10.0)
    assert changes
    assert all(changes)
    assert leaders(world) == ["balancer1"]
    assert world.switch.generation == 41


def without_memory(is_cut_off: bool) -> list[Fault]:
    """The database and both switches lose their memory, and a member is started again, while the leader hangs."""
    return [
        Fault(60.0, "member hangs", (0,)),
        Fault(60.0, "controller is killed", (1,)),
        Fault(60.5, "database is made anew"),
        *(Fault(61.0, "switch restarts", (number,)) for number in range(2)),
        Fault(61.5, "controller starts", (1,)),
        *([Fault(69.0, "member is cut from the database", (0, EVERY_SERVER))] if is_cut_off else []),
        Fault(70.0, "member wakes", (0, False)),
    ]


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_a_member_that_was_restarted_gives_no_generation_away_again(is_cut_off: bool) -> None:
    """``haslb cluster create`` gives each database a first generation that is newer than all before."""
    assert simulate(CLUSTER, without_memory(is_cut_off), 110.0).violation is None


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_two_leaders_of_one_generation_do_not_take_turns(is_cut_off: bool) -> None:
    """The database was not made by ``haslb cluster create``: the successor has the generation of the leader before."""
    world = World(CLUSTER)
    world.database.generations_apart = 0
    world.start()
    for fault in without_memory(is_cut_off):
        world.clock.at(world.clock.now + fault.at, fault.strike, world)
    run(world, 69.5)
    assert [each.member.election.generation for each in world.members] == [1, 1]
    run(world, 6.0)
    assert leaders(world) == ["balancer2"]
    assert [each.controller for each in world.switch.connections if each.role == ROLE_MASTER] == ["balancer2"]


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


def test_a_database_that_is_made_anew_while_the_leader_hangs_gives_no_generation_away_a_second_time() -> None:
    """The member that hands over knows the next leader's generation from the database alone, which loses it."""
    steps = [
        Fault(60.0, "member hands over", (0,)),
        Fault(80.0, "database is made anew"),
        Fault(80.0, "member hangs", (1,)),
        Fault(90.0, "member wakes", (1, True)),
    ]
    assert simulate(CLUSTER, steps, 110.0).violation is None


@pytest.mark.parametrize(
    "steps",
    some(
        [
            [],
            [Fault(59.9, "replies to commits are lost", (10.0,))],
            [Fault(59.9, "database servers are parted", ((0, 1, 1),))],
            [Fault(60.001, "controller is killed", (0,))],
            [Fault(70.0, "controller is killed", (number,)) for number in range(2)]
            + [Fault(80.0, "controller starts", (number,)) for number in range(2)],
        ]
    ),
    ids=some(["alone", "reply lost", "with the Raft leader cut off", "leader killed", "all restarted"]),
)
def test_a_configuration_is_changed_for_all_members_or_for_none(steps: list[Fault]) -> None:
    """Members that start again have their old file, and apply what the database has."""
    change = Fault(60.0, "configuration", ((1, 4), frozenset({0})))
    assert simulate(CLUSTER, sorted([change, *steps]), 100.0).violation is None


def test_a_member_whose_row_is_deleted_under_an_update_makes_it_anew() -> None:
    """An update of a row that is gone changes nothing (RFC 7047 section 5.2.3)."""
    world = world_after(CLUSTER, 10.0)
    database, replies = world.database, []
    assert database.leader is not None
    session = database.connect("another client", database.leader, lambda *_: None)
    members = database.committed["Member"]
    (deleted,) = [number for number, row in members.items() if row["name"] == "balancer2"]
    for columns in (None, {"beat": 99}):
        operations = [Operation("Member", deleted, columns)]
        database.transact(session, Request(None, [], operations, lambda *reply: replies.append(reply)))
    run(world, 0.1)
    assert replies == [("success", ""), ("success", "")]
    assert deleted not in members
    run(world, 6.0)
    assert sorted(row["name"] for row in members.values()) == ["balancer1", "balancer2"]


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


def test_a_request_crosses_a_switch_that_rejects_the_first_rules_of_a_new_leader() -> None:
    """docs/flows.md, "pass dispatched": without bundles it balances again what the other switch has dispatched. The
    new leader learns then that it has no port FLOOD."""
    parameters = replace(CLUSTER, seed=1, mobiles=400, pdsns=2, refresh=15.0, lifetime=1800, arrivals=20.0)
    parameters = replace(parameters, bundles=False, flood=False, tables=1, normal="ignored", make="CPqD Research")
    parameters = replace(parameters, flow_mod_rate=200.0)
    assert simulate(parameters, [Fault(40.0, "controller is killed", (0,))], 50.0).violation is None


def test_a_request_crosses_a_switch_that_still_has_the_rules_of_the_run_before() -> None:
    """Found with seed 30438 of 300 s; docs/flows.md, "pass dispatched". The other switch has lost rules and key, so the
    new leader dispatches there with a key of its own, and this one takes 0.2 s for its new rules."""
    parameters = Parameters(
        seed=488461740,
        home_agents=4,
        switches=2,
        controllers=2,
        is_cluster=True,
        mobiles=400,
        leastconns=True,
        retransmissions=3,
        flow_mod_rate=300.0,
        stats_delay=0.1,
        probe=ProbeKind.PING,
    )
    kills = [Fault(12.572, "controller is killed", (number,)) for number in range(2)]
    starts = [Fault(13.572, "switch restarts", (0,)), Fault(32.572, "controller starts", (0,))]
    assert simulate(parameters, kills + starts, 35.0).violation is None


def test_sessions_leave_home_agents_behind_a_switch_that_restarts_where_the_leader_does_not_reach_it() -> None:
    """Found with seed 30132 of 300 s: it has no rules until another member leads; home agents answer no probe."""
    parameters = replace(CLUSTER, seed=2, home_agents=4, mobiles=60, pdsns=2, refresh=15.0, lifetime=600, arrivals=20.0)
    parameters = replace(parameters, probe=ProbeKind.IPMOBILE, probe_interval=2)
    faults = [Fault(50.0, "control connection breaks", (0, 0)), Fault(51.0, "switch restarts", (0,))]
    assert simulate(parameters, faults, 65.0).violation is None


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


def test_made_up_switches_do_not_take_the_leader_from_a_switch_that_the_standby_does_not_reach() -> None:
    """docs/security.md. The standby reaches one of two switches, and a stranger brings it three more."""
    world = world_after(CLUSTER, 60.0)
    assert leaders(world) == ["balancer1"]
    Fault(0.0, "control connection stalls", (1, 0)).strike(world)
    for datapath_id in (100, 101, 102):
        connection = world.members[1].accept_stranger(is_polite=True)
        Stranger(world.clock, Random(1), connection, datapath_id).connect()
    run(world, 2 * SURPASSED_TIMEOUT)
    switches = world.members[1].fleet.switches
    assert {key for key, each in switches.items() if each.answers(world.clock.now)} == {2, 100, 101, 102}
    assert leaders(world) == ["balancer1"]
    assert [each.switches for each in world.members[0].member.members.all()] == [2, 1]


def test_no_member_leads_before_it_can_commit_that_it_does() -> None:
    steps = [Fault(80.0, "controller is killed", (0,)), Fault(80.0, "commits fail", (15.0,))]
    assert simulate(CLUSTER, steps, 110.0).violation is None


def test_a_leader_may_hand_over_between_two_losses_of_the_database() -> None:
    """Found by seed 21 of 160 s: the world is looked at every five seconds, and the database was back in between."""
    steps = [
        Fault(79.6, "Raft leader fails"),
        Fault(84.5, "member hands over", (0,)),
        Fault(84.95, "database servers are parted", ((0, 1, 2),)),
    ]
    assert simulate(CLUSTER, steps, 95.0).violation is None


def test_a_leader_goes_by_the_weight_of_an_agent_that_ended_before_it_led() -> None:
    """For a minute: what agents have reported to the one before lasts until they have connected (docs/cluster.md)."""
    steps = [
        *(Fault(60.0, "controller is killed", (number,)) for number in range(2)),
        Fault(62.0, "DFP agent", (1, False)),
        *(Fault(65.0, "controller starts", (number,)) for number in range(2)),
    ]
    parameters = replace(CLUSTER, dfp=True, arrivals=30.0, lifetime=600, idle=300)
    assert simulate(parameters, steps, 150.0).violation is None


def test_members_have_no_other_configuration_than_a_new_database_once_it_takes_one() -> None:
    """Until then it has none, and each member keeps what it has."""
    steps = [Fault(60.0, "commits fail", (20.0,)), Fault(60.0, "database is made anew", ())]
    assert simulate(CLUSTER, steps, 120.0).violation is None


@pytest.mark.parametrize("number", [0, 1], ids=["at the leader", "at the standby"])
def test_a_world_has_the_parameters_that_its_leader_has_applied(number: int) -> None:
    """Those by which its invariants judge, and which an operator's next change changes."""
    world = world_after(CLUSTER, 60.0)
    drained = replace(CLUSTER, drained=((1, Drain.MOVE),))
    world.members[number].shared.commit(world.texts.text_of(drained))
    run(world, 1.0)
    assert world.controller is world.members[0]
    assert world.parameters == drained
    assert world.controller.configuration == drained.configuration()


@pytest.mark.parametrize("kind", ["home agent dies", "link"])
def test_a_new_leader_knows_which_home_agents_were_lost_and_the_sessions_that_they_have(kind: str) -> None:
    """Their mobiles move with their next request; those that send none are still there when the home agent is back."""
    world = world_after(replace(CLUSTER, idle=300, lifetime=600, arrivals=30.0), 60.0)
    before = {session.tag: session.real.packed_address for session in world.controller.balancer.sessions}
    lost = world.home_agents[0]
    gone, back = [("link", (1, False)), ("link", (1, True))] if kind == "link" else [(kind, (0,)), (_BACK, (0, False))]
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
