"""The home agent's DFP agent as a process: what it weighs, its port, and what prevents a start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Optional

import pytest
from balancer_process import free_port
from node_processes import HOME_AGENT, PROGRAM_TIMEOUT, Lab

from haslb_lab.runner.waiting import wait_until
from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp.agent_connection import AgentConnection, SetWeight
from ryu_haslb.dfp.channel import Send
from ryu_haslb.dfp.security import KeyRing


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
    port = free_port()
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
    port = free_port()
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
    summary = "show ip mobile binding summary"  # of requests that it may read when the PDSN has given up
    wait_until(lambda: home_agent.json(summary) == {"total": 3}, "all three are bound", PROGRAM_TIMEOUT)
