"""Histories of DFP agents on the simulated system."""

from __future__ import annotations

import pytest
from budget import seconds, some
from played import world_after

from simulation.parameters import Parameters
from simulation.simulation import simulate


@pytest.mark.parametrize("timeout", some([3, 10, 60]))
def test_agents_that_report_exactly_each_keep_alive_time_stay_connected(timeout: int) -> None:
    """draft-eck-dfp-01 section 5.3: an agent may use all of the keep-alive time, as Cisco's own does."""
    parameters = Parameters(seed=1, mobiles=5, dfp=True, dfp_timeout=timeout, dfp_punctual=True)
    duration = seconds(600.0, least=200.0)
    outcome = simulate(parameters, [], duration)
    assert outcome.violation is None
    world = world_after(parameters, duration)
    assert [link.connection.counters.connections for link in world.controller.dfp.links] == [1, 1]


def test_a_crowd_is_served_beside_dfp_agents() -> None:
    """Each home agent has room for all mobiles, so no agent reports weight 0 because of them."""
    assert simulate(Parameters(seed=1, mobiles=1200, dfp=True), [], 220.0).violation is None
