"""A chassis description as a Mininet topology.

The lab runs it (docs/chassis.md). Stock Mininet builds the same network without its programs
(topologies/cisco7600.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from mininet.topo import Topo

from haslb_lab.chassis.description import (
    CONTROLLER,
    CONTROLLER_NETWORK,
    Attachment,
    Chassis,
    Description,
    HomeAgent,
    IpsecModule,
    LineCardPort,
    Pdsn,
)
from haslb_lab.chassis.parts import RoutingHost, VlanSwitch
from haslb_lab.chassis.reader import read_description
from haslb_lab.chassis.routing import Hop, Routing
from haslb_lab.chassis.segments import Place

SWITCH_MANAGEMENT, CONTROLLER_MANAGEMENT = (f"{host}/30" for host in CONTROLLER_NETWORK.hosts())

#: Datapath ids of switches without a balancer: these and up. They never connect to one.
_ORDINARY_DATAPATHS = 0x76000000


class SwitchPort(NamedTuple):
    """A port of a switch: what its name ends in, and its VLANs as parameters of the link."""

    switch: str
    end: str
    vlans: dict[str, Any]


class Cisco7600(Topo):  # type: ignore[misc]
    """The nodes, links, VLANs, routes and programs of a description, which may be given as its file."""

    def build(self, description: Union[Description, str, Path], **_: Any) -> None:
        """Describe the nodes and links; Mininet calls this with the parameters that the topology was made with."""
        if not isinstance(description, Description):
            description = read_description(Path(description))
        self.description = description
        self._routing = Routing(description)
        for number, chassis in enumerate(description.chassis.values()):
            self._add_chassis(chassis, _ORDINARY_DATAPATHS + number)
        self._add_controller()
        for link in description.links:
            (first, second), cards = link.ends, [description.port_at(end) for end in link.ends]
            one, other = (description.chassis[end.chassis] for end in (first, second))
            self.addLink(
                one.switch,
                other.switch,
                intfName1=one.switch_port(first.port.short),
                intfName2=other.switch_port(second.port.short),
                params1=_vlans(cards[0]),
                params2=_vlans(cards[1]),
            )
        for pdsn in description.pdsns:
            self._add_pdsn(pdsn)
        for host in description.hosts:
            self._add_host(host.name, self._routing.of_attached(host))
            self._attach(host.name, host.address, host.attachment)

    def _add_chassis(self, chassis: Chassis, ordinary: int) -> None:
        if chassis.datapath_id is None:
            self.addSwitch(chassis.switch, dpid=f"{ordinary:016x}", failMode="standalone")
        else:
            self.addSwitch(chassis.switch, dpid=f"{chassis.datapath_id:016x}")
        self._add_host(chassis.msfc, self._routing.of_msfc(chassis), forwarding=True)
        for vlan, interface in chassis.interfaces.items():
            end = f"vlan{vlan}"
            self._join(chassis.msfc, f"{chassis.msfc}-{end}", interface, SwitchPort(chassis.switch, end, {"tag": vlan}))
        self._add_ipsec_module(chassis)
        for agent in chassis.home_agents:
            self._add_home_agent(chassis, agent)

    def _add_ipsec_module(self, chassis: Chassis) -> None:
        """The module has no address: it joins two VLANs as a bump in the wire."""
        module = chassis.ipsec_module
        if module is None:
            return
        port = next((each for each in chassis.line_cards.values() if each.crypto_connect_vlan), None)
        self._add_host(module.node, program=_ipsec_module(self.description, module, port) if port else None)
        for side, end in (("inside", module.inside), ("outside", module.outside)):
            trunks = {"trunks": end.allowed_vlans}
            self._join(module.node, f"{module.node}-{side}", None, SwitchPort(chassis.switch, end.name.short, trunks))

    def _add_home_agent(self, chassis: Chassis, agent: HomeAgent) -> None:
        routes = self._routing.of_host(Place(chassis.name, agent.vlan), without=[agent.home_network])
        self._add_host(agent.name, routes, program=_home_agent(agent, self.description.tunnels))
        end = f"sami{agent.slot}-{agent.number}"
        self._join(
            agent.name, f"{agent.name}-eth0", agent.address, SwitchPort(chassis.switch, end, {"tag": agent.vlan})
        )

    def _add_pdsn(self, pdsn: Pdsn) -> None:
        self._add_host(pdsn.name, self._routing.of_attached(pdsn), program=_pdsn(pdsn))
        self._attach(pdsn.name, pdsn.address, pdsn.attachment)
        networks = [word for network in self._routing.networks() for word in ("--network", str(network))]
        for number, mobile in enumerate(pdsn.mobiles, 1):
            self._add_host(mobile, program=["mobile_node.py", "--interface", f"{mobile}-eth0", *networks])
            self.addLink(pdsn.name, mobile, intfName1=f"{pdsn.name}-eth{number}", intfName2=f"{mobile}-eth0")

    def _add_controller(self) -> None:
        """One management link serves all switches: one daemon runs them. Its end there is no port of a switch."""
        first, balancer = self.description.supervisors[0], self.description.balancer
        in_vlan = balancer.vlan is not None and balancer.address is not None
        routes = self._routing.of_host(Place(first.name, balancer.vlan)) if balancer.vlan is not None else ()
        self._add_host(CONTROLLER, routes)
        management = {"params1": {"ip": CONTROLLER_MANAGEMENT}, "params2": {"ip": SWITCH_MANAGEMENT}}
        self.addLink(CONTROLLER, first.switch, port1=0, port2=0, **management)
        if in_vlan:
            port = SwitchPort(first.switch, "sup", {"tag": balancer.vlan})
            self._join(CONTROLLER, f"{CONTROLLER}-eth1", balancer.address, port)

    def _add_host(self, name: str, routes: Iterable[Hop] = (), **parameters: Any) -> None:
        """Addresses belong to interfaces; without ``ip=None`` Mininet would invent one."""
        pairs = [(str(hop.network), str(hop.next_hop)) for hop in routes]
        self.addHost(name, ip=None, routes=pairs, **parameters)

    def _attach(self, name: str, address: IPv4Interface, attachment: Attachment) -> None:
        chassis, port = self.description.chassis[attachment.chassis], self.description.port_at(attachment)
        self._join(name, f"{name}-eth0", address, SwitchPort(chassis.switch, port.name.short, _vlans(port)))

    def _join(self, node: str, interface: str, address: Optional[IPv4Interface], port: SwitchPort) -> None:
        """Link a node's interface to a port of a switch."""
        self.addLink(
            node,
            port.switch,
            intfName1=interface,
            intfName2=f"{port.switch}-{port.end}",
            params1={"ip": str(address)} if address else {},
            params2=port.vlans,
        )


