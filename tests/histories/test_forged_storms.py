"""Attacks on the health of home agents, by requests and replies of subscribers (docs/security.md), on a virtual clock.

A home agent that answers is not failed by forged requests, and a silent one is failed although replies are forged.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from budget import seconds, some
from played import run, world_after

from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer
from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.world import World

#: Mobiles that register at the virtual address all the time: their lifetimes end while they are switched on and off.
BUSY = Parameters(seed=1, home_agents=2, mobiles=60, lifetime=60, idle=60, arrivals=100.0)
#: The port of the only PDSN.
PDSN = 3


def reals(world: World) -> list[RealServer]:
    return world.controller.balancer.farms["HAFARM"].reals


def health(real: RealServer) -> Health:
    return real.health


def renewals(world: World) -> None:
    """The mobiles lose their state one after the other, so that each home agent is asked by somebody every second."""
    for number in range(600):
        mobile = world.mobiles[number % len(world.mobiles)]
        world.clock.after(number * 0.5, mobile.reset)


@pytest.mark.parametrize(
    ("nat", "denies", "crowd"), some(product([False, True], [True, False], [(8, 2), (65, 1), (200, 200)])), ids=str
)
def test_home_agents_that_answer_are_not_failed_by_forged_storms(
    nat: bool, denies: bool, crowd: tuple[int, int]
) -> None:
    """Many made-up mobiles, behind one made-up client or many; home agents deny them, or discard them in silence."""
    world = world_after(replace(BUSY, nat=nat, denies=denies), 120.0)
    renewals(world)
    Fault(0.0, "forged storm", (PDSN, 120.0, crowd, 7)).strike(world)
    for _ in range(240):
        run(world, 0.5)
        assert [real.health for real in reals(world)] == [Health.OPERATIONAL] * 2
    assert world.controller.balancer.statistics.retries > 10 * crowd[0], "the storm was to look like retransmissions"
    assert all(real.doubt.replies_seen for real in reals(world))


@pytest.mark.parametrize(("nat", "tables"), some(product([False, True], [2, 3])))
def test_a_silent_home_agent_fails_beside_one_that_answers(nat: bool, tables: int) -> None:
    """Its mobiles retransmit in vain. So it is with a switch that can copy replies and with one that cannot.

    A home agent that was not seen answering within the last minute fails at most 1.5 s and a retransmission after the
    last vote; here a mobile asks twice a second.
    """
    world = world_after(replace(BUSY, nat=nat, tables=tables, retransmissions=4), 120.0)
    renewals(world)
    Fault(0.0, "home agent hangs", (0,)).strike(world)
    silent, other = reals(world)
    while silent.consecutive_failures < world.parameters.numconns:
        run(world, 0.1)
    run(world, 1.5 + 4.0)
    assert health(silent) is Health.FAILED
    assert health(other) is Health.OPERATIONAL
    Fault(0.0, "home agent returns", (0, True)).strike(world)
    run(world, 2 * world.parameters.retry)
    assert health(silent) is Health.OPERATIONAL


@pytest.mark.parametrize("nat", [False, True])
def test_forged_replies_keep_no_silent_home_agent_alive(nat: bool) -> None:
    """A subscriber writes them with the home agent's address, and cannot send them from the home agent's port."""
    world = world_after(replace(BUSY, nat=nat, retransmissions=4), 120.0)
    renewals(world)
    Fault(0.0, "home agent hangs", (0,)).strike(world)
    silent = reals(world)[0]
    for number in range(1200):
        Fault(0.0, "forged replies", (PDSN, 0, 2, number)).strike(world)
        run(world, 0.1)
        if health(silent) is Health.FAILED:
            break
    assert health(silent) is Health.FAILED
    assert silent.doubt.replies_seen == 0


def test_a_farm_under_a_forged_storm_serves_every_mobile() -> None:
    """Also where home agents discard forged requests in silence: what always holds holds, and nothing is left."""
    history = [Fault(60.0, "forged storm", (PDSN, 300.0, (65, 200), 7))]
    for denies in (True, False):
        outcome = simulate(replace(BUSY, denies=denies), history, seconds(600.0, least=400.0))
        assert outcome.violation is None
