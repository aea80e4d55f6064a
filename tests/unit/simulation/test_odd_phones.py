"""Phones that are not as most are: other retransmissions and thresholds, nonces, other ports (RFC 5944, 3.6.3)."""

from __future__ import annotations

from itertools import product

import pytest
from budget import seconds, some

from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate


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
