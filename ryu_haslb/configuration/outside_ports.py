"""How the ports of a switch lie around the IPsec module: where protected requests come in, and where they cannot.

The configuration says it in three places: ``crypto connect vlan 15`` under the line card's port, VLAN 15 among the
allowed VLANs of the module's inside port, and another VLAN in its place at the module's outside port. What is protected
the crypto map of ``interface Vlan15`` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from ryu_haslb.configuration.crypto_model import protected
from ryu_haslb.configuration.model import Configuration, Port, VlanInterface


class Inside(NamedTuple):
    """The ports of a switch by which one may come into an inside VLAN: from the module, which has decrypted it, and
    from the VLAN interface, which routes it from other VLANs."""

    module: frozenset[int] = frozenset()
    router: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Sides:
    """How the ports of a switch lie around the IPsec module, by their numbers.

    What comes in at an ``outside`` port the module has not seen yet. ``inside`` has, by VLAN, the ports of each VLAN
    interface with a crypto map.
    """

    outside: frozenset[int] = frozenset()
    inside: Mapping[int, Inside] = field(default_factory=dict)

    def leads_outside(self, port: int) -> bool:
        """Whether what goes out of a port gets to the outside of the module, in clear if it is not protected."""
        return port in self.outside or any(port in inside.module for inside in self.inside.values())


class Protected(NamedTuple):
    """A virtual address that the crypto map of a VLAN interface protects, together with ``remote``."""

    address: IPv4Address
    remote: IPv4Network
    interface: VlanInterface


def protected_addresses(configuration: Configuration) -> Iterator[Protected]:
    """The virtual addresses in service that are on our side of an access list, with each network on the other side."""
    addresses = {server.address for server in configuration.virtual_servers.values() if server.in_service}
    for interface in configuration.vlan_interfaces:
        if interface.crypto_map is None:
            continue
        for entry in configuration.crypto.entries_of(interface.crypto_map):
            for local, remote in protected(configuration.crypto.rules_of(entry.access_list)):
                for address in sorted(addresses):
                    if address in local:
                        yield Protected(address, remote, interface)


def outside_ports(configuration: Configuration) -> tuple[Port, ...]:
    """The ports connected to an inside VLAN through the module, and the module's own outside ports."""
    found: dict[Port, None] = {}
    for port in configuration.ports:
        if port.crypto_connect_vlan is not None:
            found[port] = None
            found.update({outside: None for _, outside in module_pairs(configuration.ports, port.crypto_connect_vlan)})
    return tuple(found)


def module_pairs(ports: Iterable[Port], inside_vlan: int) -> list[tuple[Port, Port]]:
    """The trunk ports, inside and outside, that may be those of the module which serves an inside VLAN."""
    trunks = {_place(port): port for port in ports if port.allowed_vlans is not None}
    return [
        (inside, outside)
        for (kind, slot, number), inside in trunks.items()
        for outside in (trunks.get((kind, slot, number - 1)), trunks.get((kind, slot, number + 1)))
        if outside is not None and _change_places(inside, outside, inside_vlan)
    ]


def _place(port: Port) -> tuple[str, str, int]:
    """What two neighbours have in common, and their numbers in it."""
    slot, _, number = port.number.rpartition("/")
    return port.kind, slot, int(number)


def _change_places(inside: Port, outside: Port, vlan: int) -> bool:
    """Whether one trunk has the inside VLAN where the other has an outside VLAN."""
    if inside.allowed_vlans is None or outside.allowed_vlans is None:
        return False
    return vlan in inside.allowed_vlans - outside.allowed_vlans and bool(outside.allowed_vlans - inside.allowed_vlans)


def _bears(switch_port: str, name: str) -> bool:
    """Whether a switch's port has a name, alone or behind the switch's own: ``fa3-15``, or ``haslb1-fa3-15``."""
    return re.fullmatch(f"(.*-)?{name}", switch_port, re.IGNORECASE) is not None


def short_name(port: Port) -> str:
    """How a switch in Linux names the port: ``fa3-15`` for FastEthernet3/15."""
    return (port.kind[:2] + port.number).lower().replace("/", "-")


def sides_of(configuration: Configuration, switch_ports: Mapping[int, str]) -> tuple[Sides, list[str]]:
    """How a switch's ports, by number and name, lie; and what an operator should know of those that it lacks."""

    def numbers(name: str) -> frozenset[int]:
        return frozenset(number for number, each in switch_ports.items() if _bears(each, name))

    outside: frozenset[int] = frozenset()
    remarks = []
    for port in outside_ports(configuration):
        found = numbers(short_name(port))
        outside |= found
        if not found:
            remarks.append(
                f"has no port {port.name} ({short_name(port)}), which the configuration has outside of the IPsec module"
            )
    inside = {}
    for interface in configuration.vlan_interfaces:
        if interface.crypto_map is not None:
            of_module = [numbers(short_name(port)) for port, _ in module_pairs(configuration.ports, interface.vlan)]
            inside[interface.vlan] = Inside(frozenset().union(*of_module), numbers(f"vlan{interface.vlan}"))
    sides = Sides(outside, inside)
    return sides, remarks + _lacking(configuration, sides)


def _lacking(configuration: Configuration, sides: Sides) -> list[str]:
    """Which requests cannot come because the module's inside port is somewhere else, or misnamed."""
    remarks = {}
    for address, _, interface in protected_addresses(configuration):
        if sides.inside[interface.vlan].module:
            continue
        ports = [port for port, _ in module_pairs(configuration.ports, interface.vlan)]
        lacks = " or ".join(f"{port.name} ({short_name(port)})" for port in ports) or "that the configuration names"
        takes = f"only those that Vlan{interface.vlan} routes" if sides.inside[interface.vlan].router else "none"
        remarks[address, interface] = (
            f"has no inside port of the IPsec module, {lacks}; of requests to {address}, which crypto map "
            f"{interface.crypto_map} protects, it takes {takes}"
        )
    return list(remarks.values())
