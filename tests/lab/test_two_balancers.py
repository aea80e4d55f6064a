"""Two balancers at one switch, without a database between them: one is master, the other waits and takes over."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from bench import REALS, WAIT_TIMEOUT, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import registration
from pair import PORTS, Pair

from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.roles.lease import LEASE_COOKIE, NO_HOLDER

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as bench:
        yield Pair(bench)


def test_each_request_comes_to_one_home_agent_once_and_the_other_balancer_says_that_it_waits(pair: Pair) -> None:
    names = [f"pair-{number}@isp.com" for number in range(10)]
    first = {name: pair.bench.deliver(registration(name)) for name in names}
    assert {name: pair.bench.deliver(registration(name)) for name in names} == first
    log = pair.log(pair.waiting)
    assert "is served by another balancer; waiting" in log or "another balancer has taken over; waiting" in log
    state = "%SLB-6-SWITCH: datapath=0000000000000001 state=waiting"
    wait_until(lambda: state in pair.log(pair.waiting), "the state is logged")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_the_one_that_waits_takes_over_with_every_session(pair: Pair, number: signal.Signals) -> None:
    """After a crash when the lease has run out; after a stop, which gives the lease up, at its next question."""
    names = [f"{number.name}-{each}@isp.com" for each in range(7)]
    first = {name: pair.bench.deliver(registration(name)) for name in names}
    ended, successor = pair.master, pair.waiting
    wait_until(lambda: len(pair.bench.lab.flows(1)) > len(names), "every session has its rule")
    pair.processes[successor].send_signal(signal.SIGSTOP)
    pair.processes[ended].send_signal(number)
    pair.processes[ended].wait(WAIT_TIMEOUT)
    if number is signal.SIGTERM:
        wait_until(lambda: lease_holders(pair) == {NO_HOLDER}, "the lease is given up")
    pair.processes[successor].send_signal(signal.SIGCONT)
    pair.await_service(successor)
    assert {name: pair.bench.deliver(registration(name)) for name in names} == first
    pair.start(ended)
    wait_until(lambda: pair.role(ended) == "waiting", "the one that comes later waits")
    assert pair.master != ended


def lease_holders(pair: Pair) -> set[int]:
    """Who holds the lease, as the switch has it."""
    return {flow.cookie >> 32 for flow in pair.bench.lab.flows(0) if flow.cookie & 0xFFFFFFFF == LEASE_COOKIE}


def test_a_master_that_was_suspended_does_no_harm_when_it_wakes_up(pair: Pair) -> None:
    """The switch rejects what it sends (OFPBRC_IS_SLAVE), and it waits."""
    suspended, other = pair.master, pair.waiting
    pair.processes[suspended].send_signal(signal.SIGSTOP)
    pair.await_service(other)
    name = "suspended@isp.com"
    first = pair.bench.deliver(registration(name))
    pair.processes[suspended].send_signal(signal.SIGCONT)
    wait_until(lambda: pair.role(suspended) == "waiting", "it waits")
    assert [pair.bench.deliver(registration(name)) for _ in range(2)] == [first] * 2
    assert pair.master == other


def test_a_master_that_crashed_and_starts_again_at_once_goes_on(pair: Pair) -> None:
    """It does not wait for its own lease to end: the switch has one connection to each address."""
    crashed = pair.master
    pair.processes[crashed].kill()
    pair.processes[crashed].wait()
    began = time.monotonic()
    pair.start(crashed)
    masters = wait_until(lambda: "master" in map(pair.role, PORTS), "one is master")
    print(f"restart: master after {masters - began:.2f} s")
    wait_until(lambda: sorted(map(pair.role, PORTS)) == ["master", "waiting"], "one is master, one waits")
    assert "Traceback" not in pair.log(crashed)
