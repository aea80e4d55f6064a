"""The topology of a cluster: two switches with a PDSN and a home agent each, members, and database servers.

The node ``controller`` is the router of the management network: behind it are the members and the database servers,
each in a namespace of its own, and before it is the daemon of the switches. So any two of them can be cut off from each
other there. A member has an address for each switch; the first is also that to the database::

    pdsn1 sami1     pdsn2 sami2          east 10.254.1.1, .2    database1 10.255.1.1
       |   |           |   |             west 10.254.2.1, .2    database2 10.255.2.1
      haslb1 --------- haslb2                    |                      |
          \\ ovs-vswitchd /  ------------- controller ------------------+
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import NETWORK, VIRTUAL_SERVER, in_network
from haslb_lab.chassis.routing import Hop
from haslb_lab.chassis.topology import CONTROLLER_MANAGEMENT, SWITCH_MANAGEMENT, LabTopology, NodePort, SwitchPort

#: The switches by their numbers, which are their datapath ids.
SWITCHES = {1: "haslb1", 2: "haslb2"}
PDSNS = {1: "pdsn1", 2: "pdsn2"}
HOME_AGENTS = {"sami1": IPv4Address("10.1.1.51"), "sami2": IPv4Address("10.1.1.52")}
MEMBERS = ("east", "west", "north")
DATABASES = (1, 2, 3)
#: The networks of members (10.254) and database servers (10.255).
BEHIND_ROUTER = IPv4Network("10.254.0.0/15")
#: The chassis' own Ethernet address at a switch, which the PDSN there sends to.
CHASSIS_MAC = "02:51:b7:00:00:{:02x}"

CONFIGURATION = f"""\
ip slb serverfarm HAFARM
  real {HOME_AGENTS["sami1"]}
    weight 1
    inservice
  real {HOME_AGENTS["sami2"]}
    weight 1
    inservice
!
ip slb vserver MIPSLB
  virtual {VIRTUAL_SERVER} udp 434 service ipmobile
  serverfarm HAFARM
  idle ipmobile request 7200
  inservice
"""


class ClusterChassis(LabTopology):
    """The switches with their nodes, the router, ``members`` members and three database servers."""

    def build(self, members: int = 2, **_: Any) -> None:
        """Describe the nodes and links; Mininet calls this with the parameters that the topology was made with."""
        for number, switch in SWITCHES.items():
            self.add_switch(switch, datapath_id=number)
            self.add_node(PDSNS[number])
            pdsn = IPv4Interface(f"{NETWORK.network_address + 100 + number}/{NETWORK.prefixlen}")
            self.attach(NodePort(PDSNS[number], address=pdsn), SwitchPort(switch, number=1))
            agent = f"sami{number}"
            self.add_node(agent, loopback=VIRTUAL_SERVER)
            self.attach(NodePort(agent, address=in_network(HOME_AGENTS[agent])), SwitchPort(switch, number=2))
        self.link_switches(SwitchPort("haslb1", number=3), SwitchPort("haslb2", number=3))
        self.add_node(CONTROLLER, forwarding=True)
        ends = {"params1": {"ip": str(CONTROLLER_MANAGEMENT)}, "params2": {"ip": str(SWITCH_MANAGEMENT)}}
        self.addLink(CONTROLLER, "haslb1", port1=0, port2=0, **ends)
        for place, name in enumerate(MEMBERS[:members], 1):
            self._add_behind(name, place, member_address(name, 1))
        for server in DATABASES:
            self._add_behind(database_node(server), members + server, database_address(server))

    def _add_behind(self, name: str, port: int, address: IPv4Address) -> None:
        """Add a node behind the router."""
        router = IPv4Interface(f"{_router_of(address)}/24")
        self.add_node(name, routes=[Hop(network, router.ip) for network in (BEHIND_ROUTER, SWITCH_MANAGEMENT.network)])
        self.link_nodes(NodePort(name, 0, IPv4Interface(f"{address}/24")), NodePort(CONTROLLER, port, router))


def member_address(name: str, switch: int) -> IPv4Address:
    """The address of a member for a switch, and for the database by that of the first switch."""
    return IPv4Address(f"10.254.{MEMBERS.index(name) + 1}.{switch}")


def database_address(server: int) -> IPv4Address:
    """The address of a database server."""
    return IPv4Address(f"10.255.{server}.1")


def database_node(server: int) -> str:
    """The node that a database server runs in."""
    return f"database{server}"


def _router_of(address: IPv4Address) -> IPv4Address:
    return IPv4Address(int(address) // 256 * 256 + 254)
