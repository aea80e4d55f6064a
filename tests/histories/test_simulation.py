"""The simulator itself: one seed is one run, faults are found, histories are shortened."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

import pytest
from budget import seconds
from played import world_after

from ryu_haslb import build
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import Request, Verdict
from simulation.faults import FAULTS, Fault
from simulation.parameters import Parameters
from simulation.shrink import shrink
from simulation.simulation import random_run, simulate
from simulation.world import World

_TRACE = """
import hashlib, sys
from ryu_haslb import build
from ryu_haslb.configuration.model import ProbeKind
from simulation.parameters import Parameters
from simulation.simulation import random_run, simulate
from simulation.switch import SimulatedSwitch
seconds = float(sys.argv[1])
digest = hashlib.sha256()
receive = SimulatedSwitch.receive
def record(switch, port, frame):
    digest.update(repr((switch.clock.now, switch.datapath_id, port, frame)).encode())
    receive(switch, port, frame)
SimulatedSwitch.receive = record
outcome = simulate(*random_run(7, seconds), seconds)
for probe in (ProbeKind.PING, ProbeKind.IPMOBILE):
    simulate(Parameters(seed=7, mobiles=5, probe=probe), [], 20.0)
print(build(), digest.hexdigest(), outcome.requests)
"""


class Trace(NamedTuple):
    """How the request path was built, a digest of every frame and its time, and the number of requests."""

    build: str
    digest: str
    requests: int


def trace(hash_seed: str, compiled: str) -> Trace:
    """Of a process of its own: Python's hashes of text, and secrets, differ from process to process."""
    command = [sys.executable, "-W", "ignore", "-c", _TRACE, str(seconds(600.0, least=60.0))]
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path), "HASLB_COMPILED": compiled}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    return Trace(printed[0], printed[1], int(printed[2]))


def test_one_seed_is_one_run_byte_for_byte() -> None:
    """Also with the compiled path, where this process has it: CONTRIBUTING.md, "The compiled request path"."""
    pure, built = trace("1", compiled=""), trace("2", compiled=os.environ.get("HASLB_COMPILED", ""))
    assert (pure.build, built.build) == ("pure", build())
    assert pure.digest == built.digest
    assert pure.requests == built.requests > 0


def test_another_seed_is_another_run() -> None:
    assert random_run(1, 600.0) != random_run(2, 600.0)


@pytest.mark.parametrize("seed", [15, 49])
def test_nothing_goes_wrong_after_the_end_of_a_short_run(seed: int) -> None:
    """A takeover or a forged request would make sessions live on: in 20 s these seeds broke *nothing is left* so."""
    parameters, history = random_run(seed, 20.0)
    assert max(fault.at for fault in history) < 20.0
    assert simulate(parameters, history, 20.0).violation is None


@pytest.mark.parametrize("hangs_at", [[], [10.0]])
def test_members_that_are_being_stopped_at_the_end_run_again(hangs_at: list[float]) -> None:
    """Found with seed 2000004 of 20 s: both members stopped after the end, so none was left to end the sessions."""
    history = [Fault(at, "member hangs", (number,)) for at in hangs_at for number in range(2)]
    history += [Fault(19.9, "controller is stopped", (number,)) for number in range(2)]
    cluster = Parameters(seed=1, controllers=2, is_cluster=True, mobiles=20, arrivals=5.0, idle=60, lifetime=600)
    assert simulate(cluster, history, 20.0).violation is None


def test_sessions_that_are_recovered_after_the_end_have_their_idle_time() -> None:
    """Found with seed 3000047 of 20 s: their home agent answered ARP half a minute after the balancer's last start."""
    history = [Fault(10.0, "home agent answers no ARP", (0, 45.0)), Fault(10.0, "controller is killed")]
    parameters = Parameters(seed=1, mobiles=20, arrivals=5.0, idle=60, lifetime=600)
    assert simulate(parameters, history, 20.0).violation is None


def test_rules_of_others_that_are_added_twice_stay() -> None:
    """Found with seed 2000005 of 20 s: the second ones took the place of the first (OpenFlow 1.3.5, section 6.4)."""
    history = [Fault(at, "rules of others are added", (0,)) for at in (8.0, 8.1)]
    assert simulate(Parameters(seed=1, mobiles=20, arrivals=5.0), history, 20.0).violation is None


def test_without_faults_every_mobile_is_bound_and_shares_equal_weights() -> None:
    parameters = Parameters(seed=3, home_agents=3, weights=(3, 1, 2), mobiles=60, lifetime=600)
    world = world_after(parameters, 60.0)
    assert all(mobile.is_bound for mobile in world.mobiles)
    assert [len(agent.bindings) for agent in world.home_agents] == [30, 10, 20]
    assert simulate(parameters, [], seconds(600.0, least=200.0)).violation is None


def test_mobiles_that_refresh_their_bindings_send_requests_and_stay_where_they_are() -> None:
    parameters = Parameters(seed=3, mobiles=40, idle=60, refresh=15.0, lifetime=600, controllers=2, is_cluster=True)
    history = [Fault(100.0, "controller is killed", (0,)), Fault(130.0, "member hands over", (1,))]
    outcome = simulate(parameters, history, 200.0)
    assert outcome.violation is None
    assert outcome.requests > 8 * parameters.mobiles


def test_a_mobile_that_refreshes_its_binding_and_is_sent_elsewhere_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(world: World) -> None:
        world.controller.balancer.clear_sessions()

    monkeypatch.setitem(FAULTS, "member hands over", forget)  # no reason to move a session, in a cluster
    parameters = Parameters(seed=3, mobiles=40, idle=60, refresh=15.0, lifetime=600, controllers=2, is_cluster=True)
    violation = simulate(parameters, [Fault(100.0, "member hands over")], 200.0).violation
    assert violation is not None
    assert violation.rule == "a session lives as long as its idle time"


def _sabotage(world: World) -> None:
    """Let the balancer drop every request."""
    balancer = world.controller.balancer

    def drop(request: Request, now: float) -> Verdict:
        balancer.statistics.count_dropped(DropReason.NO_REAL_AVAILABLE)
        return None, None, DropReason.NO_REAL_AVAILABLE

    balancer.request = drop  # type: ignore[method-assign]


def test_a_balancer_that_does_not_serve_is_found_and_the_history_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAULTS, "sabotage", _sabotage)
    parameters = Parameters(seed=4, home_agents=2, mobiles=10, arrivals=900.0)
    history = [Fault(20.0, "power cycle", (1,)), Fault(30.0, "sabotage"), Fault(40.0, "power cycle", (2,))]
    outcome = simulate(parameters, history, 1200.0)
    assert outcome.violation is not None
    assert outcome.violation.rule == "a request that a home agent can take is dispatched"
    smaller, shorter, _ = shrink(parameters, history, 1200.0, outcome.violation.rule)
    assert [fault.kind for fault in shorter] == ["sabotage"]
    assert smaller.mobiles < parameters.mobiles
