"""Histories of a cluster: which member leads, and that a former leader does no harm."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from played import run, world_after
from played_cluster import CLUSTER, EVERY_SERVER, leaders

from ryu_haslb.cluster.reach import SURPASSED_TIMEOUT
from simulation.faults import Fault
from simulation.openflow import ROLE_MASTER
from simulation.simulation import simulate
from simulation.strangers import Stranger
from simulation.world import World


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


def test_a_database_that_is_made_anew_while_the_leader_hangs_gives_no_generation_away_a_second_time() -> None:
    """The member that hands over knows the next leader's generation from the database alone, which loses it."""
    steps = [
        Fault(60.0, "member hands over", (0,)),
        Fault(80.0, "database is made anew"),
        Fault(80.0, "member hangs", (1,)),
        Fault(90.0, "member wakes", (1, True)),
    ]
    assert simulate(CLUSTER, steps, 110.0).violation is None


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
