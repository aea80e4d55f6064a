"""Values that only the YAML form has, or writes in another way than IOS."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface
from typing import Optional

import yaml

from ryu_haslb.configuration.model import StaticLocation
from ryu_haslb.configuration.yaml.nodes import NodeError, fields, line_of_node, number_of, required, text_of
from ryu_haslb.language.wording import quoted

LARGEST_PORT = 0xFFFFFF00  # OFPP_MAX, OpenFlow 1.3 section A.2.1


def network_words(node: yaml.Node) -> tuple[str, str]:
    """``10.1.1.15/8`` as IOS writes it: address and mask."""
    expected = "an address and a prefix length, such as 10.1.1.0/24"
    text = text_of(node, expected)
    try:
        if not re.fullmatch("[0-9.]+/[0-9]{1,2}", text):
            raise ValueError
        interface = IPv4Interface(text)
    except ValueError:
        raise NodeError(line_of_node(node), f"expected {expected}, not {quoted(text)}") from None
    return str(interface.ip), str(interface.netmask)


def datapath_of(node: yaml.Node) -> int:
    """A datapath id: 16 hexadecimal digits as switches print it, or a number."""
    expected = "a datapath id such as '0000000000000001' or 1"
    text = text_of(node, expected)
    if re.fullmatch("[0-9A-Fa-f]{16}", text):
        return int(text, 16)
    return _ranged(node, expected, 0, (1 << 64) - 1)


def location_of(node: yaml.Node) -> StaticLocation:
    """Where a real is, told instead of found by ARP."""
    what = "a location"
    found = fields(node, what, ("mac", "port", "vlan", "datapath"))
    vlan: Optional[int] = _ranged(found["vlan"], "a VLAN", 1, 4094) if "vlan" in found else None
    return StaticLocation(
        _mac_of(required(found, "mac", node, what)),
        _ranged(required(found, "port", node, what), "an OpenFlow port", 1, LARGEST_PORT),
        vlan,
        datapath_of(found["datapath"]) if "datapath" in found else None,
    )


def _ranged(node: yaml.Node, what: str, low: int, high: int) -> int:
    text = number_of(node, what)
    if len(text) > 20 or not low <= int(text) <= high:
        raise NodeError(line_of_node(node), f"expected {what}, a number from {low} to {high}, not {quoted(text)}")
    return int(text)


def _mac_of(node: yaml.Node) -> bytes:
    expected = "the Ethernet address of a host, such as 02:00:00:00:00:51"
    text = text_of(node, expected)
    if not re.fullmatch("[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", text):
        raise NodeError(line_of_node(node), f"expected {expected}, not {quoted(text)}")
    mac = bytes.fromhex(text.replace(":", ""))
    if mac[0] & 1 or not any(mac):
        raise NodeError(line_of_node(node), f"expected {expected}, not the group or null address {text}")
    return mac
