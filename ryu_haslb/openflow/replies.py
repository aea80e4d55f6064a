"""Replies of real servers in doubt, which the switches copy to the balancer: which are believed, and what they show.

A reply is believed only if no subscriber can have written it::

    port, Ethernet source, VLAN    those at which the real server was found (:mod:`.neighbours`)
    IPv4 source                    its own address; in dispatched mode also a virtual address, which it holds itself. A
                                   host accepts neither from others, so it cannot be made to forward such a packet
    UDP source port                434, or its own port in direct mode
    content                        a Registration Reply (:mod:`ryu_haslb.mobile_ip.reply_reader`)

Where a router lies between the switch and the real server, or other real servers have the same Ethernet address, others
may be able to send such packets. There a reply is believed only if it answers the last request of a session, by mobile
and Identification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.mobile_ip.reply_reader import ReplyFields, read_registration_reply
from ryu_haslb.openflow.neighbours.neighbour_discovery import NeighbourDiscovery
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.packets.frame import without_vlan_tag
from ryu_haslb.openflow.packets.icmp import checksum
from ryu_haslb.openflow.pipeline import PROTOCOL_UDP, Purpose, Rule
from ryu_haslb.openflow.wire import ETHERTYPE_IPV4, OFPVID_NONE, OFPVID_PRESENT, Value
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session

_ETHERNET = Struct("!6x6sH")
_IPV4 = Struct("!BxH2xHxB2x4s4s")
_UDP = Struct("!HHH")
_UDP_LENGTH = 8
# Bounds of the first byte of an IPv4 header: the version, 4, and the header's length in words, at least 5.
_NO_OPTIONS, _NEXT_VERSION = 0x45, 0x50
_FRAGMENT = 0x3FFF  # more fragments, and the offset

#: The rules that copy the replies of one real server.
RealRules = tuple[Rule, ...]


class CopiedReply(NamedTuple):
    """A Registration Reply on its way: its Ethernet and IPv4 source in bytes, its UDP source port, and its fields.

    It goes to ``to_port`` at ``destination``.
    """

    mac: bytes
    source: bytes
    port: int
    fields: ReplyFields
    destination: bytes
    to_port: int


def read_reply(frame: bytes) -> Optional[CopiedReply]:
    """The Registration Reply in an untagged frame; None if there is none, or anything about it is wrong.

    The UDP checksum is not read: in virtual machines it may be completed behind the switch.
    """
    try:
        mac, ethertype = _ETHERNET.unpack_from(frame)
        version_ihl, total_length, fragment, protocol, source, destination = _IPV4.unpack_from(frame, _ETHERNET.size)
        datagram = _ETHERNET.size + (version_ihl & 0x0F) * 4
        port, to_port, datagram_length = _UDP.unpack_from(frame, datagram)
    except struct.error:
        return None
    end = datagram + datagram_length
    is_sound = (
        (ethertype, protocol) == (ETHERTYPE_IPV4, PROTOCOL_UDP)
        and _NO_OPTIONS <= version_ihl < _NEXT_VERSION
        and not fragment & _FRAGMENT
        and datagram + _UDP_LENGTH <= end <= min(_ETHERNET.size + total_length, len(frame))
        and checksum(frame[_ETHERNET.size : datagram]) == 0
    )
    fields = read_registration_reply(frame[datagram + _UDP_LENGTH : end]) if is_sound else None
    return None if fields is None else CopiedReply(mac, source, port, fields, destination, to_port)


def ipv4_from(location: Location) -> dict[str, Value]:
    """Matches IPv4 packets that come from a location."""
    return {
        "in_port": location.port,
        "eth_src": location.mac.hex(":"),
        "vlan_vid": OFPVID_NONE if location.vlan is None else location.vlan | OFPVID_PRESENT,
        "eth_type": ETHERTYPE_IPV4,
    }


def copying_rules(location: Location, sources: tuple[bytes, ...], port: int) -> RealRules:
    """The rules that pass replies as usual and copy them: from a location, these IPv4 sources, and a UDP port."""
    place = ipv4_from(location)
    return tuple(
        Rule(
            Purpose.PASS_REPLY,
            {**place, "ip_proto": PROTOCOL_UDP, "ipv4_src": ".".join(map(str, source)), "udp_src": port},
        )
        for source in sources
    )


class Replies:
    """The replies that one switch copies. ``discovery`` is where it has found the real servers."""

    def __init__(self, datapath_id: int, balancer: Balancer, discovery: NeighbourDiscovery) -> None:
        self._datapath_id = datapath_id
        self._balancer = balancer
        self._discovery = discovery

    def wanted_rules(self) -> dict[RealServer, RealRules]:
        """The rules for each real server that is in doubt, or has failed, and can be reached."""
        return {
            real: copying_rules(location, self._sources(real, farm), _source_port(real, farm))
            for real, farm, location in self._watched()
        }

    def on_copy(self, frame: bytes, port: int, now: float) -> None:
        """The switch has copied a frame that came in at a port."""
        untagged, vlan = without_vlan_tag(frame)
        reply = read_reply(untagged)
        if reply is None:
            return
        place = Location(reply.mac, port, vlan or None)
        candidates = [
            (real, farm)
            for real, farm, location in self._watched()
            if location == place
            and reply.source in self._sources(real, farm)
            and reply.port == _source_port(real, farm)
        ]
        for real, farm in candidates:
            session = self._session_of(reply.fields, real, farm)
            is_its_own = real.packed_address in (reply.source, reply.fields.home_agent)
            if session is not None or ((is_its_own or len(candidates) == 1) and self._is_alone(real, place)):
                self._balancer.record_reply(real, session if reply.fields.is_accepted else None, now)

    def _watched(self) -> Iterator[tuple[RealServer, ServerFarm, Location]]:
        for farm in self._balancer.farms.values():
            for real in farm.reals:
                if real.is_watched and self._datapath_id in real.reachable_from:
                    location = self._discovery.location(real.configuration)
                    if location is not None:
                        yield real, farm, location

    def _sources(self, real: RealServer, farm: ServerFarm) -> tuple[bytes, ...]:
        """The addresses that it replies from: in dispatched mode the one that the request was sent to."""
        if farm.configuration.nat_server:
            return (real.packed_address,)
        servers = self._balancer.virtual_servers.values()
        return (real.packed_address, *(server.packed_address for server in servers if server.farm is farm))

    def _session_of(self, fields: ReplyFields, real: RealServer, farm: ServerFarm) -> Optional[Session]:
        """The session whose last request a real server has answered; None if there is none."""
        if fields.identity is None:
            return None
        for server in self._balancer.virtual_servers.values():
            if server.farm is farm:
                session = self._balancer.sessions.of_mobile(server, fields.identity)
                if session is not None and session.real is real and fields.answers(session.identification):
                    return session
        return None

    def _is_alone(self, real: RealServer, place: Location) -> bool:
        """Whether nothing but the real server sends from its place: no router, and no other real server."""
        return self._discovery.is_direct(real.configuration) and not any(
            other.packed_address != real.packed_address and self._is_at(other, place)
            for other in self._balancer.reals()
        )

    def _is_at(self, real: RealServer, place: Location) -> bool:
        location = self._discovery.location(real.configuration)
        return location is not None and location.mac == place.mac


def _source_port(real: RealServer, farm: ServerFarm) -> int:
    return real.port if farm.configuration.nat_server else MOBILE_IP_PORT
