"""A chassis with tunnels: two home agents, a PDSN with two mobiles behind it, and a correspondent host."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench import wait_until
from described import SHAPES, mac
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from haslb_lab.chassis.cisco7600 import Cisco7600
from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.reader import read_description
from haslb_lab.runner.lab import Lab

PDSN, HOST = "PDSN-7600", "host1"
VIRTUAL, CARE_OF, CORRESPONDENT = "10.1.1.10", "15.1.1.51", "20.1.1.200"
HOME_AGENTS = {"HA1-7600": "10.1.1.51", "HA2-7600": "10.1.1.52"}
HOME_NETWORKS = {"HA1-7600": "10.201.0.0/16", "HA2-7600": "10.202.0.0/16"}
MOBILES = ("mobile1", "mobile2")
ROUTER_OF_HOSTS = ("msfc1", "msfc1-vlan20")

DESCRIPTION = f"""\
balancer:
  configuration: {SHAPES}/two-pdsns.ios
chassis:
  SLB-7600:
    supervisor: {{switch: haslb1, datapath_id: 1}}
    vlans:
      10: {{interface: 10.1.1.1/24}}
      15: {{interface: 15.1.1.15/8}}
      20: {{interface: 20.1.1.1/24}}
    line_cards:
      FastEthernet3/15: {{vlan: 15}}
      FastEthernet3/20: {{vlan: 20}}
    sami:
      5:
        vlan: 10
        home_agents:
          HA1-7600: {{address: 10.1.1.51/24, configuration: {SHAPES}/dispatched-ha1.ios}}
          HA2-7600: {{address: 10.1.1.52/24, configuration: {SHAPES}/dispatched-ha2.ios}}
pdsns:
  PDSN-7600:
    port: SLB-7600 FastEthernet3/15
    address: {CARE_OF}/8
    home_agent: {VIRTUAL}
    mobiles: {{mobile1: 1, mobile2: 2}}
    reverse_tunnel: REVERSE
hosts:
  host1: {{port: SLB-7600 FastEthernet3/20, address: {CORRESPONDENT}/24}}
"""


@contextmanager
def tunnelled(directory: Path, reverse: bool, *pdsn_options: str) -> Iterator[Tunnelled]:
    """The lab of this chassis; ``directory`` is for the description."""
    path = directory / "tunnels.yaml"
    path.write_text(DESCRIPTION.replace("REVERSE", str(reverse).lower()))
    topology = Cisco7600(read_description(path))
    topology.nodeInfo(PDSN)["program"] += pdsn_options
    with Lab(topology, (SHAPES / "two-pdsns.ios").read_text()) as lab:
        yield Tunnelled(lab)


class Tunnelled:
    """The lab with its two mobiles registered, one at each home agent."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def register(self) -> None:
        """Unless they are registered: one that comes again and again is given to another home agent (reassign)."""
        if self.lab.query(PDSN, "show ip mobile visitor summary") == {"total": 2}:
            return
        self.lab.command(CONTROLLER, "clear ip slb sessions")
        self.run("register 1 2")
        for name in MOBILES:
            wait_until(partial(self.home_address, name), f"{name} has its address")

    def run(self, command: str) -> None:
        answer = self.lab.command(PDSN, command)
        assert '"failed": 0' in answer.splitlines()[-1]

    def home_address(self, mobile: str) -> Any:
        return self.lab.query(mobile, "show ip interface")["address"]

    def home_agent(self, mobile: str) -> str:
        """The node at which a mobile is registered."""
        (node,) = (name for name in HOME_AGENTS if self.home_address(mobile).startswith(HOME_NETWORKS[name][:7]))
        return node

    def tunnels(self, node: str) -> Any:
        return self.lab.query(node, "show ip mobile tunnel")

    def dropped(self, node: str) -> dict[str, int]:
        return {reason: count for reason, count in self.tunnels(node)["dropped"].items() if count}

    def ping(self, node: str, address: str, *options: str) -> str:
        """What three echo requests have to say."""
        argv = ["ping", "-n", "-c3", "-i0.2", "-W20", *options, address]
        output, _ = self.lab.run(node, argv, stdout=subprocess.PIPE).communicate()
        return output.decode()

    def send(self, node: str, hop: tuple[str, str], *packets: Packet) -> None:
        """Send packets of any content from ``node`` to the next hop, a node and its interface."""
        ethernet = Ether(src=mac(self.lab, node, f"{node}-eth0"), dst=mac(self.lab, *hop))
        self.lab.send(node, [bytes(ethernet / packet) for packet in packets])
