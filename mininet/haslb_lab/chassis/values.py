"""The values of a description. Those of IOS are parsed by :mod:`ryu_haslb.language.values`; errors name the line."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import yaml

from haslb_lab.chassis.description import Attachment, PortName
from ryu_haslb.configuration.yaml.nodes import NodeError, line_of_node, number_of, parsed, parsed_text, text_of
from ryu_haslb.language import values
from ryu_haslb.language.wording import listed, quoted

#: The highest slot of the largest chassis of the series (Cisco 7613), and the highest port of a line card.
MAX_SLOT = 13
MAX_PORT = 96
#: Characters of an interface's name in Linux (IFNAMSIZ without the final zero).
MAX_INTERFACE_NAME = 15

MAX_NODE_NAME = MAX_INTERFACE_NAME - len("-eth0")


def name_of(text: str, line: int, what: str) -> str:
    """A name as IOS prompts have it."""
    if not re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,62}", text):
        raise NodeError(line, f"expected {what} of letters, digits and hyphens, such as SLB-7600, not {quoted(text)}")
    return text


def node_name_of(text: str, line: int, what: str) -> str:
    """A name that a Mininet host can have: with ``-eth0`` it is an interface of Linux."""
    if len(name_of(text, line, what)) > MAX_NODE_NAME:
        raise NodeError(
            line,
            f"{quoted(text)} is too long for a node; expected {what} of at most {MAX_NODE_NAME} characters, because "
            f"Linux allows {MAX_INTERFACE_NAME} for an interface such as {quoted(text[:MAX_NODE_NAME] + '-eth0')}",
        )
    return text


def address_of(node: yaml.Node, what: str) -> IPv4Address:
    """An IPv4 address."""
    return parsed(node, f"{what}, an address such as 15.1.1.10", values.host_address)


def interface_of(node: yaml.Node, what: str) -> IPv4Interface:
    """An address with the prefix length of its network."""
    return parsed(node, f"{what}, an address with prefix length such as 10.1.1.51/24", values.interface_address)


def network_of(node: yaml.Node, what: str) -> IPv4Network:
    """A network whose address has no bits beyond its prefix."""
    expected = f"{what}, a network such as 10.201.0.0/16"
    return parsed(node, expected, lambda text: values.network(*values.address_and_length(text)))


def home_network_of(node: yaml.Node, what: str) -> IPv4Network:
    """A network whose addresses hosts can have."""
    network = network_of(node, what)
    parsed_text(str(network.network_address), line_of_node(node), f"{what} of host addresses", values.host_address)
    return network


def vlan_of(node: yaml.Node, what: str) -> int:
    """The number of a VLAN as a value."""
    return vlan(text_of(node, what), line_of_node(node), what)


def vlan(text: str, line: int, what: str) -> int:
    """The number of a VLAN."""
    return parsed_text(text, line, f"{what}, a number from 1 to {values.MAX_VLAN}", values.vlan)


def user_of(node: yaml.Node, what: str) -> int:
    """The number of a user, as in the PDSN's command ``register 1 100``."""
    text = number_of(node, what)
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise NodeError(line_of_node(node), f"expected {what}, a number from 1, not {quoted(text)}")
    return int(text)


def slot_of(text: str, line: int) -> int:
    """The number of a chassis' slot."""
    expected = f"a slot, a number from 1 to {MAX_SLOT}"
    return parsed_text(text, line, expected, lambda text: values.decimal(text, 1, MAX_SLOT))


def vlans_of(node: yaml.Node, what: str) -> tuple[int, ...]:
    """The VLANs of a trunk, as after ``switchport trunk allowed vlan``: ``1,15,1002-1005``."""
    return tuple(sorted(parsed(node, f"{what}, VLANs such as '1,15,1002-1005'", values.vlans)))


def port_name(text: str, line: int) -> PortName:
    """The name of a port of the chassis. Which slots and ports there are is a matter of the 7600."""
    expected = f"a port such as FastEthernet3/15 ({listed(values.PORT_KINDS)}, slot, port)"
    kind, number = parsed_text(text, line, expected, values.port_name)
    place = [int(part) for part in number.split("/")]
    if len(place) != 2 or not (1 <= place[0] <= MAX_SLOT and place[1] <= MAX_PORT):
        expected = f"a port such as FastEthernet3/15: a slot from 1 to {MAX_SLOT}, a port up to {MAX_PORT}"
        raise NodeError(line, f"a 7600 has no port {kind}{number}; expected {expected}")
    return PortName(kind, *place)


def port_name_of(node: yaml.Node, what: str) -> PortName:
    """The name of a port of the chassis as a value."""
    return port_name(text_of(node, f"{what}, a port such as GigabitEthernet6/1"), line_of_node(node))


def router_port_of(node: yaml.Node, what: str) -> str:
    """The name of a port of another router, such as a PDSN, in full: any that IOS can have."""
    return "".join(parsed(node, f"{what}, a port such as FastEthernet1/0", values.port_name))


def attachment_of(node: yaml.Node) -> Attachment:
    """A port of a chassis, ``SLB-7600 FastEthernet3/15``."""
    expected = "a chassis and its port, such as 'SLB-7600 FastEthernet3/15'"
    line = line_of_node(node)
    chassis, _, port = text_of(node, expected).partition(" ")
    if not port:
        raise NodeError(line, f"expected {expected}, not {quoted(chassis)}")
    return Attachment(chassis, port_name(port.strip(), line), line)


def file_of(node: yaml.Node, folder: Path) -> Path:
    """A file that is there, named relative to the description's folder."""
    text = text_of(node, "the name of a file")
    path = folder / text
    try:
        found = path.is_file()
    except (OSError, ValueError):
        found = False
    if not found:
        raise NodeError(line_of_node(node), f"there is no file {quoted(text)} in {quoted(str(folder))}")
    return path
