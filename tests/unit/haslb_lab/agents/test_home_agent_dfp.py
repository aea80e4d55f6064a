"""The home agent's DFP agent: what its weight is made of (HA-SLB chapter, the weight's equation), and its port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import psutil
import pytest
from node_processes import HOME_AGENT, PROGRAM_TIMEOUT, Lab

from haslb_lab.agents.bindings import BindingTable
from haslb_lab.agents.home_agent_dfp import SAMI_MEMORY, Capacity, NodeWeight
from haslb_lab.agents.registrations import HomeAgentAddresses, Registrations, Request
from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp.channel import Send
from ryu_haslb.dfp.manager import AgentConnection, SetWeight
from ryu_haslb.dfp.security import KeyRing
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


def test_the_real_process_of_an_idle_node_weighs_the_maximum() -> None:
    """A process that has just started has used no processor, and Python's memory is a small part of a SAMI's."""
    program = (
        "from types import SimpleNamespace as Named\n"
        "from haslb_lab.agents.home_agent_dfp import Capacity, NodeWeight\n"
        "idle = Named(bindings=(), traffic=Named(registered=0))\n"
        "print(NodeWeight(idle, Capacity(10, max_weight=100))())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert int(ran.stdout) >= 90


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    nodes = Lab(tmp_path)
    yield nodes
    nodes.close()


def configuration(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "home-agent.ios"
    path.write_text("\n".join(["ip dfp agent ipmobile", *lines, ""]))
    return str(path)


def free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOME_AGENT, 0))
        return int(probe.getsockname()[1])


def first_report(port: int, password: str) -> Optional[SetWeight]:
    """The weight that the agent reports to a manager with this password; None if the manager accepts no report."""
    manager = AgentConnection(DfpAgent(IPv4Address(HOME_AGENT), port), KeyRing(password))
    manager.start()
    with socket.create_connection((HOME_AGENT, port), PROGRAM_TIMEOUT) as stream:
        for action in manager.connected(0.0):
            assert isinstance(action, Send)
            stream.sendall(action.data)
        actions = manager.received(stream.recv(4096), 0.0)
    assert len(actions) <= 1
    return next((action for action in actions if isinstance(action, SetWeight)), None)


def test_the_configured_agent_reports_for_the_home_agents_address(lab: Lab, tmp_path: Path) -> None:
    """ip dfp agent ipmobile: port, password, inservice. It reports on UDP port 434 of the home agent's address."""
    port = free_tcp_port()
    options = configuration(tmp_path, f"port {port}", "password 0 cisco", "inservice")
    node = lab.home_agent("--config", options, "--max-weight", "60")
    reported = first_report(port, "cisco")
    assert reported is not None
    assert (str(reported.server.address), reported.server.port, reported.weight) == (HOME_AGENT, 434, 60)
    assert first_report(port, "guess") is None
    assert node.stop() == (0, "")
    with pytest.raises(ConnectionRefusedError):
        first_report(port, "cisco")


def test_an_agent_that_is_not_in_service_does_not_listen(lab: Lab, tmp_path: Path) -> None:
    port = free_tcp_port()
    lab.home_agent("--config", configuration(tmp_path, f"port {port}"))
    with pytest.raises(ConnectionRefusedError):
        first_report(port, "")


def test_a_port_that_is_taken_is_told_in_one_line(lab: Lab, tmp_path: Path) -> None:
    """And the home agent gives up what it had already opened."""
    with socket.socket() as other:
        other.bind((HOME_AGENT, 0))
        other.listen()
        options = configuration(tmp_path, f"port {other.getsockname()[1]}", "inservice")
        with pytest.raises(AssertionError, match=r"home_agent.py: the DFP agent cannot listen: .*in use"):
            lab.home_agent("--config", options)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nonsense\n", r"home-agent.ios:1: "),
        ("ip dfp agent ipmobile\ninservice\n", r"home-agent.ios:1: .* has no port"),
        (None, r"No such file"),
    ],
)
def test_a_configuration_that_cannot_be_used_names_its_place(
    lab: Lab, tmp_path: Path, text: Optional[str], complaint: str
) -> None:
    path = tmp_path / "home-agent.ios"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AssertionError, match=complaint):
        lab.home_agent("--config", str(path))


def test_lost_requests_leave_no_binding_and_lost_replies_do(lab: Lab) -> None:
    """--request-loss and --reply-loss: a request that is lost leaves no binding, a reply that is lost does."""
    home_agent = lab.home_agent("--request-loss", "1")
    pdsn = lab.pdsn("--retries", "1")
    assert pdsn.run("register 1 3")["failures"] == {"no reply": 3}
    assert home_agent.json("show ip mobile binding summary") == {"total": 0}
    assert home_agent.stop(signal.SIGTERM)[0] == 0
    home_agent = lab.home_agent("--reply-loss", "1")
    assert pdsn.run("register 1 3")["failures"] == {"no reply": 3}
    assert home_agent.json("show ip mobile binding summary") == {"total": 3}
