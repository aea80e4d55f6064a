"""Probes of home agents (docs/states.md, "Probes"): a process that hangs is found out although its host answers ARP.

The home agents are processes that answer as real ones do: those that a probe asks deny its request (RFC 5944 section
3.8.2.1), and their kernel replies to a ping.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bench import wait_until
from health import HealthLab, farm_text

from haslb_lab.chassis.description import CONTROLLER

pytestmark = pytest.mark.lab

#: An address among the home agents that no machine has.
SOURCE = "10.1.1.9"
MOBILES = 20
#: Requests never fail a home agent here: probes alone do.
PATIENT = ("faildetect numconns 255 numclients 8", "retry 0")
HOME_AGENTS = {
    "dispatched": """\
interface Loopback1
  ip address 10.1.1.10 255.255.255.0
ip mobile home-agent dynamic-address ADDRESS
""",
    "direct": "ip mobile home-agent dynamic-address ADDRESS\n",
}


@pytest.fixture(scope="module")
def health() -> Iterator[HealthLab]:
    options = ("--retransmit", "1", "--retries", "6", "--rate", "100")
    with HealthLab(home_agents=2, pdsn_options=options) as running:
        yield running


def configuration(health: HealthLab, mode: str) -> str:
    """A farm with both probes. In direct mode they ask from the virtual address."""
    source, nat = (f" source {SOURCE}\n", "") if mode == "dispatched" else ("", " nat server\n")
    probes = f"ip slb probe ALIVE ipmobile\n interval 1\n{source}ip slb probe PING ping\n faildetect 3\n{source}"
    farm = farm_text(health.address.values(), *PATIENT)
    return probes + farm.replace("HAFARM\n", f"HAFARM\n{nat} probe ALIVE\n probe PING\n", 1)


def shown(health: HealthLab, probe: str) -> dict[str, dict[str, Any]]:
    """The rows of ``show ip slb probe NAME``, by home agent."""
    rows = {row["real"]: row for row in health.lab.query(CONTROLLER, f"show ip slb probe {probe}")}
    return {name: rows[address] for name, address in health.address.items()}


def answers(health: HealthLab, probe: str) -> dict[str, int]:
    return {name: row["answers"] for name, row in shown(health, probe).items()}


def register(health: HealthLab, first: int) -> set[str]:
    """Register the same mobiles, once more or for the first time; the home agents that they are at then."""
    *_, result = health.registering(first, MOBILES)
    assert (result["registered"], result["failed"]) == (MOBILES, 0), result
    return set(health.visitors(first, MOBILES).values())


@pytest.mark.parametrize("mode", HOME_AGENTS)
def test_a_process_that_hangs_is_failed_by_ipmobile_and_not_by_ping(health: HealthLab, mode: str) -> None:
    health.begin(configuration(health, mode), HOME_AGENTS[mode])
    wait_until(lambda: all(answers(health, "ALIVE").values()), "the home agents deny the request of the probe")
    wait_until(lambda: all(answers(health, "PING").values()), "their hosts answer pings")
    first = health.take_users(MOBILES)
    assert register(health, first) == set(health.address.values())
    health.stop("sami1")
    health.await_state("sami1", "PROBE_FAILED")
    assert shown(health, "ALIVE")["sami1"]["state"] == "FAILED"
    pinged = answers(health, "PING")["sami1"]
    wait_until(lambda: answers(health, "PING")["sami1"] > pinged, "the host answers pings")
    assert shown(health, "PING")["sami1"]["state"] == "OPERATIONAL"
    assert health.reals()["sami1"]["reachable"]
    assert register(health, first) == {health.address["sami2"]}
    assert register(health, health.take_users(MOBILES)) == {health.address["sami2"]}
    health.resume("sami1")
    health.await_state("sami1", "OPERATIONAL")
    assert {row["outages"] for row in shown(health, "PING").values()} == {0}
