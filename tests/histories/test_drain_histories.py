"""An operator drains a home agent under traffic: no new mobile goes there, and mobiles stay served."""

from __future__ import annotations

from itertools import product

import pytest
from budget import seconds, some

from ryu_haslb.slb.real import RealServer
from simulation.faults import Fault
from simulation.health_invariants import HealthInvariants
from simulation.parameters import Parameters
from simulation.simulation import simulate

DRAIN = "home agent is drained"
PARAMETERS = Parameters(seed=3, home_agents=3, mobiles=60, stay=40.0, lifetime=120, idle=30)


@pytest.mark.parametrize(("is_cluster", "how"), some(product([False, True], ["stay", "move"])))
def test_a_drained_home_agent_gets_no_new_mobile(how: str, is_cluster: bool) -> None:
    parameters = Parameters(**{**vars(PARAMETERS), "is_cluster": is_cluster, "controllers": 3 if is_cluster else 1})
    history = [Fault(60.0, DRAIN, (0, how)), Fault(300.0, "home agent hangs", (1,)), Fault(400.0, DRAIN, (0, None))]
    outcome = simulate(parameters, history, seconds(600.0, least=430.0))
    assert outcome.violation is None


def test_the_simulator_finds_a_balancer_that_gives_it_new_mobiles(monkeypatch: pytest.MonkeyPatch) -> None:
    def ignore_drain(real: RealServer, weight: object) -> None:
        real.weight = real.configuration.weight

    monkeypatch.setattr(RealServer, "set_dfp_weight", ignore_drain)
    monkeypatch.setattr(HealthInvariants, "_it_has_its_weight", lambda *_: None)  # it would find that as well, earlier
    outcome = simulate(PARAMETERS, [Fault(60.0, DRAIN, (0, "stay"))], 300.0)
    assert outcome.violation is not None
    assert outcome.violation.rule == "a drained home agent gets no new mobile"
