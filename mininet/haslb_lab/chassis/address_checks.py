"""Whether the addresses of a description fit their networks, and each other."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import NamedTuple

from haslb_lab.chassis.description import CONTROLLER_NETWORK, Description
from haslb_lab.chassis.segments import Place, Segments, place_of, routers_by_segment
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.wording import listed

MAX_HOME_PREFIX_LENGTH = 30


class Holder(NamedTuple):
    """A node or interface that has an address in a segment."""

    what: str
    address: IPv4Interface
    place: Place
    line: int


def check_addresses(description: Description, segments: Segments, diagnostics: Diagnostics) -> None:
    """Record addresses and networks that are wrong, duplicate or overlapping, and routers that do not exist."""
    holders = list(holders_of(description))
    networks = _check_networks(description, segments, diagnostics)
    routers = routers_by_segment(description, segments)
    taken: dict[IPv4Address, Holder] = {}
    for holder in holders:
        other = taken.setdefault(holder.address.ip, holder)
        if other is not holder:
            text = f"{holder.what} has the address of {other.what}, {holder.address.ip} (line {other.line})"
            diagnostics.error(holder.line, f"{text}; expected an address of its own")
        here = {interface.address.network for interface in routers.get(segments.of(holder.place), [])}
        if not here:
            text = f"{holder.what} is in {holder.place}, where no VLAN has an interface"
            diagnostics.error(holder.line, f"{text}; expected one, in the network {holder.address.network}")
        elif holder.address.network not in here:
            text = f"{holder.what} has {holder.address}, but {holder.place} is the network {listed(map(str, here))}"
            diagnostics.error(holder.line, f"{text}; expected an address and prefix length of that network")
    _check_home_networks(description, networks, diagnostics)
    _check_next_hops(description, segments, holders, diagnostics)


def holders_of(description: Description) -> Iterator[Holder]:
    """All nodes and interfaces that have an address."""
    for chassis in description.chassis.values():
        for number, interface in chassis.interfaces.items():
            what = f"interface Vlan{number} of {chassis.name}"
            yield Holder(what, interface, Place(chassis.name, number), chassis.vlans[number].line)
        for agent in chassis.home_agents:
            yield Holder(agent.name, agent.address, Place(chassis.name, agent.vlan), agent.line)
    for node in description.attached:
        place = place_of(description, node.attachment)
        assert place is not None, "no host is at a trunk"
        yield Holder(node.name, node.address, place, node.line)
    balancer = description.balancer
    if balancer.vlan is not None and balancer.address is not None:
        place = Place(description.supervisors[0].name, balancer.vlan)
        yield Holder("the balancer", balancer.address, place, balancer.line)


def _check_networks(
    description: Description, segments: Segments, diagnostics: Diagnostics
) -> list[tuple[IPv4Network, str]]:
    """Record VLAN interfaces whose networks overlap. Returns all networks, each with a description."""
    networks: dict[IPv4Network, Place] = {}
    described = [(CONTROLLER_NETWORK, "between the switches and the balancer")]
    for chassis in description.chassis.values():
        for number, interface in chassis.interfaces.items():
            place, network = segments.of(Place(chassis.name, number)), interface.network
            others = [f"{other} of {at}" for other, at in networks.items() if at != place and other.overlaps(network)]
            others += [f"{other} of {at}" for other, at in networks.items() if at == place and other != network]
            if others:
                text = f"{network} of interface Vlan{number} of {chassis.name} overlaps or joins {others[0]}"
                expected = "expected one network for each segment, and no two that overlap"
                diagnostics.error(chassis.vlans[number].line, f"{text}; {expected}")
            if network.overlaps(CONTROLLER_NETWORK):
                text = f"{network} of interface Vlan{number} of {chassis.name} overlaps {CONTROLLER_NETWORK}"
                expected = "which carries OpenFlow between the switches and the balancer; expected another network"
                diagnostics.error(chassis.vlans[number].line, f"{text}, {expected}")
            networks.setdefault(network, place)
            described.append((network, f"of VLAN {number} of {chassis.name}"))
    return described


def _check_home_networks(
    description: Description, networks: list[tuple[IPv4Network, str]], diagnostics: Diagnostics
) -> None:
    taken = list(networks)
    for agent in description.home_agents:
        for network, what in taken:
            if network.overlaps(agent.home_network):
                text = f"home network {agent.home_network} of {agent.name} overlaps {network} {what}"
                diagnostics.error(agent.line, f"{text}; expected a network of its own")
        if agent.home_network.prefixlen > MAX_HOME_PREFIX_LENGTH:
            text = f"home network {agent.home_network} of {agent.name} has no room for mobiles"
            diagnostics.error(agent.line, f"{text}; expected a prefix length of at most {MAX_HOME_PREFIX_LENGTH}")
        taken.append((agent.home_network, f"of {agent.name}"))


def _check_next_hops(
    description: Description, segments: Segments, holders: list[Holder], diagnostics: Diagnostics
) -> None:
    """Record routers that no node or interface in a segment of their user is."""
    present = {(segments.of(holder.place), holder.address.ip) for holder in holders}
    for node in description.attached:
        place = place_of(description, node.attachment)
        if node.gateway is not None and place and (segments.of(place), node.gateway) not in present:
            text = f"no node in {place} has the address {node.gateway}, the gateway of {node.name}"
            diagnostics.error(node.line, f"{text}; expected a VLAN interface's address")
    for chassis in description.chassis.values():
        own = {segments.of(Place(chassis.name, vlan)) for vlan in chassis.interfaces}
        addresses = {interface.ip for interface in chassis.interfaces.values()}
        for route in chassis.routes:
            if route.next_hop in addresses or not any((segment, route.next_hop) in present for segment in own):
                text = f"no node in the VLANs of {chassis.name} has the address {route.next_hop}, the route's next hop"
                diagnostics.error(route.line, f"{text}; expected a router in a VLAN that has an interface")
