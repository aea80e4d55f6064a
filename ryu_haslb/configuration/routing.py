"""The next hop of packets to an address: the host itself, or the router of a static route."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from ryu_haslb.configuration.model import Route, VlanInterface


def next_hop_of(interfaces: Iterable[VlanInterface], routes: Iterable[Route], address: IPv4Address) -> IPv4Address:
    """The address itself if it is in a VLAN of ours, else the most specific route's next hop.

    Without any route it is the address again: its network is not configured, or a router answers for it.
    """
    if any(address in interface.network for interface in interfaces):
        return address
    matching = ((route.network.prefixlen, route.next_hop) for route in routes if address in route.network)
    return max(matching, key=lambda match: match[0], default=(0, address))[1]
