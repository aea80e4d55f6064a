"""What a report does to a real server, and what it does not."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from farm_builder import Bench

from ryu_haslb.dfp.agent_connection import SetWeight
from ryu_haslb.dfp.steering import ServerStates, steer
from ryu_haslb.dfp.tlv import ANY_BIND_ID, UDP
from ryu_haslb.dfp.weight_table import AgentAddress, Server, WeightTable

AGENT = AgentAddress(IPv4Address("10.1.1.51"), 500)
REAL = Server(IPv4Address("10.1.1.51"), 434, UDP, ANY_BIND_ID)
TCP = 6


class Farm:
    """Two real servers, and an agent that may report on any server."""

    def __init__(self) -> None:
        self.bench = Bench(1, 1, reassign=0, faildetect_numconns=1, faildetect_numclients=1, retry=0)
        self.weights = WeightTable()

    def report(self, *reports: tuple[Server, int]) -> None:
        made = [SetWeight(server, weight) for server, weight in reports]
        for each in made:
            self.weights.set(each.server, each.weight, AGENT, 0.0)
        steer(self.bench.reals, self.weights, made)

    def lose(self) -> None:
        self.weights.withdraw(AGENT)
        steer(self.bench.reals, self.weights, None)

    def fail(self) -> None:
        self.bench.letters("anna@example.org", "anna@example.org")
        assert self.bench.reals[0].state == "FAILED"


def test_a_report_sets_the_weight_and_its_loss_brings_the_static_one_back() -> None:
    farm = Farm()
    farm.report((REAL, 25))
    assert [real.weight for real in farm.bench.reals] == [25, 1]
    farm.lose()
    assert [real.weight for real in farm.bench.reals] == [1, 1]


def test_a_report_above_0_brings_a_failed_real_back() -> None:
    farm = Farm()
    farm.fail()
    farm.report((REAL, 0))
    assert farm.bench.reals[0].state == "FAILED"
    farm.report((REAL, 3))
    assert farm.bench.reals[0].state == "OPERATIONAL"


@pytest.mark.parametrize(
    ("server", "weight"),
    [
        (REAL, 0),
        (REAL._replace(port=80), 9),
        (REAL._replace(protocol=TCP), 9),
        (REAL._replace(bind_id=7), 9),
        (REAL._replace(address=IPv4Address("10.1.1.52")), 9),
        (REAL._replace(address=IPv4Address("10.9.9.9")), 9),
    ],
)
def test_a_report_on_another_service_brings_no_failed_real_back(server: Server, weight: int) -> None:
    farm = Farm()
    farm.report((REAL, 25))
    farm.fail()
    farm.report((server, weight))
    assert farm.bench.reals[0].state == "FAILED"
    farm.lose()
    assert farm.bench.reals[0].state == "FAILED"


def test_the_states_for_agents_follow_each_change_of_a_real_server_once() -> None:
    farm, states = Farm(), ServerStates()
    first, second = (real.configuration.address for real in farm.bench.reals)
    assert states.follow(farm.bench.reals)
    assert states.weights[first] > 0
    assert not states.follow(farm.bench.reals)
    farm.fail()
    assert states.follow(farm.bench.reals)
    assert states.weights[first] == 0 < states.weights[second]
    for real in farm.bench.reals:
        real.reachable_from.clear()
    assert states.follow(farm.bench.reals)
    assert states.reachable == frozenset()
    assert not states.follow(farm.bench.reals)