def _vlans(port: LineCardPort) -> dict[str, Any]:
    return {"trunks": port.trunk} if port.vlan is None else {"tag": port.vlan}


def _home_agent(agent: HomeAgent, tunnels: bool) -> list[str]:
    """The command lines of programs are without what the lab adds to each."""
    configuration = ["--config", str(agent.configuration.resolve())] if agent.configuration else []
    return [
        "home_agent.py",
        *("--address", str(agent.address.ip)),
        *("--home-network", str(agent.home_network)),
        *configuration,
        *(["--tunnels"] if tunnels else []),
    ]


def _pdsn(pdsn: Pdsn) -> list[str]:
    argv = ["pdsn.py", "--address", str(pdsn.address.ip), "--home-agent", str(pdsn.home_agent)]
    if pdsn.configuration is not None and _has_crypto(pdsn.configuration):
        argv += ["--config", str(pdsn.configuration.resolve()), "--interface", pdsn.interface]
    if pdsn.mobiles or pdsn.reverse_tunnel:
        argv += ["--tunnels"]
    if pdsn.reverse_tunnel:
        argv += ["--reverse-tunnel"]
    for number, user in enumerate(pdsn.mobiles.values(), 1):
        argv += ["--mobile", f"{user}={pdsn.name}-eth{number}"]
    return argv


def _ipsec_module(description: Description, module: IpsecModule, port: LineCardPort) -> list[str]:
    return [
        "ipsec_module.py",
        *("--config", str(description.balancer.configuration.resolve())),
        *("--interface", f"Vlan{port.crypto_connect_vlan}"),
        *("--inside", f"{module.node}-inside", "--outside", f"{module.node}-outside"),
        *("--inside-vlan", str(port.crypto_connect_vlan), "--outside-vlan", str(port.vlan)),
    ]


def _has_crypto(configuration: Path) -> bool:
    """Whether a PDSN's file is about IPsec; without that it is not protected."""
    lines = configuration.read_text("utf-8").splitlines()
    return any(line.split()[:1] == ["crypto"] for line in lines)


class StockCisco7600(Cisco7600):
    """The same for stock Mininet, whose own hosts and switches know no routes and no VLANs.

    The switches run in user space, as in the lab, and without a controller they learn and forward.
    """

    def addHost(self, name: str, **parameters: Any) -> str:  # noqa: N802 - Mininet's name
        """Add a host that has routes."""
        return str(super().addHost(name, cls=RoutingHost, **parameters))

    def addSwitch(self, name: str, **parameters: Any) -> str:  # noqa: N802 - Mininet's name
        """Add a switch that has VLANs."""
        return str(super().addSwitch(name, cls=VlanSwitch, datapath="user", **{**parameters, "failMode": "standalone"}))
