"""Histories in larger worlds: two switches under one balancer, and strangers at the OpenFlow port."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from budget import seconds, some
from played import CONTROLLER_CRASHES, world_after

from ryu_haslb.configuration.model import RealServer
from simulation.faults import Fault
from simulation.parameters import FIRST_TRUNK, Parameters
from simulation.simulation import simulate

TWO_SWITCHES = Parameters(seed=3, switches=2, home_agents=4, pdsns=2, mobiles=40, lifetime=60, idle=60, stay=60.0)


@pytest.mark.parametrize("nat", [False, True])
def test_mobiles_behind_either_switch_share_home_agents_at_both(nat: bool) -> None:
    world = world_after(Parameters(seed=3, switches=2, home_agents=4, pdsns=2, mobiles=96, nat=nat, idle=300), 60.0)
    assert [len(agent.bindings) for agent in world.home_agents] == [24, 24, 24, 24]
    assert all(len(switch.datapath.tables[0]) > 5 for switch in world.switches)
    assert world.counts.dispatched == world.counts.requests


@pytest.mark.parametrize(
    "history",
    some(
        [
            [],
            [Fault(100.0, "link", (FIRST_TRUNK, False)), Fault(300.0, "link", (FIRST_TRUNK, True))],
            [Fault(100.0, "home agent hangs", (1,))],
            [Fault(100.0, "home agent dies", (2,))],
            [Fault(100.0, "switch restarts", (1,))],
            [Fault(100.0, "control connection breaks", (0, 1)), Fault(300.0, "control connection mends", (0, 1))],
            CONTROLLER_CRASHES,
            [Fault(100.0 + number, "move", (number, number % 2)) for number in range(40)],
        ]
    ),
    ids=lambda history: history[0].kind if history else "nothing",
)
def test_mobiles_behind_either_switch_are_served(history: list[Fault]) -> None:
    assert simulate(TWO_SWITCHES, history, seconds(500.0, least=320.0)).violation is None


@pytest.mark.parametrize(
    ("datapath_id", "names_datapaths", "seed"), some(product([1, 0x99, 0x1000000000001], [False, True], [1, 2]))
)
def test_strangers_at_the_openflow_port_keep_no_mobile_from_being_served(
    datapath_id: int, names_datapaths: bool, seed: int
) -> None:
    """They claim the id of a switch or another one, and send made-up messages and bad framing."""
    parameters = Parameters(seed=7, mobiles=20, lifetime=60, idle=60, stay=60.0, names_datapaths=names_datapaths)
    history = [
        Fault(50.0 + 40.0 * number, "stranger at the OpenFlow port", (0, datapath_id, 100, seed + 2 * number))
        for number in range(4)
    ]
    assert simulate(parameters, history, seconds(400.0, least=230.0)).violation is None


#: New mobiles keep coming, and none leaves: one that leaves while it registers looks as if it had been answered.
ARRIVING = Parameters(seed=5, mobiles=240, pdsns=2, lifetime=60, idle=60, arrivals=280.0)


@pytest.mark.parametrize(("at", "tables"), some(product([1.0, 60.0], [2, 3])))
def test_a_silent_home_agent_is_failed(at: float, tables: int) -> None:
    """With three tables the switch copies replies to the balancer; with two the requests alone decide."""
    parameters = replace(ARRIVING, tables=tables)
    assert simulate(parameters, [Fault(at, "home agent hangs", (0,))], 300.0).violation is None


@pytest.mark.parametrize(("at", "tables"), some(product([1.0, 60.0], [2, 3])))
def test_a_balancer_that_fails_no_silent_home_agent_is_found(
    at: float, tables: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The invariant can fail: mobiles that other home agents serve in the end do not hide the silent one."""
    without = property(lambda _: False, lambda *_: None)
    monkeypatch.setattr(RealServer, "faildetect_inband", without)
    outcome = simulate(replace(ARRIVING, tables=tables), [Fault(at, "home agent hangs", (0,))], 300.0)
    assert outcome.violation is not None
    assert outcome.violation.rule == "a silent home agent is failed"


def test_a_deregistration_to_a_home_agent_without_a_link_leaves_its_binding() -> None:
    """The switch has forgotten the home agent's port, and floods what is sent to it (RFC 5944, section 3.8)."""
    history = [Fault(60.0, "link", (1, False))]
    history += [Fault(400.0 + number, "power off", (number,)) for number in range(10)]
    history += [Fault(420.0 + number, "power on", (number,)) for number in range(10)]
    assert simulate(Parameters(seed=1, mobiles=10, arrivals=5.0), history, 450.0).violation is None


def test_mobiles_leave_a_home_agent_whose_link_is_down_between_two_looks() -> None:
    """The looks of :mod:`simulation.real_watch` see the same before and behind it; the session need not stay."""
    parameters = Parameters(seed=3, mobiles=200, arrivals=20.0, refresh=15.0, idle=60, lifetime=600)
    history = [Fault(40.1, "link", (1, False)), Fault(40.6, "link", (1, True))]
    assert simulate(parameters, history, 60.0).violation is None
