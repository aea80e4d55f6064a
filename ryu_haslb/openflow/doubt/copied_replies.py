"""Replies of real servers in doubt, which the switches copy to the balancer: which are believed, and what they show.

A reply is believed only if no subscriber can have written it::

    port, Ethernet source, VLAN    those at which the real server was found (:mod:`.neighbours.table`)
    IPv4 source                    its own address; in dispatched mode also a virtual address, which it holds itself. A
                                   host accepts neither from others, so it cannot be made to forward such a packet
    UDP source port                434, or its own port in direct mode
    content                        a Registration Reply (:mod:`ryu_haslb.mobile_ip.reply_reader`)

Where a router lies between the switch and the real server, or other real servers have the same Ethernet address, others
may be able to send such packets. There a reply is believed only if it answers the last request of a session, by mobile
and Identification.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.mobile_ip.reply_reader import ReplyFields
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Rule
from ryu_haslb.openflow.neighbours.discovery import NeighbourDiscovery
from ryu_haslb.openflow.neighbours.places import Location, ipv4_from
from ryu_haslb.openflow.packets.frame import without_vlan_tag
from ryu_haslb.openflow.packets.reply_frame import read_reply
from ryu_haslb.openflow.wire.wire import PROTOCOL_UDP
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import Session

#: The rules that copy the replies of one real server.
RealRules = tuple[Rule, ...]


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
        return {real: self._rules_of(real, farm, location) for real, farm, location in self._watched()}

    def all_rules(self) -> Iterator[Rule]:
        """The rules for each real server that can be reached, be it in doubt or not."""
        for real, farm, location in self._reachable(is_watched=False):
            yield from self._rules_of(real, farm, location)

    def _rules_of(self, real: RealServer, farm: ServerFarm, location: Location) -> RealRules:
        return copying_rules(location, self._sources(real, farm), _source_port(real, farm))

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
        return self._reachable(is_watched=True)

    def _reachable(self, is_watched: bool) -> Iterator[tuple[RealServer, ServerFarm, Location]]:
        for farm in self._balancer.farms.values():
            for real in farm.reals:
                if (real.is_watched or not is_watched) and self._datapath_id in real.reachable_from:
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
