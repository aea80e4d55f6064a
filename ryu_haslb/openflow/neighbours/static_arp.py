"""Static ARP entries at one switch: what they say about the next hops of real servers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from ryu_haslb.configuration.model import Configuration, Port, StaticArp
from ryu_haslb.configuration.outside_ports import numbers_of, short_name
from ryu_haslb.language.values import VLAN_KIND
from ryu_haslb.openflow.neighbours.places import Location


class StaticEntries(NamedTuple):
    """What the entries fix, by address: ``macs`` the Ethernet address, ``places`` all, ``vlans`` the VLAN.

    ``remarks`` name entries whose port the switch does not have: there the address is looked for by ARP.
    """

    macs: Mapping[bytes, bytes] = {}
    places: Mapping[bytes, Location] = {}
    vlans: Mapping[bytes, int] = {}
    remarks: tuple[str, ...] = ()


def static_entries(configuration: Configuration, switch_ports: Mapping[int, str]) -> StaticEntries:
    """The entries of a configuration at a switch with these ports, given by number and name.

    On a trunk the next hop is behind the tag of the VLAN whose interface holds its address, if the trunk allows that;
    else its frames have no tag.
    """
    places, vlans, remarks = {}, {}, []
    for entry in configuration.arp:
        if entry.interface is None:
            continue
        if entry.interface[0] == VLAN_KIND:
            vlans[entry.address.packed] = int(entry.interface[1])
            continue
        port = _port(configuration, entry.interface)
        numbers = numbers_of(port, switch_ports)
        if numbers:
            places[entry.address.packed] = Location(entry.mac, numbers[0], _tag(configuration, entry, port))
        elif switch_ports:
            remarks.append(
                f"has no port {port.name} ({short_name(port)}), which the arp entry of {entry.address} names; there, "
                "the port of this address is found by ARP"
            )
    macs = {entry.address.packed: entry.mac for entry in configuration.arp}
    return StaticEntries(macs, places, vlans, tuple(remarks))


def _port(configuration: Configuration, name: tuple[str, str]) -> Port:
    return next((port for port in configuration.ports if (port.kind, port.number) == name), Port(*name))


def _tag(configuration: Configuration, entry: StaticArp, port: Port) -> Optional[int]:
    if port.allowed_vlans is None:
        return None
    holding = (
        interface.vlan
        for interface in configuration.vlan_interfaces
        if any(entry.address in network for network in interface.networks)
    )
    return next((vlan for vlan in holding if vlan in port.allowed_vlans), None)
