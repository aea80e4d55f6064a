"""Which ports lie outside of the IPsec module: what comes in there is not for the balancer yet.

The configuration says it in three places: ``crypto connect vlan 15`` under the line card's port, VLAN 15 among the
allowed VLANs of the module's inside port, and another VLAN in its place at the module's outside port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ryu_haslb.configuration.model import Configuration, Port


@dataclass(frozen=True)
class Sides:
    """How the ports of a switch lie around the IPsec module, by their numbers.

    What comes in at an ``outside`` port the module has not seen yet. ``past_module`` are, for each inside VLAN whose
    module is at this switch, the ports at which nothing can come in that the module has decrypted.
    """

    outside: frozenset[int] = frozenset()
    past_module: Mapping[int, frozenset[int]] = field(default_factory=dict)


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


def stands_for(switch_port: str, port: Port) -> bool:
    """Whether a switch's port bears the name of a configured one: ``fa3-15``, or ``haslb1-fa3-15``."""
    return re.fullmatch(f"(.*-)?{short_name(port)}", switch_port, re.IGNORECASE) is not None


def short_name(port: Port) -> str:
    """How a switch in Linux names the port: ``fa3-15`` for FastEthernet3/15."""
    return (port.kind[:2] + port.number).lower().replace("/", "-")


def sides_of(configuration: Configuration, switch_ports: Mapping[int, str]) -> tuple[Sides, list[str]]:
    """How a switch's ports, by number and name, lie; and the configured outside ports that it does not have."""
    outside: set[int] = set()
    missing = []
    for port in outside_ports(configuration):
        numbers = _numbers(port, switch_ports)
        outside |= numbers
        if not numbers:
            missing.append(f"{port.name} ({short_name(port)})")
    past = {}
    for vlan in {port.crypto_connect_vlan for port in configuration.ports if port.crypto_connect_vlan is not None}:
        for inside, _ in module_pairs(configuration.ports, vlan):
            numbers = _numbers(inside, switch_ports)
            if numbers:
                past[vlan] = frozenset(switch_ports) - numbers - outside
    return Sides(frozenset(outside), past), missing


def _numbers(port: Port, switch_ports: Mapping[int, str]) -> set[int]:
    return {number for number, name in switch_ports.items() if stands_for(name, port)}
