"""The smallest chassis: one switch without VLANs, a PDSN, and home agents, as in the chapter's first example.

Tests and benchmarks run it in the lab; stock Mininet builds it as well (topologies/chassis.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from haslb_lab.chassis import programs
from haslb_lab.chassis.topology import LabTopology, NodePort, SwitchPort

SWITCH = "haslb1"
PDSN = "pdsn1"

VIRTUAL_SERVER = IPv4Address("10.1.1.10")
PDSN_ADDRESS = IPv4Address("10.1.1.101")
FIRST_HOME_AGENT = IPv4Address("10.1.1.51")
NETWORK = IPv4Network("10.1.1.0/24")


class OneSwitch(LabTopology):
    """One switch with the PDSN at port 1 and the home agents sami1, sami2, … from port 2 on.

    In dispatched mode each home agent holds the virtual address on its loopback. The controller is joined to the
    switch by a management link that is not a port of the switch. Without ``home_agent_programs`` a test starts the
    home agents itself.
    """

    def build(
        self,
        home_agents: int = 2,
        dispatched: bool = True,
        home_agent_programs: bool = True,
        pdsn_options: Sequence[str] = (),
        **_: Any,
    ) -> None:
        """Describe the nodes and links; Mininet calls this with the parameters that the topology was made with."""
        self.add_switch(SWITCH, datapath_id=1)
        self.add_node(PDSN, program=[*programs.pdsn(PDSN_ADDRESS, VIRTUAL_SERVER), *pdsn_options])
        self.attach(NodePort(PDSN, address=in_network(PDSN_ADDRESS)), SwitchPort(SWITCH, number=1))
        virtual = VIRTUAL_SERVER if dispatched else None
        for number in range(home_agents):
            name, address = f"sami{number + 1}", FIRST_HOME_AGENT + number
            program = programs.home_agent(address, dynamic_address=address, virtual_address=virtual)
            self.add_node(name, program=program if home_agent_programs else (), loopback=virtual)
            self.attach(NodePort(name, address=in_network(address)), SwitchPort(SWITCH, number=2 + number))
        self.add_controller(SWITCH)


def in_network(address: IPv4Address) -> IPv4Interface:
    """An address of this chassis, as interfaces are configured: with the prefix length of its network."""
    return IPv4Interface(f"{address}/{NETWORK.prefixlen}")
