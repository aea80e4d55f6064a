"""Which VLANs of which chassis are one Ethernet segment: links between chassis and IPsec modules join them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface
from typing import NamedTuple, Optional

from haslb_lab.chassis.description import Attachment, Description, LineCardPort, Link


class Place(NamedTuple):
    """A VLAN of a chassis."""

    chassis: str
    vlan: int

    def __str__(self) -> str:
        return f"VLAN {self.vlan} of {self.chassis}"


class Segments:
    """Sets of places; :meth:`join` merges two of them."""

    def __init__(self) -> None:
        self._parents: dict[Place, Place] = {}

    def of(self, place: Place) -> Place:
        """The representative of the segment that a place belongs to."""
        while place in self._parents:
            place = self._parents[place]
        return place

    def join(self, one: Place, other: Place) -> bool:
        """Join two segments. Returns False if they are one already."""
        first, second = self.of(one), self.of(other)
        if first != second:
            self._parents[max(first, second)] = min(first, second)
        return first != second


def segments_of(description: Description) -> Segments:
    """The segments of a description that has been checked."""
    segments = Segments()
    for one, other in joined_by_modules(description):
        segments.join(one, other)
    for link in description.links:
        for one, other in joined_by_link(description, link):
            segments.join(one, other)
    return segments


def joined_by_modules(description: Description) -> Iterator[tuple[Place, Place]]:
    """An IPsec module joins the VLAN of a port outside with the VLAN that the port is crypto-connected to."""
    for chassis in description.chassis.values():
        pairs = {(port.vlan, port.crypto_connect_vlan) for port in chassis.line_cards.values()}
        for outside, inside in sorted((one, other) for one, other in pairs if one and other):
            yield Place(chassis.name, inside), Place(chassis.name, outside)


def joined_by_link(description: Description, link: Link) -> Iterator[tuple[Place, Place]]:
    """A link joins the two access VLANs of its ends, or each VLAN that both ends' trunks carry."""
    one, other = link.ends
    first, second = description.port_at(one), description.port_at(other)
    if first.vlan is not None and second.vlan is not None:
        yield Place(one.chassis, first.vlan), Place(other.chassis, second.vlan)
    for vlan in carried(description, one, first):
        if vlan in carried(description, other, second):
            yield Place(one.chassis, vlan), Place(other.chassis, vlan)


def carried(description: Description, end: Attachment, port: LineCardPort) -> list[int]:
    """The VLANs that a trunk carries: those that it allows and its chassis has."""
    return [vlan for vlan in port.trunk if vlan in description.chassis[end.chassis].vlans]


class RouterInterface(NamedTuple):
    """A MSFC's address in a VLAN."""

    chassis: str
    vlan: int
    address: IPv4Interface


def routers_by_segment(description: Description, segments: Segments) -> dict[Place, list[RouterInterface]]:
    """The MSFC interfaces of each segment, in the order of the file."""
    found: dict[Place, list[RouterInterface]] = {}
    for chassis in description.chassis.values():
        for vlan, address in chassis.interfaces.items():
            interface = RouterInterface(chassis.name, vlan, address)
            found.setdefault(segments.of(Place(chassis.name, vlan)), []).append(interface)
    return found


def place_of(description: Description, attachment: Attachment) -> Optional[Place]:
    """The VLAN that a cable ends in; None for a trunk."""
    vlan = description.port_at(attachment).vlan
    return None if vlan is None else Place(attachment.chassis, vlan)
