"""Histories of a cluster: what its members share, in a database that fails or is made anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from budget import some
from played import run, world_after
from played_cluster import CLUSTER

from ryu_haslb.configuration.model import Drain
from simulation.faults import Fault
from simulation.ovsdb_server import Operation, Request
from simulation.simulation import simulate


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
