"""Phones that are not as most are: with one retransmission or five, and with other thresholds (RFC 5944, 3.6.3)."""

from __future__ import annotations

import pytest
from budget import some

from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate


@pytest.mark.parametrize("fault", ["home agent hangs", "home agent dies"])
@pytest.mark.parametrize(("retransmissions", "reassign", "idle"), some([(1, 3, 300), (1, 1, 60), (5, 3, 300)]))
def test_a_phone_of_few_or_many_retransmissions_leaves_a_home_agent_that_is_gone(
    retransmissions: int, reassign: int, idle: int, fault: str
) -> None:
    parameters = Parameters(
        seed=1, mobiles=40, retransmissions=retransmissions, reassign=reassign, idle=idle, lifetime=120
    )
    assert simulate(parameters, [Fault(100.0, fault, (0,))], 1000.0).violation is None
