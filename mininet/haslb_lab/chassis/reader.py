"""Reading a chassis description (docs/lab/chassis.md has the format)."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Optional

import yaml

from haslb_lab.chassis import values
from haslb_lab.chassis.checks import check
from haslb_lab.chassis.description import (
    Balancer,
    Chassis,
    Description,
    HomeAgent,
    Host,
    IpsecModule,
    LineCardPort,
    Link,
    ModulePort,
    Pdsn,
    PortName,
    Route,
    Vlan,
)
from haslb_lab.chassis.fields import Fields, Notes, PartError, read_text
from ryu_haslb.configuration.yaml.nodes import (
    NodeError,
    compose,
    flag_of,
    items,
    line_of_node,
    text_of,
)
from ryu_haslb.configuration.yaml.values import datapath_of
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.wording import quoted

#: The home networks of home agents without ``home_network``, in the order of the file.
HOME_NETWORKS = tuple(IPv4Network(f"10.{second}.0.0/16") for second in range(201, 256))


#: A PDSN's own name for its port, as in the chapter.
DEFAULT_INTERFACE = "FastEthernet1/0"


def read_description(path: Path) -> Description:
    """Read and check a description file and the files that it names.

    Raises: ConfigurationError with every error found, each with file, line and what was expected.
    """
    diagnostics = Diagnostics(str(path))
    reader = _Reader(path, Notes(diagnostics))
    description = None
    with reader.notes.noting():
        description = reader.description(
            read_text(path, "a chassis description, such as topologies/shapes/two-pdsns.yaml")
        )
    diagnostics.stop_on_errors()
    assert description is not None, "what is missing has been noted"
    check(description, diagnostics)
    return description


class _Reader:
    """Makes the parts of a description from YAML nodes. Methods raise NodeError or PartError for a part with errors."""

    def __init__(self, path: Path, notes: Notes) -> None:
        self.path = path
        self.notes = notes
        self.chassis_count = 0
        self.home_agent_count = 0

    def description(self, text: str) -> Description:
        root = compose(text)
        keys = ("balancer", "chassis", "links", "pdsns", "hosts")
        if root is None:
            raise NodeError(0, f"nothing in it; expected the keys {', '.join(keys)}")
        found = Fields(self.notes, root, "the description", keys)
        balancer = found.need("balancer", self.balancer)
        chassis = found.need("chassis", lambda node: self.notes.each(node, "chassis", self.chassis))
        links = found.each_item("links", self.link)
        pdsns = found.each("pdsns", self.pdsn)
        hosts = found.each("hosts", self.host)
        found.finish()
        by_name = {each.name: each for each in chassis}
        return Description(self.path, balancer, by_name, tuple(links), tuple(pdsns), tuple(hosts))

    def balancer(self, node: yaml.Node) -> Balancer:
        found = Fields(self.notes, node, "the balancer", ("configuration", "vlan", "address"))
        configuration = found.need("configuration", self.file)
        vlan = found.get("vlan", partial(values.vlan_of, what="the balancer's VLAN"))
        address = found.get("address", partial(values.interface_of, what="the balancer's address"))
        found.finish()
        if (vlan is None) != (address is None):
            raise NodeError(line_of_node(node), "expected both of 'vlan' and 'address' of the balancer, or none")
        return Balancer(configuration, vlan, address, line_of_node(node))

    def chassis(self, name: str, line: int, node: yaml.Node) -> Chassis:
        self.chassis_count += 1
        number = self.chassis_count
        what = f"chassis {quoted(name)}"
        values.name_of(name, line, "the name of a chassis")
        keys = ("supervisor", "vlans", "line_cards", "ipsec_module", "sami", "routes")
        found = Fields(self.notes, node, what, keys)
        supervisor = found.need("supervisor", self.supervisor)
        vlans = found.each("vlans", self.vlan)
        line_cards = found.each("line_cards", self.line_card_port)
        module = found.get("ipsec_module", partial(self.ipsec_module, f"ipsec{number}"))
        slots = found.each("sami", self.sami)
        routes = found.each_item("routes", self.route)
        found.finish()
        return Chassis(
            name,
            *supervisor,
            f"msfc{number}",
            {each.number: each for each in vlans},
            self.by_name(line_cards),
            module,
            tuple(agent for slot in slots for agent in slot),
            tuple(routes),
            line,
        )

    def supervisor(self, node: yaml.Node) -> tuple[str, Optional[int]]:
        found = Fields(self.notes, node, "the supervisor", ("switch", "datapath_id"))
        what = "the name of a switch"
        switch = found.need("switch", lambda each: values.name_of(text_of(each, what), line_of_node(each), what))
        datapath_id = found.get("datapath_id", datapath_of)
        found.finish()
        return switch, datapath_id

    def vlan(self, name: str, line: int, node: yaml.Node) -> Vlan:
        number = values.vlan(name, line, "a VLAN")
        found = Fields(self.notes, node, f"VLAN {number}", ("interface",))
        interface = found.get("interface", partial(values.interface_of, what=f"the interface of VLAN {number}"))
        found.finish()
        return Vlan(number, interface, line)

    def line_card_port(self, name: str, line: int, node: yaml.Node) -> LineCardPort:
        port = values.port_name(name, line)
        found = Fields(self.notes, node, str(port), ("vlan", "trunk", "crypto_connect_vlan"))
        vlan = found.get("vlan", partial(values.vlan_of, what=f"the VLAN of {port}"))
        trunk = found.get("trunk", partial(values.vlans_of, what=f"the trunk of {port}")) or ()
        crypto = found.get("crypto_connect_vlan", partial(values.vlan_of, what="the VLAN that has the crypto map"))
        found.finish()
        if ("vlan" in found) == ("trunk" in found):
            raise NodeError(line, f"{port} is an access port or a trunk; expected one of 'vlan' and 'trunk'")
        if crypto is not None and vlan is None:
            raise NodeError(line, f"{port} has a crypto_connect_vlan; expected an access port, with 'vlan'")
        return LineCardPort(port, vlan, trunk, crypto, line)

    def by_name(self, ports: list[LineCardPort]) -> dict[PortName, LineCardPort]:
        """FastEthernet3/15 and Fa3/15 are different keys and the same port."""
        found: dict[PortName, LineCardPort] = {}
        for port in ports:
            with self.notes.noting():
                if found.setdefault(port.name, port) is not port:
                    raise NodeError(port.line, f"{port.name} is already given in line {found[port.name].line}")
        return found

    def ipsec_module(self, name: str, node: yaml.Node) -> IpsecModule:
        found = Fields(self.notes, node, "the IPsec module", ("inside", "outside"))
        inside = found.need("inside", partial(self.module_port, "inside"))
        outside = found.need("outside", partial(self.module_port, "outside"))
        found.finish()
        return IpsecModule(name, inside, outside, line_of_node(node))

    def module_port(self, side: str, node: yaml.Node) -> ModulePort:
        what = f"the {side} port of the IPsec module"
        found = Fields(self.notes, node, what, ("port", "allowed_vlans"))
        port = found.need("port", partial(values.port_name_of, what=what))
        allowed = found.need("allowed_vlans", partial(values.vlans_of, what=f"what {what} allows"))
        found.finish()
        return ModulePort(port, allowed, line_of_node(node))

    def sami(self, name: str, line: int, node: yaml.Node) -> list[HomeAgent]:
        slot = values.slot_of(name, line)
        found = Fields(self.notes, node, f"the SAMI in slot {slot}", ("vlan", "home_agents"))
        vlan = found.need("vlan", partial(values.vlan_of, what=f"the VLAN of the SAMI in slot {slot}"))
        names: list[str] = []

        def home_agent(name: str, line: int, node: yaml.Node) -> HomeAgent:
            names.append(name)
            return self.home_agent(name, line, node, (slot, len(names), vlan))

        agents = found.each("home_agents", home_agent)
        found.finish()
        if not names:
            raise NodeError(line, f"the SAMI in slot {slot} has no home agents; expected some, or no such slot")
        return agents

    def home_agent(self, name: str, line: int, node: yaml.Node, place: tuple[int, int, int]) -> HomeAgent:
        """``place`` is the slot, the number in it, and the VLAN."""
        default = HOME_NETWORKS[self.home_agent_count % len(HOME_NETWORKS)]
        self.home_agent_count += 1
        values.node_name_of(name, line, "the name of a home agent")
        found = Fields(self.notes, node, f"home agent {quoted(name)}", ("address", "configuration", "home_network"))
        address = found.need("address", partial(values.interface_of, what=f"the address of {name}"))
        home_network = found.get("home_network", partial(values.home_network_of, what=f"the home network of {name}"))
        configuration = found.get("configuration", self.file)
        found.finish()
        return HomeAgent(name, *place, address, home_network or default, configuration, line)

    def route(self, node: yaml.Node) -> Route:
        found = Fields(self.notes, node, "a route", ("network", "next_hop"))
        network = found.need("network", partial(values.network_of, what="the network of a route"))
        next_hop = found.need("next_hop", partial(values.address_of, what="the next hop of a route"))
        found.finish()
        return Route(network, next_hop, line_of_node(node))

    def link(self, node: yaml.Node) -> Link:
        ends = self.notes.each_item(node, "the two ends of a link", values.attachment_of)
        if len(items(node, "ends")) != 2:
            expected = "[SLB-7600 GigabitEthernet1/1, HA-7600 GigabitEthernet1/1]"
            raise NodeError(line_of_node(node), f"expected a link's two ends, such as {expected}")
        if len(ends) != 2:
            raise PartError
        return Link((ends[0], ends[1]), line_of_node(node))

    def pdsn(self, name: str, line: int, node: yaml.Node) -> Pdsn:
        values.node_name_of(name, line, "the name of a PDSN")
        keys = ("port", "interface", "address", "home_agent", "configuration", "gateway", "mobiles", "reverse_tunnel")
        found = Fields(self.notes, node, f"PDSN {quoted(name)}", keys)
        attachment = found.need("port", values.attachment_of)
        interface = found.get("interface", partial(values.router_port_of, what="the PDSN's own interface"))
        address = found.need("address", partial(values.interface_of, what=f"the address of {name}"))
        home_agent = found.need("home_agent", partial(values.address_of, what="where requests go"))
        configuration = found.get("configuration", self.file)
        gateway = found.get("gateway", partial(values.address_of, what="the PDSN's router"))
        mobiles = found.each("mobiles", self.mobile)
        reverse_tunnel = found.get("reverse_tunnel", partial(flag_of, what="reverse_tunnel")) or False
        found.finish()
        return Pdsn(
            name,
            attachment,
            interface or DEFAULT_INTERFACE,
            address,
            home_agent,
            configuration,
            gateway,
            dict(mobiles),
            reverse_tunnel,
            line,
        )

    def mobile(self, name: str, line: int, node: yaml.Node) -> tuple[str, int]:
        return values.node_name_of(name, line, "the name of a mobile"), values.user_of(node, f"the user that {name} is")

    def host(self, name: str, line: int, node: yaml.Node) -> Host:
        values.node_name_of(name, line, "the name of a host")
        found = Fields(self.notes, node, f"host {quoted(name)}", ("port", "address", "gateway"))
        attachment = found.need("port", values.attachment_of)
        address = found.need("address", partial(values.interface_of, what=f"the address of {name}"))
        gateway = found.get("gateway", partial(values.address_of, what=f"the router of {name}"))
        found.finish()
        return Host(name, attachment, address, gateway, line)

    def file(self, node: yaml.Node) -> Path:
        return values.file_of(node, self.path.parent)
