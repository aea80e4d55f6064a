"""The standing rules of a switch: those that it has for as long as the application serves it.

They follow from the configuration and from how the switch's ports lie around the IPsec module. ``pipeline.py`` defines
their purposes, priorities and actions; this file adds their matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Optional

from ryu_haslb.configuration.model import Configuration, next_hop_of
from ryu_haslb.configuration.outside_ports import Inside, Sides, protected_addresses
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.flow_tables.key_rules import key_rules
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import (
    FIRST_METER,
    PROBE_PREFIX,
    Purpose,
    Rule,
    chassis_address,
    dispatch_match,
    udp_match,
)
from ryu_haslb.openflow.packets import arp
from ryu_haslb.openflow.packets.icmp import PROTOCOL_ICMP
from ryu_haslb.openflow.wire.wire import ETHERTYPE_ARP, ETHERTYPE_IPV4, OFPP_CONTROLLER, Value
from ryu_haslb.slb.session_tag import UNKEYED

Match = dict[str, Value]

#: Matches the probe addresses of all switches.
_ANY_PROBE = ((PROBE_PREFIX + bytes(4)).hex(":"), "ff:ff:00:00:00:00")
_NO_SIDES = Sides()
_NORMAL_LAYOUT = Layout()


def standing_rules(
    configuration: Configuration,
    datapath_id: int,
    sides: Sides = _NO_SIDES,
    keys: Iterable[bytes] = (UNKEYED,),
    layout: Layout = _NORMAL_LAYOUT,
) -> Iterator[Rule]:
    """All standing rules of a switch.

    ``sides`` is how its ports lie around the IPsec module, ``keys`` are those of session tags, the current one first.
    ``layout`` is that of its pipeline.
    """
    return layout.fit(_all_rules(configuration, datapath_id, sides, list(keys)))


def _all_rules(configuration: Configuration, datapath_id: int, sides: Sides, keys: list[bytes]) -> Iterator[Rule]:
    yield from key_rules(keys)
    chassis = chassis_address(datapath_id).hex(":")
    yield from _outside_rules(configuration, sides)
    # This matches every packet, as a table-miss rule does, but has another match: a switch that has a table-miss rule
    # of another application keeps it. A rule with the same match would replace it.
    yield Rule(Purpose.PASS_OTHER, {"metadata": 0})
    yield from _learning_rules()
    yield Rule(Purpose.PUNT_ARP_REPLY, {"eth_type": ETHERTYPE_ARP, "arp_op": arp.REPLY, "eth_dst": chassis})
    # No port of the network has the chassis address. The switch would flood what is sent to it.
    yield Rule(Purpose.PUNT_OTHER_TO_CHASSIS, {"eth_type": ETHERTYPE_IPV4, "eth_dst": chassis})
    protected = _ports_of_protected_addresses(configuration, sides)
    for server in configuration.virtual_servers.values():
        if server.in_service:
            virtual, ports = str(server.address), protected.get(server.address)
            yield from _virtual_server_rules(virtual, chassis, ports, keys)
            if ports is not None:
                yield from _protected_server_rules(virtual, chassis, ports)
    yield from _probe_rules(configuration, keys)
    # Another switch may have sent the probe, so that the answer must go on.
    yield Rule(Purpose.PUNT_ARP_ANSWER, {"eth_type": ETHERTYPE_ARP, "arp_op": arp.REPLY, "eth_dst": _ANY_PROBE})
    for address in sorted(set(_next_hops(configuration))):
        yield Rule(Purpose.PUNT_ARP_FROM_REAL, {"eth_type": ETHERTYPE_ARP, "arp_spa": str(address)})


def _probe_rules(configuration: Configuration, keys: list[bytes]) -> Iterator[Rule]:
    """The rules for the source addresses of probes, which no other machine has.

    Else a stranger that sends from such an address could have home agents answer until the meter of answers is full.
    """
    virtual = {server.address for server in configuration.virtual_servers.values()}
    for source in configuration.probe_sources:
        # home agents ask where their answers have to go
        asked: Match = {"eth_type": ETHERTYPE_ARP, "arp_op": arp.REQUEST, "arp_tpa": str(source)}
        yield Rule(Purpose.PUNT_ARP_REQUEST, asked)
        if source in virtual:  # direct mode: other switches of ours reply to pings with it
            continue
        question: Match = {"eth_type": ETHERTYPE_IPV4, "ipv4_src": str(source)}
        yield Rule(Purpose.DROP_FORGED_PROBE, question)
        yield from _rules_for_our_switches(question, keys)


def _rules_for_our_switches(packet: Match, keys: list[bytes]) -> Iterator[Rule]:
    """Rules that pass on what another switch of ours has sent to a home agent."""
    for key in keys:
        if key != UNKEYED or keys[0] == UNKEYED:
            yield Rule(Purpose.PASS_DISPATCHED, {**packet, "eth_src": dispatch_match(key)})


def _learning_rules() -> Iterator[Rule]:
    """The learning table before it has learned anything."""
    # A bridge forwards nothing to these addresses, which spanning tree and its like use (IEEE 802.1Q, table 8-1).
    yield Rule(Purpose.DROP_RESERVED, {"eth_dst": ("01:80:c2:00:00:00", "ff:ff:ff:ff:ff:f0")})
    yield Rule(Purpose.FLOOD_UNKNOWN)
    yield Rule(Purpose.LEARN_SOURCE)


def _next_hops(configuration: Configuration) -> Iterator[IPv4Address]:
    """The real servers that are adjacent, and the routers to the others."""
    for farm in configuration.farms.values():
        for real in farm.reals:
            yield next_hop_of(configuration.vlan_interfaces, configuration.routes, real.address)


def client_rules(
    configuration: Configuration, datapath_id: int, sides: Sides, client: str, meter: int
) -> Iterator[Rule]:
    """A copy of each metered rule for one client, whose packets pass its own meter in place of the common one."""
    for rule in standing_rules(configuration, datapath_id, sides):
        if rule.meter == FIRST_METER:
            yield Rule(rule.purpose, {**rule.match, "ipv4_src": client}, meter)


def mute_rules(configuration: Configuration, datapath_id: int, port: int, mac: Optional[bytes]) -> Iterator[Rule]:
    """What keeps the ARP packets of a host, or without ``mac`` of a whole port, from the controller.

    They are switched as usual, but for those that the switch would flood: to the chassis address, and requests for a
    virtual address. Home agents hold that as well (dispatched mode) and might reply.
    """
    host: Match = {"in_port": port, "eth_type": ETHERTYPE_ARP}
    if mac is not None:
        host["eth_src"] = mac
    yield Rule(Purpose.PASS_ARP_STORM, host)
    yield Rule(Purpose.DROP_ARP_STORM, {**host, "eth_dst": chassis_address(datapath_id).hex(":")})
    for server in configuration.virtual_servers.values():
        if server.in_service:
            yield Rule(Purpose.DROP_ARP_STORM, {**host, "arp_op": arp.REQUEST, "arp_tpa": str(server.address)})


def _virtual_server_rules(
    address: str, chassis: str, ports: Optional[Iterable[int]], keys: list[bytes]
) -> Iterator[Rule]:
    """What is sent to a virtual address, and what returns to a session; ``ports`` is None if any port will do."""
    request = udp_match(address, MOBILE_IP_PORT)
    for port in _port_matches(ports):
        yield Rule(Purpose.PUNT_REQUEST, {**port, **request})
        # Fragments and truncated datagrams have no ports. A switch that passes them through its tables shows port 0.
        yield Rule(Purpose.PUNT_FRAGMENT, {**port, **udp_match(address, 0)})
        yield Rule(Purpose.PUNT_REQUEST_TO_CHASSIS, {**port, **request, "eth_dst": chassis})
        # Not every switch can match the type of an ICMP message (OpenFlow 1.3.5, section 7.2.3.8).
        echo: Match = {"eth_type": ETHERTYPE_IPV4, "ip_proto": PROTOCOL_ICMP, "ipv4_dst": address, "eth_dst": chassis}
        yield Rule(Purpose.PUNT_ECHO, {**port, **echo})
        arp_request: Match = {"eth_type": ETHERTYPE_ARP, "arp_op": arp.REQUEST, "arp_tpa": address}
        yield Rule(Purpose.PUNT_ARP_REQUEST, {**port, **arp_request})
    yield Rule(Purpose.RETURN_TO_SESSION, {**request, "in_port": OFPP_CONTROLLER})
    yield Rule(Purpose.PUNT_SESSION_MISS, {**request, "in_port": OFPP_CONTROLLER})
    yield from _rules_for_our_switches(request, keys)


def _outside_rules(configuration: Configuration, sides: Sides) -> Iterator[Rule]:
    """Outside ports are left to the module; traffic that should have come through it and did not is dropped.

    A packet that the crypto map protects and that a router forwards in clear is dropped, as IOS does.
    """
    for port in sorted(sides.outside):
        yield Rule(Purpose.PASS_OUTSIDE, {"in_port": port})
    for address, remote, interface in protected_addresses(configuration):
        packet: Match = {"eth_type": ETHERTYPE_IPV4, "ipv4_dst": str(address)}
        if remote.prefixlen:
            packet["ipv4_src"] = (str(remote.network_address), str(remote.netmask))
        for router_port in _port_matches(sorted(sides.inside.get(interface.vlan, Inside()).router)):
            yield Rule(Purpose.DROP_UNPROTECTED, {**router_port, **packet})


def _protected_server_rules(address: str, chassis: str, ports: Iterable[int]) -> Iterator[Rule]:
    """Packets to a protected virtual address at the chassis address are taken from the inside ports only.

    The ARP reply, which passes the module, makes the chassis address known outside; it must not become a way around
    the module.
    """
    to_chassis: Match = {"eth_type": ETHERTYPE_IPV4, "ipv4_dst": address, "eth_dst": chassis}
    for port in _port_matches(ports):
        yield Rule(Purpose.PUNT_OTHER_TO_CHASSIS_INSIDE, {**port, **to_chassis})
    yield Rule(Purpose.PASS_TO_MODULE, to_chassis)


def _ports_of_protected_addresses(configuration: Configuration, sides: Sides) -> dict[IPv4Address, list[int]]:
    """Each protected virtual address, and the only ports at which packets to it are taken."""
    ports: dict[IPv4Address, set[int]] = {}
    for address, _, interface in protected_addresses(configuration):
        inside = sides.inside.get(interface.vlan, Inside())
        ports.setdefault(address, set()).update(inside.module | inside.router)
    return {address: sorted(numbers) for address, numbers in ports.items()}


def _port_matches(ports: Optional[Iterable[int]]) -> list[Match]:
    """One match for each of these ports; one that matches every port if there is no limit."""
    return [{}] if ports is None else [{"in_port": port} for port in ports]
