"""Histories in which mobiles were not served: home agents that are silent, gone, or the last one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from budget import seconds, some

from ryu_haslb.slb.health import Health
from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.world import World


class Look(Fault):
    """A look at the world at a time of its history; nothing comes of it."""

    def strike(self, world: World) -> None:
        (check,) = self.arguments
        check(world)


def look(at: float, check: Callable[[World], None]) -> Look:
    return Look(at, "look", (check,))


def require_all_bound(world: World) -> None:
    assert all(mobile.is_bound for mobile in world.mobiles)


def health(world: World) -> list[Health]:
    return [real.health for real in world.controller.balancer.reals()]


@pytest.mark.parametrize(("pdsns", "idle", "retransmissions"), some(product([1, 3], [10, 300], [2, 3])))
def test_one_of_two_home_agents_is_silent_and_all_phones_are_served(
    pdsns: int, idle: int, retransmissions: int
) -> None:
    """It answers ARP and no request. Every phone gives up after few retries and begins anew 20 to 60 s later."""
    parameters = Parameters(seed=5, mobiles=100, pdsns=pdsns, idle=idle, retransmissions=retransmissions, retry=0)
    hang = Fault(1.0, "home agent hangs", (0,))

    def check(world: World) -> None:
        require_all_bound(world)
        assert health(world) == [Health.FAILED, Health.OPERATIONAL]
        _, good = world.controller.balancer.reals()
        assert good.connection_failures == 0, "no mobile was moved from the good one"
        assert all(len(agent.bindings) == 100 * number for number, agent in enumerate(world.home_agents))

    assert simulate(parameters, [hang, look(180.0, check)], seconds(1800.0, least=300.0)).violation is None


@pytest.mark.parametrize("idle", [10, 300])
def test_a_home_agent_falls_silent_while_phones_come_and_go(idle: int) -> None:
    parameters = Parameters(seed=9, mobiles=60, pdsns=2, idle=idle, lifetime=120, arrivals=300.0, retry=0)
    history = [Fault(400.0, "home agent hangs", (1,))]

    def check(world: World) -> None:
        require_all_bound(world)
        assert health(world) == [Health.OPERATIONAL, Health.FAILED]

    assert simulate(parameters, [*history, look(899.0, check)], seconds(1800.0, least=900.0)).violation is None


@pytest.mark.parametrize("how", ["home agent dies", "link"])
def test_phones_leave_a_home_agent_that_is_unreachable(how: str) -> None:
    """Its sessions live on (``idle`` 300) while phones lose their state and begin anew."""
    parameters = Parameters(seed=3, mobiles=20, idle=300)
    gone = Fault(60.0, how, (0,) if how == "home agent dies" else (1, False))
    resets = [Fault(80.0 + number, "power cycle", (number,)) for number in range(20)]

    def check(world: World) -> None:
        """They are served in the first attempt."""
        require_all_bound(world)
        assert len(world.home_agents[1].bindings) == 20

    history = [gone, *resets, look(120.0, check)]
    assert simulate(parameters, history, seconds(1200.0, least=300.0)).violation is None


def test_the_only_home_agent_hangs_and_returns() -> None:
    """It is demoted, not failed: the first mobile that tries is served."""
    parameters = Parameters(seed=4, home_agents=1, mobiles=60, lifetime=120, arrivals=300.0, retry=0)
    history = [Fault(200.0, "home agent hangs", (0,)), Fault(600.0, "home agent returns", (0, False))]

    def check(world: World) -> None:
        assert health(world) == [Health.DEMOTED]

    assert simulate(parameters, [*history, look(599.0, check)], seconds(1200.0, least=800.0)).violation is None


def test_home_agents_that_failed_for_ever_serve_when_the_other_dies() -> None:
    """``retry 0``, and the failed one has returned long ago."""
    parameters = Parameters(seed=6, mobiles=60, arrivals=300.0, lifetime=120, retry=0)
    history = [
        Fault(100.0, "home agent hangs", (0,)),
        Fault(500.0, "home agent returns", (0, False)),
        Fault(600.0, "home agent dies", (1,)),
    ]
    assert simulate(parameters, history, seconds(1800.0, least=900.0)).violation is None


def test_forged_requests_move_no_mobile_and_fail_no_home_agent() -> None:
    """Lifetime 0, another home agent, copies: from a port of a PDSN, while phones register."""
    parameters = Parameters(seed=8, mobiles=40, idle=60, arrivals=120.0, numconns=2, numclients=1, reassign=1)
    history = [
        Fault(10.0 + 0.5 * number, "forged requests", (3, number % 40, number % 3 % 2, 600 * (number % 2)))
        for number in range(400)
    ]

    def check(world: World) -> None:
        require_all_bound(world)
        assert world.controller.balancer.statistics.reassignments == 0
        assert [real.connection_failures for real in world.controller.balancer.reals()] == [0, 0]

    assert simulate(parameters, [*history, look(240.0, check)], seconds(600.0, least=250.0)).violation is None
