"""Phones that are not as most are: other retransmissions and thresholds, nonces, other ports (RFC 5944, 3.6.3)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import inf

import pytest
from budget import seconds, some

from ryu_haslb.slb.drop_reason import DropReason
from simulation.faults import FAULTS, Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.world import World


@pytest.mark.parametrize(
    ("fault", "retransmissions", "reassign", "idle"),
    some(
        (fault, *phone)
        for phone, fault in product([(1, 3, 300), (1, 1, 60), (5, 3, 300)], ["home agent hangs", "home agent dies"])
    ),
)
def test_a_phone_of_few_or_many_retransmissions_leaves_a_home_agent_that_is_gone(
    fault: str, retransmissions: int, reassign: int, idle: int
) -> None:
    parameters = Parameters(
        seed=1, mobiles=40, retransmissions=retransmissions, reassign=reassign, idle=idle, lifetime=120
    )
    assert simulate(parameters, [Fault(100.0, fault, (0,))], seconds(1000.0, least=300.0)).violation is None


@pytest.mark.parametrize("retransmissions", [2, 5])
def test_phones_that_retransmit_unchanged_from_other_ports_leave_a_silent_home_agent(retransmissions: int) -> None:
    """Every second one uses nonces: within an attempt all its requests have one Identification."""
    parameters = Parameters(
        seed=2, mobiles=40, retransmissions=retransmissions, idle=60, nonces=True, changes_ports=True, virtual_servers=2
    )
    assert simulate(parameters, [Fault(1.0, "home agent hangs", (0,))], seconds(400.0, least=200.0)).violation is None


@pytest.mark.parametrize("tables", [2, 254])
def test_a_phone_that_registers_steadily_after_a_restart_stays_at_a_home_agent_that_answers_others(tables: int) -> None:
    """Each request looks like a retry (docs/states.md, "Retry"): it follows within 2.5 times the interval before.
    Its home agent answers others between two of them, some 10 seconds apart ("Before a real server fails", 5)."""
    parameters = Parameters(seed=3, mobiles=60, tables=tables, refresh=10.0, idle=60, lifetime=600)
    history = [Fault(60.0 + 7.0 * number, "power cycle", (number % 60,)) for number in range(60)]
    assert simulate(parameters, history, 600.0).violation is None


def test_mobiles_that_change_their_pdsn_stay_at_a_home_agent_that_answers() -> None:
    """Each move may look like a retry, and with ``reassign 1`` the next registration like one too many. Replies are
    looked for then (docs/states.md, "Before a real server fails", 5)."""
    parameters = Parameters(seed=1, pdsns=2, mobiles=60, idle=60, reassign=1, refresh=20.0, arrivals=20.0, stay=0.0)
    history = [Fault(40.0 + number, "move", (number, number % 2)) for number in range(45)]
    assert simulate(parameters, history, seconds=90.0).violation is None


def test_a_phone_that_pauses_for_long_leaves_a_silent_home_agent_one_request_later() -> None:
    """Nothing has looked for replies for a minute: there is no time for that (docs/states.md)."""
    parameters = Parameters(mobiles=4, retry=0, numconns=2, idle=300, lifetime=60, arrivals=300.0, stay=120.0)
    assert simulate(parameters, [Fault(60.0, "home agent hangs", (0,))], 400.0).violation is None


def test_mobiles_that_a_home_agent_does_not_know_stay_there_while_it_answers_others() -> None:
    parameters = Parameters(seed=1, mobiles=60, home_agents=3, reassign=2, refresh=15.0, idle=60, lifetime=600)
    history = [
        Fault(100.0, "home agent ignores mobiles", (0, 5)),
        Fault(300.0, "home agent ignores mobiles", (0, 0)),
    ]
    assert simulate(parameters, history, 500.0).violation is None


def test_a_deregistration_that_is_dropped_while_its_session_lives_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be dropped only where the session has ended (docs/states.md), so nothing else excuses a second binding."""

    def drop(world: World) -> None:
        decision = world.controller.balancer.decision
        reason = DropReason.DEREGISTRATION_WITHOUT_SESSION
        decision._deregister = lambda *_: decision._drop(reason)  # type: ignore[method-assign]

    monkeypatch.setitem(FAULTS, "deregistrations are dropped", drop)
    parameters = Parameters(
        mobiles=60, home_agents=3, refresh=15.0, idle=60, lifetime=600, stay=60.0, virtual_deregistrations=True
    )
    assert simulate(parameters, [], 500.0).violation is None
    violation = simulate(parameters, [Fault(60.0, "deregistrations are dropped")], 500.0).violation
    assert violation is not None
    assert violation.rule == "no mobile is bound twice"


def test_a_mobile_that_is_ignored_is_excused_by_no_home_agent_but_the_one_that_answers_others() -> None:
    """There its session stays (docs/states.md, "Before a real server fails")."""
    world = World(Parameters(mobiles=20))
    ignored = world.mobiles[0].nai
    agent, other = world.home_agents
    agent.ignore(frozenset([ignored]))
    assert not agent.holds(ignored, -inf)
    agent.discarded_at[ignored] = other.discarded_at[ignored] = 5.0
    assert not agent.holds(ignored, 0.0)
    agent.replied_at.append(6.0)
    world.clock.run_until(10.0)
    assert agent.holds(ignored, 0.0)
    assert not agent.holds(ignored, 5.5)
    assert not other.holds(ignored, 0.0)


def test_a_phone_that_comes_back_to_a_home_agent_that_awaits_a_test_is_that_test() -> None:
    """Its last attempt named that home agent, and was in vain; its next request goes there (docs/states.md, "Test")."""
    phones = Parameters(mobiles=8, refresh=20.0, idle=60, lifetime=600, retransmissions=3)
    parameters = replace(phones, reassign=1, numconns=2, numclients=1, retry=30)
    assert simulate(parameters, [Fault(100.0, "home agent hangs", (0,))], 300.0).violation is None


def test_a_phone_that_began_anew_at_once_takes_its_retries_into_its_next_attempt() -> None:
    """Where replies are not copied that was a retransmission, and its next attempt goes on with it (docs/states.md,
    "Abandoned attempts"): it leaves a silent home agent one request sooner. Found with seed 3002."""
    phones = Parameters(seed=2, mobiles=60, arrivals=15.0, refresh=20.0, idle=60, lifetime=600, retransmissions=3)
    parameters = replace(phones, reassign=3, flow_mod_rate=200.0, pdsns=2)
    history = [Fault(20.25, "power cycle", (33,)), Fault(40.0, "home agent hangs", (0,))]
    assert simulate(parameters, history, 60.0).violation is None


def test_a_phone_that_leaves_the_last_home_agent_so_soon_may_be_sent_to_one_that_has_failed() -> None:
    """The last resort, where replies are not copied (docs/states.md). Found with seed 3000059."""
    phones = Parameters(seed=1, mobiles=150, arrivals=30.0, refresh=20.0, idle=60, lifetime=600)
    parameters = replace(phones, home_agents=2, weights=(1, 1), reassign=2, numclients=1, retry=0, flow_mod_rate=1000.0)
    history = [
        Fault(60.0, "home agent hangs", (0,)),
        *(Fault(200.0 + number / 10, "power cycle", (number,)) for number in range(150)),
        Fault(216.0, "link loses one direction", (1, True, False)),
    ]
    assert simulate(parameters, history, 230.0).violation is None
