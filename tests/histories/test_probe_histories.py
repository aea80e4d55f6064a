"""Probes in simulated worlds: a home agent that hangs is failed at once, one that answers stays, also with loss."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from budget import seconds, some

from ryu_haslb.configuration.model import ProbeKind
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.probing import Probing
from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate
from simulation.world import World

#: A home agent hangs while its mobiles sleep: no request shows it.
HANG = [Fault(60.0, "home agent hangs", (0,)), Fault(200.0, "home agent returns", (0, False))]
KINDS = pytest.mark.parametrize("kind", ProbeKind)


def parameters(kind: ProbeKind, nat: bool = False, **others: Any) -> Parameters:
    shape = Parameters(seed=5, home_agents=3, mobiles=20, stay=60.0, probe=kind, nat=nat, probe_interval=1)
    return replace(shape, **others)


class Run:
    """A world that runs for as long as a test wants, without the invariants."""

    def __init__(self, parameters: Parameters, history: list[Fault]) -> None:
        self.world = World(parameters)
        self._start = self.world.clock.now
        self.world.start()
        for fault in history:
            self.world.clock.at(self._start + fault.at, fault.strike, self.world)

    def until(self, seconds: float) -> list[Health]:
        """The health of the home agents at a time."""
        self.world.clock.run_until(self._start + seconds)
        return [real.health for real in self.world.controller.balancer.farms["HAFARM"].reals]


@pytest.mark.parametrize(("kind", "nat", "switches"), some(product(ProbeKind, [False, True], [1, 2])))
def test_a_home_agent_that_hangs_is_failed_by_ipmobile_and_kept_by_ping(
    kind: ProbeKind, nat: bool, switches: int
) -> None:
    run = Run(parameters(kind, nat, switches=switches, numconns=255), HANG)
    assert set(run.until(59.0)) == {Health.OPERATIONAL}
    hung = Health.PROBE_FAILED if kind is ProbeKind.IPMOBILE else Health.OPERATIONAL
    # Within faildetect x interval after the first question in vain, and the time for its answer.
    assert run.until(64.0) == [hung, Health.OPERATIONAL, Health.OPERATIONAL]
    assert set(run.until(202.0)) == {Health.OPERATIONAL}
    assert simulate(parameters(kind, nat, switches=switches), HANG, seconds(300.0, least=230.0)).violation is None


@pytest.mark.parametrize(("kind", "loss"), some(product(ProbeKind, [0.03, 0.1])))
def test_loss_takes_out_no_home_agent_that_answers(kind: ProbeKind, loss: float) -> None:
    history = [Fault(30.0, "weather", (loss, 0.0, 0.0)), Fault(500.0, "weather", (0.0, 0.0, 0.0))]
    run = Run(parameters(kind, probe_faildetect=10), history)
    for second in range(31, int(seconds(500.0, least=200.0)), 5):
        assert Health.PROBE_FAILED not in run.until(float(second))


@KINDS
def test_members_of_a_cluster_share_what_probes_have_shown(kind: ProbeKind) -> None:
    history = [Fault(60.0, "home agent dies", (0,)), Fault(120.0, "controller is killed", (0,))]
    outcome = simulate(parameters(kind, is_cluster=True, controllers=3), history, 240.0)
    assert outcome.violation is None


def test_a_home_agent_that_denies_no_stranger_is_not_failed_by_ipmobile() -> None:
    outcome = simulate(parameters(ProbeKind.IPMOBILE, denies=False), [], 120.0)
    assert outcome.violation is None


def test_the_simulator_finds_a_balancer_that_believes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Probing, "awaited", lambda *_: None)
    outcome = simulate(parameters(ProbeKind.PING), [], 200.0)
    assert outcome.violation is not None
    assert outcome.violation.rule == "a home agent that answers its probe is seen to"
