"""The VLANs that a virtual server is served in, and the VLANs of a switch's access ports."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from ryu_haslb.configuration.model import Configuration, VirtualServer
from ryu_haslb.configuration.outside_ports import numbers_of


def served_vlans(configuration: Configuration, server: VirtualServer) -> Optional[frozenset[int]]:
    """The VLANs of ``client vlan LIST``, else those in which the permitted clients are, or the routers to them.

    None is every VLAN: no client is named, or for some of them neither ``interface Vlan`` nor ``ip route`` says where
    they are.
    """
    if server.vlans is not None:
        return server.vlans
    permitted = [rule.network for rule in server.clients if not rule.exclude]
    found = [_vlans_to(configuration, network) for network in permitted]
    return frozenset().union(*found) if found and all(found) else None


def access_vlans(configuration: Configuration, switch_ports: Mapping[int, str]) -> dict[int, int]:
    """The VLANs of the access ports that the configuration names, by the numbers of the switch's ports."""
    return {
        number: port.access_vlan
        for port in configuration.ports
        if port.access_vlan is not None and port.allowed_vlans is None
        for number in numbers_of(port, switch_ports)
    }


def _vlans_to(configuration: Configuration, network: IPv4Network) -> frozenset[int]:
    """The VLANs by which all of a network is reached: its own, or those of the routers to it."""
    adjacent = {
        interface.vlan
        for interface in configuration.vlan_interfaces
        if any(network.subnet_of(each) for each in interface.networks)
    }
    routers = (route.next_hop for route in configuration.routes if network.subnet_of(route.network))
    return frozenset(adjacent) or frozenset().union(*(_vlans_of(configuration, router) for router in routers))


def _vlans_of(configuration: Configuration, address: IPv4Address) -> frozenset[int]:
    return frozenset(
        interface.vlan
        for interface in configuration.vlan_interfaces
        if any(address in network for network in interface.networks)
    )
