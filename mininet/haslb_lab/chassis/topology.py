"""The vocabulary of all lab topologies: switches, nodes with their programs, and the cables between them.

Mininet hands the parameters of a topology to its parts as they are. Here each of them has one name and one place:

* a node has a ``program`` (its command line), ``routes``, ``forwarding``, a ``loopback`` and a ``mac``;
* an interface has an address, which is a parameter of its cable: ``ip``;
* a port of a switch has a name or a number, and VLANs: the ``tag`` of an access port, the ``trunks`` of a trunk.

:mod:`haslb_lab.chassis.parts` carries them out in Mininet; :mod:`haslb_lab.runner.network` adds what the lab needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, NamedTuple, Optional, Union

from mininet.topo import Topo

from haslb_lab.chassis.description import CONTROLLER, CONTROLLER_NETWORK
from haslb_lab.chassis.routing import Hop

SWITCH_MANAGEMENT, CONTROLLER_MANAGEMENT = (IPv4Interface(f"{host}/30") for host in CONTROLLER_NETWORK.hosts())


class SwitchPort(NamedTuple):
    """A port of a switch.

    ``name`` is the end of its interface's name, ``haslb1-fa3-15``, and ``number`` its number in OpenFlow; Mininet
    chooses those that are not given. It is an access port of ``vlan``, or a trunk that allows the VLANs of ``trunk``.
    With neither it is a trunk that allows every VLAN.
    """

    switch: str
    name: Optional[str] = None
    number: Optional[int] = None
    vlan: Optional[int] = None
    trunk: tuple[int, ...] = ()

    def link_parameters(self, end: int) -> dict[str, Any]:
        """The parameters of Mininet's ``addLink`` for a link whose first or second end (1 or 2) is this port."""
        parameters: dict[str, Any] = {f"params{end}": self._vlans()}
        if self.name is not None:
            parameters[f"intfName{end}"] = f"{self.switch}-{self.name}"
        if self.number is not None:
            parameters[f"port{end}"] = self.number
        return parameters

    def _vlans(self) -> dict[str, Any]:
        if self.trunk:
            return {"trunks": self.trunk}
        return {} if self.vlan is None else {"tag": self.vlan}


class NodePort(NamedTuple):
    """An interface of a node: its name, or a number for ``NODE-ethN``, and its address if it has one."""

    node: str
    interface: Union[str, int] = 0
    address: Optional[IPv4Interface] = None

    def link_parameters(self, end: int) -> dict[str, Any]:
        """The parameters of Mininet's ``addLink`` for a link whose first or second end (1 or 2) is this interface."""
        name = f"{self.node}-eth{self.interface}" if isinstance(self.interface, int) else self.interface
        return {f"intfName{end}": name, f"params{end}": {} if self.address is None else {"ip": str(self.address)}}


class LabTopology(Topo):  # type: ignore[misc]
    """Base of the lab's topologies. A subclass calls these methods in ``build``, which Mininet calls."""

    def add_switch(self, name: str, datapath_id: int, is_served: bool = True) -> None:
        """Add a switch. One that the balancer does not serve learns and forwards by itself."""
        mode = {} if is_served else {"failMode": "standalone"}
        self.addSwitch(name, dpid=f"{datapath_id:016x}", **mode)

    def add_node(  # noqa: PLR0913 - each by its name
        self,
        name: str,
        *,
        program: Sequence[str] = (),
        routes: Iterable[Hop] = (),
        forwarding: bool = False,
        loopback: Optional[IPv4Address] = None,
        mac: Optional[str] = None,
    ) -> None:
        """Add a node.

        ``program`` is its command line, without the options that the lab adds to each. With ``forwarding`` it is a
        router. It holds the address ``loopback`` without answering ARP for it (dispatched mode). ``mac`` is the
        Ethernet address of its first interface; Mininet numbers those that are not given.
        """
        given = {
            "program": list(program) or None,
            "forwarding": forwarding or None,
            "loopback": str(loopback) if loopback else None,
            "mac": mac,
        }
        pairs = [(str(hop.network), str(hop.next_hop)) for hop in routes]
        # Addresses belong to interfaces. Without ip=None Mininet would invent one for the node.
        self.addHost(name, ip=None, routes=pairs, **{key: value for key, value in given.items() if value is not None})

    def add_controller(self, switch: str, routes: Iterable[Hop] = ()) -> None:
        """Add the balancer's node and its management link.

        One link serves all switches, because one daemon runs them. Its far end belongs to the daemon and is not a port
        of ``switch``.
        """
        self.add_node(CONTROLLER, routes=routes)
        ends = {"params1": {"ip": str(CONTROLLER_MANAGEMENT)}, "params2": {"ip": str(SWITCH_MANAGEMENT)}}
        self.addLink(CONTROLLER, switch, port1=0, port2=0, **ends)

    def attach(self, node: NodePort, switch: SwitchPort) -> None:
        """Cable an interface of a node to a port of a switch."""
        self.addLink(node.node, switch.switch, **node.link_parameters(1), **switch.link_parameters(2))

    def link_switches(self, one: SwitchPort, other: SwitchPort) -> None:
        """Cable two ports of switches to each other."""
        self.addLink(one.switch, other.switch, **one.link_parameters(1), **other.link_parameters(2))

    def link_nodes(self, one: NodePort, other: NodePort) -> None:
        """Cable two interfaces of nodes to each other."""
        self.addLink(one.node, other.node, **one.link_parameters(1), **other.link_parameters(2))
