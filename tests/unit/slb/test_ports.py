"""``real A 434`` and ``real A 5434`` are two real servers of one address, as on IOS."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from farm_builder import SWITCH, VIRTUAL, Verdict, address

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VirtualServer
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.request import make_request

ANY = IPv4Address(0)
FIRST = RealServer(address(1), 434, weight=3, in_service=True, reassign=1)
SECOND = RealServer(address(1), 5434, weight=1, in_service=True, reassign=1)


def configuration(*reals: RealServer) -> Configuration:
    return Configuration(
        farms={"HAFARM": ServerFarm("HAFARM", nat_server=True, reals=reals)},
        virtual_servers={"MIPSLB": VirtualServer("MIPSLB", VIRTUAL, "HAFARM", in_service=True)},
    )


class TwoPorts:
    """A farm of one address with two ports."""

    def __init__(self) -> None:
        self.balancer = Balancer(configuration(FIRST, SECOND))
        self.server = self.balancer.virtual_servers["MIPSLB"]
        self.identification = 0
        for real in self.server.farm.reals:
            real.reachable_from.add(SWITCH)

    def request(self, mobile: str, now: float = 0.0, home_agent: IPv4Address = ANY) -> Verdict:
        self.identification += 1
        fields = self.server, mobile.encode(), bytes(4), 434, home_agent.packed, 600, SWITCH, self.identification
        return Verdict(*self.balancer.request(make_request(*fields), now))


@pytest.fixture
def farm() -> TwoPorts:
    return TwoPorts()


def test_each_has_sessions_and_a_weight_of_its_own(farm: TwoPorts) -> None:
    ports = Counter(
        real.port for number in range(8) for real in [farm.request(f"user{number}").real] if real is not None
    )
    assert ports == {434: 6, 5434: 2}
    assert [(real.name, real.sessions) for real in farm.server.farm.reals] == [("10.1.1.51", 6), ("10.1.1.51:5434", 2)]
    assert all(farm.server.farm.has(real) for real in farm.server.farm.reals)


def test_each_keeps_its_sessions_when_the_other_leaves_the_farm(farm: TwoPorts) -> None:
    first, second = farm.server.farm.reals
    for number in range(4):
        farm.request(f"user{number}")
    farm.balancer.configure(configuration(replace(SECOND, weight=9)))
    assert farm.server.farm.reals == [second]
    assert (second.sessions, second.weight) == (1, 9)
    assert farm.request("user3").real is second
    assert farm.request("user0").real is second, "its real server is out of the farm"
    assert (first.sessions, second.sessions) == (2, 2)


def test_a_session_moves_from_one_to_the_other(farm: TwoPorts) -> None:
    ports = [real.port for second in range(4) for real in [farm.request("anna", second).real] if real is not None]
    assert ports == [434, 434, 5434, 5434]


def test_a_request_that_names_the_address_stays_with_its_session_or_goes_to_one_in_service(farm: TwoPorts) -> None:
    first, second = farm.server.farm.reals
    for number in range(4):
        farm.request(f"user{number}")
    assert farm.request("user3", 0.0, address(1)).real is second
    first.in_service = False
    assert farm.request("new", 0.0, address(1)).real is second


def test_they_fail_each_for_itself(farm: TwoPorts) -> None:
    first, second = farm.server.farm.reals
    first.fail(0.0, is_last=False)
    assert [first.health, second.health] == [Health.FAILED, Health.OPERATIONAL]
    assert farm.request("anna").real is second


def test_without_a_port_and_with_the_default_port_is_the_same(farm: TwoPorts) -> None:
    farm.request("anna")
    first = farm.server.farm.reals[0]
    farm.balancer.configure(configuration(replace(FIRST, port=None), replace(FIRST, weight=5), SECOND))
    assert [real.name for real in farm.server.farm.reals] == ["10.1.1.51", "10.1.1.51:5434"]
    assert farm.server.farm.reals[0] is first
    assert (first.weight, first.sessions) == (5, 1)
