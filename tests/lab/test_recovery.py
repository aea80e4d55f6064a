"""A failed home agent comes back: by ``retry`` and one session that tests it, and sooner when DFP says so."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from bench import wait_until
from health import HealthLab, farm_text, manager_text

pytestmark = pytest.mark.lab

HOME_AGENT = """\
interface Loopback1
  ip address 10.1.1.10 255.255.255.0
ip mobile home-agent dynamic-address ADDRESS
"""
DFP_AGENT = """\
ip dfp agent ipmobile
  port 500
  inservice
"""
FAILURES = 4
DETECTION = f"faildetect numconns {FAILURES} numclients 1"
#: A session moves with its second retransmission, 3 s after its first request; with the next one if replies could not
#: be looked for in time.
REASSIGN = "reassign 1"
RETRY = 6


@pytest.fixture(scope="module")
def health() -> Iterator[HealthLab]:
    with HealthLab(pdsn_options=("--retransmit", "1", "--retries", "5")) as running:
        yield running


def fail_the_first(health: HealthLab) -> float:
    """Kill sami1 and register mobiles until the balancer takes it for failed; a time at which it did not yet."""
    began = time.monotonic()
    health.end("sami1", signal.SIGKILL)
    assert health.register(20)["home_agents"] == {health.address["sami2"]: 20}
    health.register_until_failed("sami1")
    return began


def test_a_failed_home_agent_is_tested_after_retry_by_one_session(health: HealthLab) -> None:
    """Chapter: sessions are directed there again after a configurable time. states.md: the next session tests it; a
    retry of that one fails the test, and costs its mobile one retransmission; a reply that is seen passes it."""
    health.begin(farm_text(health.address.values(), DETECTION, REASSIGN, f"retry {RETRY}", "weight 1"), HOME_AGENT)
    alive_at = fail_the_first(health)
    assert health.await_state("sami1", "READY_TO_TEST") - alive_at >= RETRY
    tested = health.register(1)
    assert (tested["home_agents"], tested["retransmissions"]) == ({health.address["sami2"]: 1}, 1)
    assert health.reals()["sami1"]["state"] == "FAILED"

    health.start("sami1", HOME_AGENT)
    health.await_state("sami1", "READY_TO_TEST")
    assert health.register(1)["home_agents"] == {health.address["sami1"]: 1}
    health.await_state("sami1", "OPERATIONAL")
    assert health.register(10)["home_agents"] == dict.fromkeys(health.address.values(), 5)


def test_a_failed_home_agent_is_back_as_soon_as_its_dfp_agent_reports(health: HealthLab) -> None:
    """Chapter: "... or if the real server sends a DFP message". The balancer looks for the lost agent every second; the
    retry time is far away and no session has to test."""
    manager = manager_text(health.address.values(), "2 0 1")
    health.begin(farm_text(health.address.values(), DETECTION, REASSIGN, "retry 600") + manager, HOME_AGENT + DFP_AGENT)
    health.await_weights(25, 25)
    fail_the_first(health)
    health.start("sami1", HOME_AGENT + DFP_AGENT)
    health.await_state("sami1", "OPERATIONAL")
    health.await_weight("sami1", 25)
    assert health.address["sami1"] in health.register(50)["home_agents"]


def test_a_home_agent_that_only_seemed_dead_is_back_by_dfp(health: HealthLab) -> None:
    """Silence instead of death: the agent's connection stays and ends by its keep-alive time. Without reports, the
    kernel still accepts connections for the stopped process; that alone must not count as a sign of life."""
    manager = manager_text(health.address.values(), "1 0 1")
    health.begin(farm_text(health.address.values(), DETECTION, REASSIGN, "retry 600") + manager, HOME_AGENT + DFP_AGENT)
    health.await_weights(25, 25)
    health.stop("sami1")
    assert health.register(60)["home_agents"] == {health.address["sami2"]: 60}
    health.await_weight("sami1", 8)
    health.register_until_failed("sami1")
    silent = f"{health.address['sami1']}:500 state=disconnected was=connected (no message for the keep-alive time"
    wait_until(lambda: silent in health.lab.log("controller"), "the loss is logged")
    health.resume("sami1")
    health.await_state("sami1", "OPERATIONAL")
    # Not the weight itself: requests that have waited for it may bind mobiles there, and it reports less then.
    wait_until(lambda: "sami1" in health.reported(), "its weight is that of its agent")
