"""DFP end to end: home agents report their weight, the balancer's rotation follows, and survives what agents do."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import wait_until
from health import HealthLab, farm_text, manager_text

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.scenarios.dfp_pace import await_opening_time
from ryu_haslb.configuration.home_agent_model import DfpAgentService
from ryu_haslb.dfp.weight import HomeAgentLoad, dfp_weight

pytestmark = pytest.mark.lab

CHAPTER = Path(__file__).parents[2] / "topologies" / "chapter"
AGENT = """\
interface Loopback1
  ip address 10.1.1.10 255.255.255.0
ip mobile home-agent dynamic-address ADDRESS
ip dfp agent ipmobile
  port 500
  interval 5
  password 0 cisco
  inservice
"""
STATIC_WEIGHT = 7
#: Seconds, longer than a busy machine keeps an agent from sending.
KEEP_ALIVE = 6


@pytest.fixture(scope="module")
def health() -> Iterator[HealthLab]:
    with HealthLab() as running:
        yield running


def configuration(health: HealthLab) -> str:
    """A lost agent is looked for every second."""
    manager = manager_text(health.address.values(), f"{KEEP_ALIVE} 0 1", "password 0 cisco")
    return farm_text(health.address.values(), f"weight {STATIC_WEIGHT}") + manager


@pytest.mark.parametrize("example", ["2-dispatched-dfp", "4-direct-dfp"])
def test_chapter_examples_show_weight_25_then_24_after_a_hundred_sessions(health: HealthLab, example: str) -> None:
    """Chapter, "Dispatched mode with DFP" and "Direct mode with DFP": the configurations as printed, of the balancer
    and of the home agents, and the three outputs that follow. The weight is measured every ten seconds, the interval's
    default, and all hundred register between two of these: by turns of 25 that is 50 each, by turns of 24 it would
    be 52 and 48."""
    home_agent = (CHAPTER / "home-agent" / f"{example}.ios").read_text().replace("10.1.1.51", "ADDRESS")
    health.begin((CHAPTER / f"{example}.ios").read_text(), home_agent)
    health.await_weights(25, 25)
    shown = health.lab.command(CONTROLLER, "show ip slb dfp weights").splitlines()
    for address, (real, agent) in zip(health.address.values(), (shown[:2], shown[2:])):
        assert real == f"Real IP Address: {address} Protocol: UDP Port: 434 Bind_ID: 65535 Weight: 25"
        assert re.fullmatch(rf"Set by Agent {address}:500 at \d\d:\d\d:\d\d UTC \d\d/\d\d/\d\d", agent)
    await_opening_time(dict.fromkeys(health.names, DfpAgentService.interval))
    health.register(100)
    health.await_weights(24, 24)
    table = [re.split(" +", line) for line in health.lab.command(CONTROLLER, "show ip slb reals").splitlines()]
    assert table[2:] == [[address, "HAFARM", "24", "OPERATIONAL", "50"] for address in health.address.values()]
    for name in health.names:
        assert health.lab.command(name, "show ip mobile binding summary") == "Mobility Binding List:\nTotal 50\n"


def test_sessions_are_in_proportion_to_unequal_capacity_and_weights_follow_load(health: HealthLab) -> None:
    """Home agents with unequal capacity end up with sessions in that proportion. One home agent has room for 200
    mobiles, the other for three times as many, and the maxima of their weights say so. As both fill up the weights sink
    by the chapter's equation, and the proportion stays."""
    rooms = {"sami1": (200, 8), "sami2": (600, 24)}
    options = {
        name: ("--max-bindings", str(room), "--max-weight", str(weight)) for name, (room, weight) in rooms.items()
    }
    health.begin(configuration(health), AGENT, options)
    health.await_weights(8, 24)
    for _ in range(3):
        health.register(160)
        bound = {name: len(nais) for name, nais in health.bindings().items()}
        health.await_weights(
            *(dfp_weight(HomeAgentLoad(bound[name], room), weight) for name, (room, weight) in rooms.items())
        )
    assert sum(bound.values()) == 480
    assert 110 <= bound["sami1"] <= 130, bound
    assert {name: row["conns"] for name, row in health.reals().items()} == bound


def test_a_full_home_agent_gets_no_more_mobiles(health: HealthLab) -> None:
    """The chapter's equation: no free binding is weight 0, which takes the real server out of rotation (dfp.md)."""
    health.begin(configuration(health), AGENT, {"sami1": ("--max-bindings", "10")})
    health.await_weights(25, 25)
    health.register(10)
    health.await_state("sami1", "DFP_THROTTLED")
    assert health.register(20)["home_agents"] == {health.address["sami2"]: 20}
    health.lab.command("sami1", "clear ip mobile binding")
    health.await_state("sami1", "OPERATIONAL")
    health.await_weight("sami1", 25)


@pytest.mark.parametrize("way", ["killed", "silent"])
def test_a_lost_agent_leaves_its_real_server_to_the_static_weight(health: HealthLab, way: str) -> None:
    """Draft, section 5.3: the end of the connection, or silence for the keep-alive time, voids what the agent said. Its
    return brings its weight back; no other weight changes."""
    health.begin(configuration(health), AGENT)
    health.await_weights(25, 25)
    silent = f"agent={health.address['sami1']}:500 state=disconnected was=connected (no message for the keep-alive time"

    def silences() -> int:
        return health.lab.log(CONTROLLER).count(silent)

    count = silences()
    if way == "killed":
        health.end("sami1", signal.SIGKILL)
    else:
        health.stop("sami1")
    health.await_weights(STATIC_WEIGHT, 25)
    assert health.reported() == {"sami2": 25}
    if way == "killed":
        assert silences() == count, "its end is seen without the keep-alive time"
        health.start("sami1", AGENT)
    else:
        wait_until(lambda: silences() == count + 1, "the loss is logged with its reason")
        health.resume("sami1")
    health.await_weights(25, 25)
    wait_until(lambda: health.reported() == {"sami1": 25, "sami2": 25}, "both agents' weights are shown")


def test_an_agent_with_another_password_sets_no_weight(health: HealthLab) -> None:
    """RFC 1828 digests: a message that is not signed with the manager's key is ignored."""
    health.begin(configuration(health), AGENT)
    health.await_weights(25, 25)
    health.end("sami1")
    health.await_weights(STATIC_WEIGHT, 25)
    health.start("sami1", AGENT.replace("0 cisco", "0 guess"))
    established = "grep -c ':01F4 .* 01 ' /proc/net/tcp"  # port 500, state established
    wait_until(lambda: health.lab.node("sami1").cmd(established).strip() == "1", "the manager has connected")
    assert health.weights() == [STATIC_WEIGHT, 25]
    assert health.reported() == {"sami2": 25}
