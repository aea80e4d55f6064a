"""The actions of the commands of a port, be it of a line card, the IPsec module or a PDSN."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface
from typing import Any

from ryu_haslb.configuration.crypto_draft import PortDraft
from ryu_haslb.configuration.draft import Draft
from ryu_haslb.configuration.ios.blocks import Statement
from ryu_haslb.configuration.model import Port
from ryu_haslb.language.values import MAX_VLAN, host_in_network


def port(draft: Draft, statement: Statement) -> PortDraft:
    place = Port(statement.match.words[-1], statement.match["PORT-NUMBER"])
    return draft.ports.setdefault((place.kind, place.number), PortDraft(statement.line, place))


def no_port(draft: Draft, statement: Statement) -> None:
    place = Port(statement.match.words[-1], statement.match["PORT-NUMBER"])
    if draft.ports.pop((place.kind, place.number), None) is None:
        statement.warning(f"there is no interface {place.name} to remove")


def change_port(entry: PortDraft, statement: Statement, **values: Any) -> None:
    """Set attributes of a port, or with ``no`` remove them."""
    if "no" in statement.match:
        values = dict.fromkeys(values)
    entry.port = replace(entry.port, **values)
    entry.lines.update(dict.fromkeys(values, statement.line))


def port_address(entry: PortDraft, statement: Statement) -> None:
    address = statement.match.get("ADDRESS")
    if "no" in statement.match and address is not None:
        if entry.port.address is None or entry.port.address.ip != address:
            statement.warning(f"interface {entry.port.name} has no address {address} to remove")
            return
    elif "no" not in statement.match:
        host_in_network(address, statement.match["MASK"])
        address = IPv4Interface((address, statement.match["MASK"]))
    change_port(entry, statement, address=address)


def port_crypto_map(entry: PortDraft, statement: Statement) -> None:
    label = statement.match.get("LABEL")
    if "no" in statement.match and label not in (None, entry.port.crypto_map):
        statement.warning(f"interface {entry.port.name} has no crypto map {label} to remove")
    else:
        change_port(entry, statement, crypto_map=label)


def crypto_connect(entry: PortDraft, statement: Statement) -> None:
    vlan = statement.match.get("VLAN")
    if "no" in statement.match and vlan not in (None, entry.port.crypto_connect_vlan):
        statement.warning(f"interface {entry.port.name} is not connected to VLAN {vlan}; nothing is removed")
    else:
        change_port(entry, statement, crypto_connect_vlan=vlan)


def access_vlan(entry: PortDraft, statement: Statement) -> None:
    vlan = statement.match.get("VLAN")
    if "no" in statement.match and vlan not in (None, entry.port.access_vlan):
        statement.warning(f"interface {entry.port.name} is not in VLAN {vlan}; nothing is removed")
    else:
        change_port(entry, statement, access_vlan=vlan)


def allowed_vlans(entry: PortDraft, statement: Statement) -> None:
    every = frozenset(range(1, MAX_VLAN + 1))
    before = every if entry.port.allowed_vlans is None else entry.port.allowed_vlans
    named = statement.match.get("VLANS", frozenset())
    if "add" in statement.match:
        named = before | named
    elif "remove" in statement.match:
        named = before - named
    elif "except" in statement.match:
        named = every - named
    elif "all" in statement.match:
        named = every
    change_port(entry, statement, allowed_vlans=None if named == every else named)
