"""The chassis: one switch, a PDSN, and home agents on SAMI blades, as in the chapter's first example.

Tests and benchmarks run it in the lab; stock Mininet builds it as well (topologies/chassis.py).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from mininet.topo import Topo

SWITCH = "haslb1"
CONTROLLER = "controller"
PDSN = "pdsn1"

VIRTUAL_SERVER = IPv4Address("10.1.1.10")
PDSN_ADDRESS = IPv4Address("10.1.1.101")
FIRST_HOME_AGENT = IPv4Address("10.1.1.51")
NETWORK = IPv4Network("10.1.1.0/24")

SWITCH_MANAGEMENT = IPv4Interface("169.254.219.1/30")
CONTROLLER_MANAGEMENT = IPv4Interface("169.254.219.2/30")


class Chassis(Topo):  # type: ignore[misc]
    """One switch with the PDSN at port 1 and the home agents sami1, sami2, … from port 2 on.

    In dispatched mode each home agent holds the virtual address on its loopback. The controller is joined to the
    switch by a management link that is no port of the switch.
    """

    def build(self, home_agents: int = 2, dispatched: bool = True, **_: Any) -> None:
        """Describe the nodes and links; Mininet calls this with the parameters that the topology was made with."""
        self.addSwitch(SWITCH, dpid="1")
        self.addHost(PDSN, ip=with_prefix(PDSN_ADDRESS), program=pdsn())
        self.addLink(PDSN, SWITCH, port1=0, port2=1)
        for number in range(home_agents):
            name, address = f"sami{number + 1}", FIRST_HOME_AGENT + number
            loopback = {"loopback": str(VIRTUAL_SERVER)} if dispatched else {}
            self.addHost(name, ip=with_prefix(address), program=home_agent(address, dispatched), **loopback)
            self.addLink(name, SWITCH, port1=0, port2=2 + number)
        self.addHost(CONTROLLER, ip=str(CONTROLLER_MANAGEMENT))
        self.addLink(CONTROLLER, SWITCH, port1=0, port2=0, params2={"ip": str(SWITCH_MANAGEMENT)})


def with_prefix(address: IPv4Address) -> str:
    """Write an address of the chassis' network with the prefix length, as interfaces are configured."""
    return f"{address}/{NETWORK.prefixlen}"


def pdsn() -> list[str]:
    """Command line of the PDSN, without what the lab adds to each node's."""
    return ["pdsn.py", "--address", str(PDSN_ADDRESS), "--home-agent", str(VIRTUAL_SERVER)]


def home_agent(address: IPv4Address, dispatched: bool) -> list[str]:
    """Command line of a home agent; it puts its own address into its replies (``dynamic-address``)."""
    virtual = ["--virtual-address", str(VIRTUAL_SERVER)] if dispatched else []
    return ["home_agent.py", "--address", str(address), "--dynamic-address", str(address), *virtual]
