"""The standing rules of a switch: those that it has for as long as the application serves it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import Inside, Sides, protected_addresses
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.pipeline import (
    CHASSIS_PREFIX,
    FIRST_METER,
    Purpose,
    Rule,
    chassis_address,
    datagram,
)
from ryu_haslb.openflow.wire import ETHERTYPE_ARP, ETHERTYPE_IPV4, OFPP_CONTROLLER, Value

#: The ports of a switch that has none of those that matter to the IPsec module.
NOWHERE = Sides()

_PREFIX_MASK = "ff:ff:ff:00:00:00"


def standing_rules(configuration: Configuration, datapath_id: int, sides: Sides = NOWHERE) -> Iterator[Rule]:
    """All rules that are on a switch for as long as the application serves it.

    ``sides`` is how its ports lie around the IPsec module: what the module has to decrypt first is none of ours.
    """
    for port in sorted(sides.outside):
        yield Rule(Purpose.PASS_OUTSIDE, {"in_port": port})
    yield from _unprotected_rules(configuration, sides)
    # Not the match of a table-miss rule, though as wide: the switch would put it in the place of somebody else's.
    yield Rule(Purpose.PASS_OTHER, {"metadata": 0})
    chassis = _text(chassis_address(datapath_id))
    yield Rule(Purpose.PUNT_ARP_REPLY, {"eth_type": ETHERTYPE_ARP, "arp_op": 2, "eth_dst": chassis})
    # Nobody else has this address: what the switch cannot read, or no virtual server takes, would be flooded.
    yield Rule(Purpose.PUNT_STRAY, {"eth_type": ETHERTYPE_IPV4, "eth_dst": chassis})
    entrances = _entrances(configuration, sides)
    for server in configuration.virtual_servers.values():
        if server.in_service:
            ports = entrances.get(server.address)
            yield from _virtual_server_rules(str(server.address), chassis, _places(ports))
            if ports is not None:
                yield from _protected_rules(str(server.address), chassis, ports)
    for address in sorted({real.address for farm in configuration.farms.values() for real in farm.reals}):
        yield Rule(Purpose.PUNT_ARP_OF_REAL, {"eth_type": ETHERTYPE_ARP, "arp_spa": str(address)})


def client_rules(
    configuration: Configuration, datapath_id: int, sides: Sides, client: str, meter: int
) -> Iterator[Rule]:
    """The rules by which what one client sends us passes a meter of its own."""
    for rule in standing_rules(configuration, datapath_id, sides):
        if rule.meter == FIRST_METER:
            yield Rule(rule.purpose, {**rule.match, "ipv4_src": client}, meter)


def _entrances(configuration: Configuration, sides: Sides) -> dict[IPv4Address, list[int]]:
    """Each protected virtual address, and the only ports by which one comes to it."""
    ports: dict[IPv4Address, set[int]] = {}
    for address, _, interface in protected_addresses(configuration):
        inside = sides.inside.get(interface.vlan, Inside())
        ports.setdefault(address, set()).update(inside.module | inside.router)
    return {address: sorted(numbers) for address, numbers in ports.items()}


def _places(ports: Optional[Iterable[int]]) -> list[dict[str, Value]]:
    """What rules match for these ports alone, or for every port."""
    return [{}] if ports is None else [{"in_port": port} for port in ports]


def _request(address: str) -> dict[str, Value]:
    return {**datagram(address), "udp_dst": MOBILE_IP_PORT}


def _unprotected_rules(configuration: Configuration, sides: Sides) -> Iterator[Rule]:
    """What ought to be protected and comes from another VLAN instead of the module: as IOS does, have it dropped."""
    for address, remote, interface in protected_addresses(configuration):
        packet: dict[str, Value] = {"eth_type": ETHERTYPE_IPV4, "ipv4_dst": str(address)}
        if remote.prefixlen:
            packet["ipv4_src"] = (str(remote.network_address), str(remote.netmask))
        for place in _places(sorted(sides.inside.get(interface.vlan, Inside()).router)):
            yield Rule(Purpose.DROP_UNPROTECTED, {**place, **packet})


def _protected_rules(address: str, chassis: str, ports: Iterable[int]) -> Iterator[Rule]:
    """Who has learned the chassis address through the module must not be able to go round it."""
    stray: dict[str, Value] = {"eth_type": ETHERTYPE_IPV4, "ipv4_dst": address, "eth_dst": chassis}
    for place in _places(ports):
        yield Rule(Purpose.PUNT_STRAY_INSIDE, {**place, **stray})
    yield Rule(Purpose.LEAVE_TO_MODULE, stray)


def _text(mac: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in mac)


def _virtual_server_rules(address: str, chassis: str, places: Iterable[dict[str, Value]]) -> Iterator[Rule]:
    request = _request(address)
    for place in places:
        yield Rule(Purpose.PUNT_REQUEST, {**place, **request})
        # Fragments and datagrams cut short have no ports; a switch that passes them through its tables shows port 0.
        yield Rule(Purpose.PUNT_FRAGMENT, {**place, **datagram(address), "udp_dst": 0})
        yield Rule(Purpose.PUNT_REQUEST_TO_CHASSIS, {**place, **request, "eth_dst": chassis})
        yield Rule(Purpose.PUNT_ARP_REQUEST, {**place, "eth_type": ETHERTYPE_ARP, "arp_op": 1, "arp_tpa": address})
    yield Rule(Purpose.RETURN_TO_SESSION, {**request, "in_port": OFPP_CONTROLLER})
    yield Rule(Purpose.PUNT_LOST_SESSION, {**request, "in_port": OFPP_CONTROLLER})
    # What another of our switches has dispatched is on its way to a home agent, and so never comes to this chassis.
    yield Rule(Purpose.PASS_DISPATCHED, {**request, "eth_src": (_text(CHASSIS_PREFIX + bytes(3)), _PREFIX_MASK)})
