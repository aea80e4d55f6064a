"""A chassis description as a Mininet topology.

The lab runs it (docs/lab/chassis.md). Stock Mininet builds the same network without its programs
(topologies/cisco7600.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Union

from haslb_lab.chassis import programs
from haslb_lab.chassis.description import CONTROLLER, Attachment, Chassis, Description, HomeAgent, Pdsn
from haslb_lab.chassis.parts import RoutingHost, VlanSwitch
from haslb_lab.chassis.reader import read_description
from haslb_lab.chassis.routing import Routing
from haslb_lab.chassis.segments import Place
from haslb_lab.chassis.topology import LabTopology, NodePort, SwitchPort

#: The first datapath id of ordinary switches. They never connect to a balancer.
_ORDINARY_DATAPATHS = 0x76000000


class Cisco7600(LabTopology):
    """The nodes, links, VLANs, routes and programs of a description, which may be given as its file."""

    def build(self, description: Union[Description, str, Path], **_: Any) -> None:
        """Describe the nodes and links; Mininet calls this with the parameters that the topology was made with."""
        if not isinstance(description, Description):
            description = read_description(Path(description))
        self.description = description
        self._routing = Routing(description)
        for number, chassis in enumerate(description.chassis.values()):
            self._add_chassis(chassis, _ORDINARY_DATAPATHS + number)
        self._add_balancer()
        for link in description.links:
            one, other = (self._switch_port(end) for end in link.ends)
            self.link_switches(one, other)
        for pdsn in description.pdsns:
            self._add_pdsn(pdsn)
        for host in description.hosts:
            self.add_node(host.name, routes=self._routing.of_attached(host))
            self.attach(NodePort(host.name, address=host.address), self._switch_port(host.attachment))

    def _add_chassis(self, chassis: Chassis, ordinary: int) -> None:
        is_served = chassis.datapath_id is not None
        self.add_switch(chassis.switch, ordinary if chassis.datapath_id is None else chassis.datapath_id, is_served)
        self.add_node(chassis.msfc, routes=self._routing.of_msfc(chassis), forwarding=True)
        for vlan, address in chassis.interfaces.items():
            interface = NodePort(chassis.msfc, f"{chassis.msfc}-vlan{vlan}", address)
            self.attach(interface, SwitchPort(chassis.switch, f"vlan{vlan}", vlan=vlan))
        self._add_ipsec_module(chassis)
        for agent in chassis.home_agents:
            self._add_home_agent(chassis, agent)

    def _add_ipsec_module(self, chassis: Chassis) -> None:
        """Add the IPsec module. It has no address: it joins two VLANs as a bump in the wire."""
        module = chassis.ipsec_module
        if module is None:
            return
        configuration = self.description.balancer.configuration
        pairs = [(port.crypto_connect_vlan, port.vlan) for port in chassis.line_cards.values()]
        connected = [(inside, outside) for inside, outside in pairs if inside is not None and outside is not None]
        program = programs.ipsec_module(module.node, configuration, *connected[0]) if connected else ()
        self.add_node(module.node, program=program)
        for side, end in (("inside", module.inside), ("outside", module.outside)):
            port = SwitchPort(chassis.switch, end.name.short, trunk=tuple(end.allowed_vlans))
            self.attach(NodePort(module.node, f"{module.node}-{side}"), port)

    def _add_home_agent(self, chassis: Chassis, agent: HomeAgent) -> None:
        program = programs.home_agent(
            agent.address.ip,
            home_network=agent.home_network,
            configuration=agent.configuration,
            tunnels=self.description.tunnels,
        )
        routes = self._routing.of_host(Place(chassis.name, agent.vlan), without=[agent.home_network])
        self.add_node(agent.name, program=program, routes=routes)
        port = SwitchPort(chassis.switch, f"sami{agent.slot}-{agent.number}", vlan=agent.vlan)
        self.attach(NodePort(agent.name, address=agent.address), port)

    def _add_pdsn(self, pdsn: Pdsn) -> None:
        has_crypto = pdsn.configuration is not None and _has_crypto(pdsn.configuration)
        links = {mobile: f"{pdsn.name}-eth{number}" for number, mobile in enumerate(pdsn.mobiles, 1)}
        program = programs.pdsn(
            pdsn.address.ip,
            pdsn.home_agent,
            configuration=pdsn.configuration if has_crypto else None,
            interface=pdsn.interface if has_crypto else None,
            reverse_tunnel=pdsn.reverse_tunnel,
            mobiles={pdsn.mobiles[mobile]: link for mobile, link in links.items()},
        )
        self.add_node(pdsn.name, program=program, routes=self._routing.of_attached(pdsn))
        self.attach(NodePort(pdsn.name, address=pdsn.address), self._switch_port(pdsn.attachment))
        for mobile, link in links.items():
            interface = f"{mobile}-eth0"
            self.add_node(mobile, program=programs.mobile_node(interface, self._routing.networks()))
            self.link_nodes(NodePort(pdsn.name, link), NodePort(mobile, interface))

    def _add_balancer(self) -> None:
        """The balancer's node, and its place in a VLAN of the first supervisor if it has one."""
        first, balancer = self.description.supervisors[0], self.description.balancer
        if balancer.vlan is None or balancer.address is None:
            self.add_controller(first.switch)
            return
        self.add_controller(first.switch, self._routing.of_host(Place(first.name, balancer.vlan)))
        port = SwitchPort(first.switch, "sup", vlan=balancer.vlan)
        self.attach(NodePort(CONTROLLER, 1, balancer.address), port)

    def _switch_port(self, attachment: Attachment) -> SwitchPort:
        """The port of a switch where a cable ends."""
        chassis, port = self.description.chassis[attachment.chassis], self.description.port_at(attachment)
        return SwitchPort(chassis.switch, port.name.short, vlan=port.vlan, trunk=tuple(port.trunk))


def _has_crypto(configuration: Path) -> bool:
    """Whether a PDSN's file has crypto commands."""
    lines = configuration.read_text("utf-8").splitlines()
    return any(line.split()[:1] == ["crypto"] for line in lines)


class StockCisco7600(Cisco7600):
    """The topology for stock Mininet, whose own hosts have no routes and whose switches have no VLANs.

    The switches run in user space, as in the lab. Without a controller they learn and forward.
    """

    def addHost(self, name: str, **parameters: Any) -> str:  # noqa: N802 - Mininet's name
        """Add a host that has routes."""
        return str(super().addHost(name, cls=RoutingHost, **parameters))

    def addSwitch(self, name: str, **parameters: Any) -> str:  # noqa: N802 - Mininet's name
        """Add a switch that has VLANs."""
        return str(super().addSwitch(name, cls=VlanSwitch, datapath="user", **{**parameters, "failMode": "standalone"}))
