"""The home agent's DFP agent: what its weight is made of (HA-SLB chapter, the weight's equation)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace
from typing import Any, Optional

import psutil
import pytest

from haslb_lab.agents.bindings import BindingTable
from haslb_lab.agents.home_agent_dfp import SAMI_MEMORY, Capacity, NodeWeight
from haslb_lab.agents.home_agent_registrations import HomeAgentAddresses, Registrations, Request
from ryu_haslb.mobile_ip.authentication import SecurityAssociation, append_authentication
from ryu_haslb.mobile_ip.extensions import nai_extension
from ryu_haslb.mobile_ip.identification import timestamp
from ryu_haslb.mobile_ip.registration import RegistrationRequest

OWN, PDSN = IPv4Address("10.1.1.51"), IPv4Address("15.1.1.51")
KEY = SecurityAssociation(256, b"secret")


class FakeProcess(psutil.Process):
    """A process that uses so many per cent of a processor and so much of a SAMI's memory."""

    def __init__(self, cpu: float = 0.0, memory: float = 0.02) -> None:
        super().__init__()
        self.cpu = cpu
        self.memory = memory

    def cpu_percent(self, interval: Optional[float] = None) -> float:
        return self.cpu

    def memory_info(self) -> Any:
        return SimpleNamespace(rss=self.memory * SAMI_MEMORY)


def registrations(mobiles: int) -> Registrations:
    """A home agent at which so many mobiles have registered."""
    home_agent = Registrations(HomeAgentAddresses(OWN), BindingTable(IPv4Network("10.200.0.0/16")), KEY, 0.0)
    for number in range(mobiles):
        request = RegistrationRequest(
            home_address=IPv4Address(0),
            home_agent=OWN,
            care_of_address=PDSN,
            identification=timestamp(1000.0),
            lifetime=600,
            extensions=(nai_extension(b"user%d@isp" % number),),
        )
        home_agent.answer(Request(append_authentication(request.encode(), KEY), PDSN, OWN), 1000.0)
    return home_agent


@pytest.mark.parametrize(("bindings", "expected"), [(0, 25), (50, 24), (1250, 0)])
def test_the_chapters_weights(bindings: int, expected: int) -> None:
    """Chapter: 25 with no bindings, 24 with fifty; a full home agent reports 0."""
    assert NodeWeight(registrations(bindings), Capacity(1250), FakeProcess())() == expected


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (FakeProcess(cpu=100.0), 12),
        (FakeProcess(cpu=250.0), 12),
        (FakeProcess(memory=0.5), 18),
        (FakeProcess(cpu=100.0, memory=3.0), 0),
    ],
)
def test_a_busy_or_large_process_weighs_less(process: FakeProcess, expected: int) -> None:
    """Chapter: (cpu + mem) / 32, each 0 (none free) to 16. More than a SAMI has is none free."""
    assert NodeWeight(registrations(0), Capacity(1250), process)() == expected


def test_calls_per_second_count_once_there_is_a_limit() -> None:
    """Chapter: at the available CPS the weight is 0. The first look at the counter has no rate yet."""
    home_agent = registrations(0)
    weight = NodeWeight(home_agent, Capacity(1250, available_cps=10), FakeProcess())
    assert weight() == 25
    home_agent.traffic.registered += 5
    assert weight() == 12
    home_agent.traffic.registered += 100
    assert weight() == 0
