"""One switch: what it sends us and what we answer. The second half of the request path; bytes in, bytes out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Optional, Union

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow import arp, wire
from ryu_haslb.openflow.admission import Admission
from ryu_haslb.openflow.flow_mods import delivery_actions
from ryu_haslb.openflow.frame import read_request, without_vlan_tag
from ryu_haslb.openflow.neighbours import Location, Neighbours
from ryu_haslb.openflow.pipeline import Purpose, chassis_address, session_rewrites
from ryu_haslb.openflow.recovery import Recovery
from ryu_haslb.openflow.session_rules import SessionRules
from ryu_haslb.openflow.transactions import Channel, Transactions
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK
from ryu_haslb.slb.statistics import DropReason
from ryu_haslb.slb.virtual_server import VirtualServer

_ARP = frozenset({Purpose.PUNT_ARP_REQUEST, Purpose.PUNT_ARP_REPLY, Purpose.PUNT_ARP_FROM_REAL})

LOG = logging.getLogger(__name__)

#: VLANs beside the configured ones that real servers are looked for in; anybody may send requests and ARP packets.
MOST_LEARNED_VLANS = 32


class Switch:
    """A switch that the balancer serves. It outlives its connections; ``channel`` is None between them."""

    def __init__(self, datapath_id: int, configuration: Configuration, balancer: Balancer) -> None:
        self.datapath_id = datapath_id
        self.channel: Optional[Channel] = None
        self.transactions: Optional[Transactions] = None
        self.sides = Sides()
        self._remarks: list[str] = []
        self._balancer = balancer
        self._mac = chassis_address(datapath_id)
        self._neighbours = Neighbours(configuration, datapath_id)
        self._configured_vlans: set[int] = set()
        self._learned_vlans: set[int] = set()
        self._deliveries: dict[RealServer, bytes] = {}
        self._dispatched_macs: frozenset[bytes] = frozenset()
        self._returns_to_sessions = True
        self.rules = SessionRules(datapath_id, balancer, self._deliveries)
        self._recovery = Recovery()
        self.admission = Admission(balancer, self._read_request)
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> None:
        """Go by the configuration that the balancer goes by already."""
        self._neighbours.configure(configuration)
        self._configured_vlans = {interface.vlan for interface in configuration.vlan_interfaces}
        self._virtual_servers: Mapping[bytes, VirtualServer] = {
            server.packed_address: server
            for server in self._balancer.virtual_servers.values()
            if server.configuration.in_service
        }
        self._update_deliveries()

    def set_sides(self, sides: Sides, remarks: list[str]) -> None:
        """Take note of how the ports lie around the IPsec module; remarks are logged when they are new."""
        for remark in remarks:
            if remark not in self._remarks:
                LOG.warning("Switch %016x %s", self.datapath_id, remark)
        self.sides, self._remarks = sides, remarks

    def connect(self, channel: Channel, now: float) -> Transactions:
        """A connection is there: what the switch holds and who its neighbours are has to be made sure of again."""
        self.disconnect()
        self.channel = channel
        self.transactions = Transactions(channel)
        self._neighbours.probe_all_now()
        self.rules.renew(self._balancer.sessions)
        if not self._recovery.is_complete:
            channel.transmit(self._recovery.request_flow_stats(channel.next_xid(), now))
        return self.transactions

    def disconnect(self) -> None:
        """The connection is gone; sessions stay."""
        if self.transactions is not None:
            self.transactions.abandon()
        self.rules.reset()
        self.channel = self.transactions = None
        self.admission.reset()

    def confirmed(self, xid: int, now: float) -> bool:
        """Take a barrier reply. False when it answers a barrier that is not from here."""
        ours = self.admission.on_barrier_reply(xid, now)
        return (self.transactions is not None and self.transactions.confirmed(xid)) or ours

    def refused(self, error: wire.Error) -> bool:
        """Take an error. True when it says that the switch cannot output to its tables: then we deliver by hand."""
        if not wire.is_return_to_session(error.data):
            return False
        if self._returns_to_sessions:
            LOG.warning("Switch %016x cannot output to TABLE; its session rules will not count", self.datapath_id)
            self._returns_to_sessions = False
        return True

    def packet_in(self, message: bytes, now: float) -> bool:
        """Take a packet-in. False when it came by no rule of ours: somebody else's business."""
        try:
            punted = wire.read_packet_in(message)
        except wire.MalformedMessage:
            return False
        if punted is None or self.channel is None:
            return False
        cookie, port, frame = punted
        if cookie & COOKIE_MARK_MASK != COOKIE_MARK:
            return False
        purpose = cookie >> 16
        if purpose == Purpose.PUNT_SESSION_MISS:
            self._lost_session(self.channel, frame)
        elif port == wire.OFPP_CONTROLLER:  # our own packet-outs must not come back to us as requests
            self._balancer.count_dropped(DropReason.RETURNED_BY_SWITCH)
        elif purpose in _ARP:
            self._arp(self.channel, port, frame, now, asked=purpose == Purpose.PUNT_ARP_REQUEST)
        else:
            self._request(self.channel, frame, now)
        return True

    def multipart_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Take a part of the answer about the session rules that are there. False: the answer to another question."""
        ours = self._recovery.on_flow_stats(xid, message)
        if ours and self._recovery.is_complete:
            self._recover(now)
        return ours

    def tick(self, now: float) -> None:
        """Probe neighbours that are due, and send the rules that have come together."""
        if self.channel is None or self.transactions is None:
            return
        self._expire_recovery(now)
        addresses, lost = self._neighbours.due(now)
        if addresses:
            self._probe(self.channel, addresses)
        if lost:
            self._update_deliveries()
        self.flush(now)

    def flush(self, now: float) -> None:
        """Send the rules that have come together, and see how far behind the switch is."""
        if self.channel is None or self.transactions is None:
            return
        self.admission.update_load(self.channel, self.rules.flush(self.transactions), now)

    def port_changed(self, port: int, usable: bool) -> None:
        """A port came up, went down or disappeared."""
        if usable:
            self._neighbours.probe_all_now()
        elif self._neighbours.forget_port(port):
            self._update_deliveries()

    def _request(self, channel: Channel, frame: bytes, now: float) -> None:
        frame, vlan = without_vlan_tag(frame)
        request = self.admission.admit(frame, vlan)
        if not isinstance(request, Request):
            self._balancer.count_dropped(request)
            return
        real, session, _ = self._balancer.request(request, now)
        if real is None:
            return
        if session is not None and session.rule_at == self.datapath_id and self._returns_to_sessions:
            channel.transmit(wire.packet_out(wire.return_to_session(session.tag), frame))
            return
        channel.transmit(wire.packet_out(self._deliveries[real], frame))
        if session is not None:
            self.rules.want(session)

    def _read_request(self, frame: bytes, vlan: Optional[int]) -> Union[Request, DropReason]:
        """The request in an untagged frame, or why the balancer cannot decide about it."""
        if not self._recovery.is_complete:
            return DropReason.RECOVERY_PENDING
        request = read_request(frame, self._virtual_servers, self.datapath_id)
        if not isinstance(request, Request):
            return request
        if vlan and not self._configured_vlans:
            self._learn_vlan(vlan)
        if self._recovery.is_pending(request):
            return DropReason.RECOVERY_PENDING
        if frame[6:12] in self._dispatched_macs and self._comes_back(request, frame[6:12]):
            return DropReason.RETURNED_BY_HOME_AGENT
        return request

    def _comes_back(self, request: Request, mac: bytes) -> bool:
        """Whether the sender is the home agent that the session's requests are dispatched to."""
        session = self._balancer.sessions.find(request)
        if session is None or session.real not in self._deliveries:
            return False
        location = self._neighbours.location(session.real.configuration)
        return location is not None and location.mac == mac

    def _lost_session(self, channel: Channel, frame: bytes) -> None:
        """A request was returned to a rule that is gone, idle for too long: deliver it by hand, place the rule anew."""
        session = self._balancer.sessions.by_tag(int.from_bytes(frame[6:12], "big"))
        if session is None or session.real not in self._deliveries:
            self._balancer.count_undelivered(DropReason.REAL_UNREACHABLE)
            return
        session.rule_at = None
        channel.transmit(wire.packet_out(self._deliveries[session.real], frame))
        self.rules.want(session)

    def _arp(self, channel: Channel, port: int, frame: bytes, now: float, asked: bool) -> None:
        """Answer whoever ``asked`` by a port where we do, and hear where home agents are."""
        untagged, vlan = without_vlan_tag(frame)
        packet = arp.read_arp(untagged)
        if packet is None:
            return
        if asked and packet.target_address in self._virtual_servers:
            tag = wire.push_vlan(vlan) if vlan else b""
            channel.transmit(wire.packet_out(tag + wire.output(port), arp.answer(packet, self._mac)))
        elif self.sides.leads_outside(port):
            return  # whoever claims there to be a home agent would get requests that the module has decrypted
        elif self._neighbours.heard(packet.sender_address, Location(packet.sender_mac, port, vlan or None), now):
            if vlan:
                self._learn_vlan(vlan)
            self._update_deliveries()
            self._recover(now)

    def _probe(self, channel: Channel, addresses: list[bytes]) -> None:
        """Ask for addresses out of every port: without a tag, and with the tag of each VLAN that we know of."""
        flood = wire.output(wire.OFPP_FLOOD)
        ways = [flood] + [wire.push_vlan(vlan) + flood for vlan in self._configured_vlans | self._learned_vlans]
        for address in addresses:
            frame = arp.probe(self._mac, address)
            for actions in ways:
                channel.transmit(wire.packet_out(actions, frame))

    def _recover(self, now: float) -> None:
        recovered = list(self._recovery.recover(self._balancer, self._virtual_servers, self._deliveries, now))
        for session in recovered:
            session.rule_at = self.datapath_id
        if recovered:
            LOG.info("Switch %016x: recovered %d sessions from its rules", self.datapath_id, len(recovered))

    def _expire_recovery(self, now: float) -> None:
        loss = self._recovery.expire(now)
        if loss is None:
            return
        LOG.warning("Switch %016x: %s", self.datapath_id, loss.reason)
        for rule in loss.rules:
            self.rules.remove_rule(rule.tag, rule.virtual_address, MOBILE_IP_PORT)

    def _learn_vlan(self, vlan: int) -> None:
        """Look for real servers there from now on: requests come from there, or one has answered there."""
        if vlan not in self._learned_vlans and len(self._learned_vlans) < MOST_LEARNED_VLANS:
            self._learned_vlans.add(vlan)
            self._neighbours.probe_all_now()

    def _update_deliveries(self) -> None:
        """Derive from where the real servers are how packets get there; sessions of whoever moved follow at once."""
        macs = set()
        moved = set(self._deliveries) - set(self._balancer.reals())
        for real in moved:
            self._set_delivery(real, None)
        for farm in self._balancer.farms.values():
            for real in farm.reals:
                location = self._neighbours.location(real.configuration)
                if location is not None and not farm.configuration.nat_server:
                    macs.add(location.mac)
                actions = self._delivery(real, farm.configuration.nat_server, location) if location else None
                if actions != self._deliveries.get(real):
                    moved.add(real)
                    self._set_delivery(real, actions)
                    self._log_location(real, location)
        self._dispatched_macs = frozenset(macs)
        if moved:
            self.rules.renew(session for session in self._balancer.sessions if session.real in moved)

    def _log_location(self, real: RealServer, location: Optional[Location]) -> None:
        where = "cannot be reached"
        if location is not None:
            vlan = location.vlan or "untagged"
            where = f"is at {location.mac.hex(':')}, port {location.port}, VLAN {vlan}"
        address = real.configuration.address
        LOG.info("Switch %016x: real server %s (%s) %s", self.datapath_id, address, real.farm_name, where)

    def _set_delivery(self, real: RealServer, actions: Optional[bytes]) -> None:
        if actions is None:
            del self._deliveries[real]
            real.reachable_from.discard(self.datapath_id)
        else:
            self._deliveries[real] = actions
            real.reachable_from.add(self.datapath_id)

    def _delivery(self, real: RealServer, nat_server: bool, location: Location) -> bytes:
        """The actions of a session rule: dispatched mode rewrites Ethernet only, direct mode the destination too."""
        rewrites = session_rewrites(self._mac, location.mac, real.configuration if nat_server else None)
        return delivery_actions(rewrites, location.port, location.vlan)
