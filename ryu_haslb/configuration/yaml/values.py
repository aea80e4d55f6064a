"""Values that only YAML files have, or that they write differently than IOS does."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

import yaml

from ryu_haslb.configuration.model import MAX_PORT_NUMBER, StaticLocation
from ryu_haslb.configuration.yaml.nodes import fields, line_of_node, number_of, parsed, parsed_text, required, text_of
from ryu_haslb.language import values

_DATAPATH_ID = "a datapath id such as '0000000000000001' or 1"
_VLAN = f"a VLAN, a number from 1 to {values.MAX_VLAN}"
_PORT_NUMBER = f"an OpenFlow port, a number from 1 to {MAX_PORT_NUMBER}"


def network_words(node: yaml.Node) -> tuple[str, str]:
    """``10.1.1.15/8`` as IOS writes it: address and mask. The IOS command judges the address."""
    expected = "an address and a prefix length, such as 10.1.1.0/24"
    address, length = parsed(node, expected, values.address_and_length)
    return str(address), str(IPv4Network((0, length)).netmask)


def datapath_of(node: yaml.Node) -> int:
    """A datapath id: 16 hexadecimal digits, with or without quotes, or a decimal number without quotes."""
    text = text_of(node, _DATAPATH_ID)
    if not re.fullmatch("[0-9A-Fa-f]{16}", text):
        number_of(node, _DATAPATH_ID)
    return parsed(node, _DATAPATH_ID, values.datapath_id)


def location_of(node: yaml.Node) -> StaticLocation:
    """The location of a real server that is configured instead of found by ARP."""
    what = "a location"
    found = fields(node, what, ("mac", "port", "vlan", "datapath"))
    mac = required(found, "mac", node, what)
    return StaticLocation(
        parsed(mac, "the Ethernet address of a host, such as 02:00:00:00:00:51", values.mac_address),
        _port_number_of(required(found, "port", node, what)),
        parsed(found["vlan"], _VLAN, values.vlan) if "vlan" in found else None,
        datapath_of(found["datapath"]) if "datapath" in found else None,
    )


def _port_number_of(node: yaml.Node) -> int:
    text = number_of(node, "an OpenFlow port")
    return parsed_text(text, line_of_node(node), _PORT_NUMBER, lambda text: values.decimal(text, 1, MAX_PORT_NUMBER))
