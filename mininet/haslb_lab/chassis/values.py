"""The values of a description: addresses, networks, VLANs, port names. Errors name line and expectation."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Callable, TypeVar

import yaml

from haslb_lab.chassis.description import Attachment, PortName
from ryu_haslb.configuration.yaml.nodes import NodeError, line_of_node, number_of, text_of
from ryu_haslb.language.wording import listed, quoted

Value = TypeVar("Value")

KINDS = ("FastEthernet", "GigabitEthernet", "TenGigabitEthernet")
LAST_VLAN = 4094
LAST_SLOT = 13
LAST_PORT = 96
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
    return _parsed(node, f"{what}, an address such as 15.1.1.10", _address)


def interface_of(node: yaml.Node, what: str) -> IPv4Interface:
    """An address with the prefix length of its network."""
    interface = _parsed(node, f"{what}, an address with prefix length such as 10.1.1.51/24", _interface)
    network = interface.network
    if network.prefixlen < 31 and interface.ip in (network.network_address, network.broadcast_address):
        raise NodeError(line_of_node(node), f"{interface.ip} is no host of {network}; expected {what}")
    return interface


def network_of(node: yaml.Node, what: str) -> IPv4Network:
    """A network whose address has no bits beyond its prefix."""
    interface = _parsed(node, f"{what}, a network such as 10.201.0.0/16", _interface)
    if interface.ip != interface.network.network_address:
        raise NodeError(
            line_of_node(node),
            f"{interface} is an address in the network {interface.network}; expected {what}: {interface.network}",
        )
    return interface.network


def vlan_of(node: yaml.Node, what: str) -> int:
    """The number of a VLAN as a value."""
    return vlan(number_of(node, what), line_of_node(node), what)


def vlan(text: str, line: int, what: str) -> int:
    """The number of a VLAN."""
    if not re.fullmatch("[1-9][0-9]{0,3}", text) or int(text) > LAST_VLAN:
        raise NodeError(line, f"expected {what}, a number from 1 to {LAST_VLAN}, not {quoted(text)}")
    return int(text)


def user_of(node: yaml.Node, what: str) -> int:
    """The number of a user, as in the PDSN's command ``register 1 100``."""
    text = number_of(node, what)
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise NodeError(line_of_node(node), f"expected {what}, a number from 1, not {quoted(text)}")
    return int(text)


def slot_of(text: str, line: int) -> int:
    """The number of a chassis' slot."""
    if not re.fullmatch("[1-9][0-9]?", text) or int(text) > LAST_SLOT:
        raise NodeError(line, f"expected a slot, a number from 1 to {LAST_SLOT}, not {quoted(text)}")
    return int(text)


def vlans_of(node: yaml.Node, what: str) -> tuple[int, ...]:
    """The VLANs of a trunk, as after ``switchport trunk allowed vlan``: ``1,15,1002-1005``."""
    return _parsed(node, f"{what}, VLANs such as '1,15,1002-1005'", _vlans)


def ranges(vlans: tuple[int, ...]) -> str:
    """VLANs as IOS writes them: 1,15,1002-1005."""
    runs: list[list[int]] = []
    for number in vlans:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def port_name(text: str, line: int, first_slot: int = 1) -> PortName:
    """An IOS interface name; its kind may be abbreviated, as Fa3/15. Other routers than a 7600 have a slot 0."""
    match = re.fullmatch(r"([A-Za-z]{2,}) ?([0-9]{1,3})/([0-9]{1,3})", text)
    kinds = [kind for kind in KINDS if match and kind.lower().startswith(match[1].lower())]
    if not match or not kinds:
        raise NodeError(
            line, f"expected a port such as FastEthernet3/15 ({listed(KINDS)}, slot, port), not {quoted(text)}"
        )
    name = PortName(kinds[0], int(match[2]), int(match[3]))
    if not (first_slot <= name.slot <= LAST_SLOT and name.port <= LAST_PORT):
        raise NodeError(
            line,
            f"there is no port {name}; expected a slot from {first_slot} to {LAST_SLOT} and a port up to {LAST_PORT}",
        )
    return name


def port_name_of(node: yaml.Node, what: str, first_slot: int = 1) -> PortName:
    """The IOS interface name in a scalar."""
    return port_name(text_of(node, f"{what}, a port such as GigabitEthernet6/1"), line_of_node(node), first_slot)


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


def _parsed(node: yaml.Node, expected: str, parse: Callable[[str], Value]) -> Value:
    text = text_of(node, expected)
    try:
        return parse(text)
    except ValueError:
        raise NodeError(line_of_node(node), f"expected {expected}, not {quoted(text)}") from None


def _address(text: str) -> IPv4Address:
    address = IPv4Address(text)
    unusable = address.is_multicast, address.is_loopback, address.is_reserved, address.is_link_local, int(address) == 0
    if any(unusable):
        raise ValueError
    return address


def _interface(text: str) -> IPv4Interface:
    if not re.fullmatch("[0-9.]+/[0-9]{1,2}", text):
        raise ValueError
    interface = IPv4Interface(text)
    _address(str(interface.ip))
    return interface


def _vlans(text: str) -> tuple[int, ...]:
    numbers: set[int] = set()
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch("([1-9][0-9]{0,3})(?:-([1-9][0-9]{0,3}))?", part)
        if not match:
            raise ValueError
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= LAST_VLAN:
            raise ValueError
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))
