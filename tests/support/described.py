"""Labs of chassis descriptions, and what their nodes know: for tests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from open_vswitch import count_fast_path
from scapy.layers.inet import UDP
from scapy.layers.l2 import Ether

from haslb_lab.chassis.cisco7600 import Cisco7600
from haslb_lab.chassis.description import CONTROLLER, Description
from haslb_lab.chassis.reader import read_description
from haslb_lab.runner.flows import Flow
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.flow_tables.pipeline import Purpose

SHAPES = Path(__file__).parents[2] / "topologies" / "shapes"


@contextmanager
def running(path: Path) -> Iterator[tuple[Lab, Description]]:
    """The lab that a description file describes."""
    description = read_description(path)
    with Lab(Cisco7600(description), description.balancer.configuration.read_text()) as lab:
        yield lab, description


def register(lab: Lab, pdsn: str, first: int, count: int, command: str = "register") -> dict[str, int]:
    """Have a PDSN register users, all of whom must succeed; return how many each home agent has got."""
    *_, last = lab.stream(pdsn, f"{command} {first} {count}")
    result = json.loads(last)
    assert (result[f"{command}ed"], result["failures"]) == (count, {}), last
    return dict(result["home_agents"])


def bindings(lab: Lab, description: Description) -> dict[str, int]:
    """The bindings that each home agent has, by its address."""
    return {
        str(agent.address.ip): lab.query(agent.name, "show ip mobile binding summary")["total"]
        for agent in description.home_agents
    }


def homes(lab: Lab, description: Description) -> dict[str, tuple[str, str]]:
    """Each mobile's home agent and care-of address, as the home agents know them."""
    return {
        binding["nai"]: (str(agent.address.ip), binding["care_of_address"])
        for agent in description.home_agents
        for binding in lab.query(agent.name, "show ip mobile binding")["bindings"]
    }


def conns(lab: Lab) -> dict[str, int]:
    """The sessions that the balancer counts at each home agent."""
    return {row["real"]: row["conns"] for row in lab.query(CONTROLLER, "show ip slb reals")}


def statistics(lab: Lab) -> dict[str, int]:
    """The balancer's counters."""
    return {row["counter"]: row["value"] for row in lab.query(CONTROLLER, "show ip slb stats")}


def punted(lab: Lab, switch: str) -> int:
    """The requests that a switch has sent to the balancer."""
    count_fast_path()
    purposes = (Purpose.PUNT_REQUEST, Purpose.PUNT_REQUEST_TO_CHASSIS)
    rules: list[Flow] = [flow for flow in lab.flows(switch=switch) if flow.cookie in {each.cookie for each in purposes}]
    assert rules
    return sum(flow.packets for flow in rules)


def ping(lab: Lab, node: str, address: str) -> str:
    """Ping an address, which must answer; return what ping printed."""
    process = lab.run(node, ["ping", "-c1", "-W20", address], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    printed = process.communicate()[0].decode()
    assert process.returncode == 0, printed
    return printed


def is_request(frame: bytes) -> bool:
    """Whether a frame is a registration request."""
    packet = Ether(frame)
    return UDP in packet and packet[UDP].dport == 434


def mac(lab: Lab, node: str, interface: str) -> str:
    """The Ethernet address of a node's interface."""
    return str(lab.node(node).intf(interface).MAC())


def address_of(lab: Lab, mobile: str) -> Any:
    """A mobile's home address; None while it has none."""
    return lab.query(mobile, "show ip interface")["address"]
