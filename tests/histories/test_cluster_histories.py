"""Histories of a cluster whose members, database and switches fail: it goes on, and each request is dispatched once."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from budget import some
from played_cluster import CLUSTER, EVERY_SERVER, Step, history

from ryu_haslb.configuration.model import ProbeKind
from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate

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


def test_an_upgrade_of_each_member_in_turn_loses_no_session() -> None:
    steps = [Fault(60.0 + 20.0 * number, "controller is stopped", (number,)) for number in range(3)]
    steps += [Fault(66.0 + 20.0 * number, "controller starts", (number,)) for number in range(3)]
    parameters = replace(CLUSTER, controllers=3, mobiles=120, idle=300, lifetime=600)
    assert simulate(parameters, sorted(steps), 150.0).violation is None


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
