"""Which ports of a switch are outside and inside of the IPsec module, and where protected requests are accepted.

Three commands define it: ``crypto connect vlan 15`` under the port of the line card, VLAN 15 among the allowed VLANs of
the module's inside port, and another VLAN in its place at the module's outside port. The crypto map of ``interface
Vlan15`` defines which traffic is protected.
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
    """The ports by which traffic may enter an inside VLAN: those of the module, which has decrypted it, and those of
    the VLAN interface, which routes it from other VLANs."""

    module: frozenset[int] = frozenset()
    router: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Sides:
    """The ports of a switch outside and inside of the IPsec module, by their numbers.

    Traffic from an ``outside`` port has not passed the module. ``inside`` has the ports of each VLAN interface with a
    crypto map, by its VLAN.
    """

    outside: frozenset[int] = frozenset()
    inside: Mapping[int, Inside] = field(default_factory=dict)

    def leads_outside(self, port: int) -> bool:
        """Whether traffic sent out of a port reaches the outside of the module, in clear unless it is protected."""
        return port in self.outside or any(port in inside.module for inside in self.inside.values())


class Protected(NamedTuple):
    """A virtual address and a ``remote`` network between which the crypto map of a VLAN interface protects traffic."""

    address: IPv4Address
    remote: IPv4Network
    interface: VlanInterface


def protected_addresses(configuration: Configuration) -> Iterator[Protected]:
    """The virtual addresses in service that an access list has on the local side, with each of its remote networks."""
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
    """The ports that the module connects to an inside VLAN, and the module's own outside ports."""
    found: dict[Port, None] = {}
    for port in configuration.ports:
        if port.crypto_connect_vlan is not None:
            found[port] = None
            found.update({outside: None for _, outside in module_pairs(configuration.ports, port.crypto_connect_vlan)})
    return tuple(found)


def module_pairs(ports: Iterable[Port], inside_vlan: int) -> list[tuple[Port, Port]]:
    """The pairs of trunk ports, inside and outside, that may be the module of an inside VLAN."""
    trunks = {_place(port): port for port in ports if port.allowed_vlans is not None}
    return [
        (inside, outside)
        for (kind, slot, number), inside in trunks.items()
        for outside in (trunks.get((kind, slot, number - 1)), trunks.get((kind, slot, number + 1)))
        if outside is not None and _exchanges_vlan(inside, outside, inside_vlan)
    ]


def _place(port: Port) -> tuple[str, str, int]:
    """Kind, slot and number of a port. Neighbours have the same kind and slot."""
    slot, _, number = port.number.rpartition("/")
    return port.kind, slot, int(number)


def _exchanges_vlan(inside: Port, outside: Port, vlan: int) -> bool:
    """Whether the inside trunk allows the inside VLAN, and the outside trunk another VLAN instead."""
    if inside.allowed_vlans is None or outside.allowed_vlans is None:
        return False
    return vlan in inside.allowed_vlans - outside.allowed_vlans and bool(outside.allowed_vlans - inside.allowed_vlans)


def _has_name(switch_port: str, name: str) -> bool:
    """Whether the name of a switch's port is ``fa3-15``, or the switch's name and ``fa3-15``: ``haslb1-fa3-15``."""
    return re.fullmatch(f"(.*-)?{name}", switch_port, re.IGNORECASE) is not None


def short_name(port: Port) -> str:
    """The name of the port on a switch in Linux: ``fa3-15`` for FastEthernet3/15."""
    return (port.kind[:2] + port.number).lower().replace("/", "-")


def numbers_of(port: Port, switch_ports: Mapping[int, str]) -> list[int]:
    """The numbers of the ports of a switch, given by number and name, that stand for a port of the configuration."""
    return sorted(number for number, name in switch_ports.items() if _has_name(name, short_name(port)))


def sides_of(configuration: Configuration, switch_ports: Mapping[int, str]) -> tuple[Sides, list[str]]:
    """The sides of a switch's ports, given by number and name, and a warning for each port that is missing."""

    def numbers(name: str) -> frozenset[int]:
        return frozenset(number for number, each in switch_ports.items() if _has_name(each, name))

    outside: frozenset[int] = frozenset()
    warnings = []
    for port in outside_ports(configuration):
        found = numbers(short_name(port))
        outside |= found
        if not found:
            warnings.append(
                f"has no port {port.name} ({short_name(port)}), which the configuration places outside of the IPsec "
                "module"
            )
    inside = {}
    for interface in configuration.vlan_interfaces:
        if interface.crypto_map is not None:
            of_module = [numbers(short_name(port)) for port, _ in module_pairs(configuration.ports, interface.vlan)]
            inside[interface.vlan] = Inside(frozenset().union(*of_module), numbers(f"vlan{interface.vlan}"))
    sides = Sides(outside, inside)
    return sides, warnings + _missing_inside_ports(configuration, sides)


def _missing_inside_ports(configuration: Configuration, sides: Sides) -> list[str]:
    """Warnings for protected addresses whose requests are not accepted: the switch has no inside port of the module."""
    warnings = {}
    for address, _, interface in protected_addresses(configuration):
        if sides.inside[interface.vlan].module:
            continue
        ports = [port for port, _ in module_pairs(configuration.ports, interface.vlan)]
        missing = " or ".join(f"{port.name} ({short_name(port)})" for port in ports) or "that the configuration names"
        accepted = f"only those that Vlan{interface.vlan} routes" if sides.inside[interface.vlan].router else "none"
        warnings[address, interface] = (
            f"has no inside port of the IPsec module, {missing}; of the requests to {address}, which crypto map "
            f"{interface.crypto_map} protects, it accepts {accepted}"
        )
    return list(warnings.values())
