"""A restart: sessions are recovered from the switch, also when something is slow at that moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench import REALS, WAIT_TIMEOUT, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import registration

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.janitor import DIRECTORY
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

IDLE = 300
RULES_WAIT = "rules wait for their real servers"
CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server(IDLE)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


def set_arp(bench: Bench, node: str, state: str) -> None:
    """Let the kernel of a home agent answer ARP, or not."""
    for name in bench.lab.node(node).intfNames():
        assert bench.lab.run(node, ["ip", "link", "set", "dev", name, "arp", state]).wait(WAIT_TIMEOUT) == 0


@pytest.mark.parametrize("is_lost", [False, True], ids=["slow", "lost"])
def test_a_mobile_keeps_a_home_agent_that_answers_no_arp_at_a_restart(bench: Bench, is_lost: bool) -> None:
    """states.md, Recovery: its rule is pending, and leads its requests there, also if it was lost before."""
    names = [f"{is_lost}-{number}@isp.com" for number in range(6)]
    nodes = {name: bench.deliver(registration(name)) for name in names}
    keys = {bench.rule(name).cookie for name in names}
    set_arp(bench, "sami1", "off")
    try:
        if is_lost:
            wait_until(lambda: not bench.reals()[REALS["sami1"]]["reachable"], "the loss is noticed")
        waiting = bench.lab.log(CONTROLLER).count(RULES_WAIT)
        bench.kill_controller()
        bench.disconnect()
        bench.lab.start_controller()
        wait_until((DIRECTORY / f"{CONTROLLER}.control").exists, "the balancer listens")
        bench.connect()
        wait_until(lambda: bench.lab.log(CONTROLLER).count(RULES_WAIT) > waiting, "the rules are read")
        for name in names:
            if nodes[name] == "sami1":
                sent = registration(name)
                with bench.lab.capture("sami1") as capture:
                    bench.send(sent)
                    capture.wait_for(lambda each, sent=sent: each[14:] == sent[14:])  # type: ignore[misc]
    finally:
        set_arp(bench, "sami1", "on")
    bench.lab.wait_until_balancing()
    rules = len(bench.lab.flows(1)) - 1
    wait_until(lambda: sum(row["conns"] for row in bench.reals().values()) == rules, "every session is recovered")
    assert {name: bench.deliver(registration(name)) for name in names} == nodes
    assert {bench.rule(name).cookie for name in names} == keys
