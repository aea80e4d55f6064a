"""The routes of every node to every network of the description, through the MSFCs.

No node has a default route, so that no packet leaves the networks of the description.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple, Optional, Union

from haslb_lab.chassis.description import Chassis, Description, Host, Pdsn
from haslb_lab.chassis.segments import Place, RouterInterface, place_of, routers_by_segment, segments_of


class Hop(NamedTuple):
    """A route: packets for ``network`` go to ``next_hop``."""

    network: IPv4Network
    next_hop: IPv4Address


class Routing:
    """Computes the routes of the nodes of a description."""

    def __init__(self, description: Description) -> None:
        self._description = description
        self._segments = segments_of(description)
        self._routers = routers_by_segment(description, self._segments)
        self._attached: dict[IPv4Network, Place] = {}
        for segment, interfaces in self._routers.items():
            for interface in interfaces:
                self._attached[interface.address.network] = segment
        self._home_networks = {
            agent.home_network: (self._segments.of(Place(chassis.name, agent.vlan)), agent.address.ip)
            for chassis in description.chassis.values()
            for agent in chassis.home_agents
        }

    def networks(self) -> list[IPv4Network]:
        """All networks: of the VLANs, the home networks, and virtual addresses that are in none of them."""
        return [*self._attached, *self._home_networks, *self.lone_virtual_addresses()]

    def lone_virtual_addresses(self) -> list[IPv4Network]:
        """Addresses that PDSNs send requests to and that are in no network: only the supervisors have them."""
        networks = [*self._attached, *self._home_networks]
        addresses = dict.fromkeys(pdsn.home_agent for pdsn in self._description.pdsns)
        return [IPv4Network(each) for each in addresses if not any(each in network for network in networks)]

    def gateway(self, place: Place) -> Optional[IPv4Address]:
        """The router of a host in a VLAN: the MSFC of its own chassis if that is in the segment, else another's."""
        interfaces = self._routers.get(self._segments.of(place), [])
        nearest = sorted(interfaces, key=lambda interface: interface.chassis != place.chassis)
        return nearest[0].address.ip if nearest else None

    def of_host(
        self,
        place: Place,
        gateway: Optional[IPv4Address] = None,
        without: Iterable[IPv4Network] = (),
    ) -> list[Hop]:
        """The routes of a host in a VLAN, except to its own networks."""
        router = gateway or self.gateway(place)
        segment = self._segments.of(place)
        own = {*without, *(network for network, at in self._attached.items() if at == segment)}
        return [] if router is None else [Hop(network, router) for network in self.networks() if network not in own]

    def of_attached(self, node: Union[Pdsn, Host]) -> list[Hop]:
        """The routes of a PDSN or host that is cabled to a chassis."""
        place = place_of(self._description, node.attachment)
        return [] if place is None else self.of_host(place, node.gateway)

    def of_msfc(self, chassis: Chassis) -> list[Hop]:
        """The routes of a chassis' MSFC; static routes of the description come first."""
        configured = [Hop(route.network, route.next_hop) for route in chassis.routes]
        known = {hop.network for hop in configured}
        return configured + [hop for hop in self._derived(chassis) if hop.network not in known]

    def _derived(self, chassis: Chassis) -> list[Hop]:
        first_hops = self._first_hops(chassis.name)
        own = {self._segments.of(Place(chassis.name, vlan)) for vlan in chassis.interfaces}
        hops = []
        for network, segment in self._attached.items():
            if segment not in own and segment in first_hops:
                hops.append(Hop(network, first_hops[segment]))
        for network, (segment, home_agent) in self._home_networks.items():
            next_hop = home_agent if segment in own else first_hops.get(segment)
            if next_hop is not None:
                hops.append(Hop(network, next_hop))
        if chassis.datapath_id is None:
            supervisors = {
                self._segments.of(Place(each.name, vlan))
                for each in self._description.supervisors
                for vlan in each.interfaces
            }
            nearest = next((hop for segment, hop in first_hops.items() if segment in supervisors), None)
            if nearest is not None:
                hops += [Hop(network, nearest) for network in self.lone_virtual_addresses()]
        return hops

    def _first_hops(self, chassis: str) -> dict[Place, IPv4Address]:
        """The first router on the way from an MSFC to each segment, found by breadth-first search, nearest first."""
        found: dict[Place, IPv4Address] = {}
        seen = {chassis}
        queue: deque[tuple[str, Optional[IPv4Address]]] = deque([(chassis, None)])
        while queue:
            router, through = queue.popleft()
            for neighbour in self._neighbours(router):
                if neighbour.chassis in seen:
                    continue
                seen.add(neighbour.chassis)
                first = through or neighbour.address.ip
                queue.append((neighbour.chassis, first))
                for vlan in self._description.chassis[neighbour.chassis].interfaces:
                    found.setdefault(self._segments.of(Place(neighbour.chassis, vlan)), first)
        return found

    def _neighbours(self, chassis: str) -> list[RouterInterface]:
        """The interfaces of other MSFCs in the segments of one."""
        segments = {self._segments.of(Place(chassis, vlan)) for vlan in self._description.chassis[chassis].interfaces}
        return [each for segment in sorted(segments) for each in self._routers[segment] if each.chassis != chassis]
