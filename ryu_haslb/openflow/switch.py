"""One switch: what a packet-in leads to. Bytes in, bytes out; this is the second half of the request path.

A packet-in carries the cookie of the rule that caused it, and the cookie names the purpose of the rule
(:mod:`.pipeline`)::

    PUNT_SESSION_MISS            a request was returned to a session rule that is gone: forward it, install the rule
    any, from port CONTROLLER    a packet-out of ours was punted again: drop it
    PUNT_ARP_...                 ARP: reply for a virtual address, or learn where a real server is
    any other                    a request that came from the wire

A request is read and admitted, or dropped (:mod:`.admission`). The balancer finds or opens its session and chooses the
real server. Then it is forwarded by a packet-out, in one of two ways:

* The session has its rule on this switch. The packet-out marks the request with the session's tag and outputs it to
  TABLE: it hits the session rule, which counts it, restarts its idle timer, and forwards it.
* Otherwise the packet-out has the actions that lead to the real server, and the session rule is installed behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Optional, Union

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.admission import Admission
from ryu_haslb.openflow.channel import Channel
from ryu_haslb.openflow.forwarding import Forwarding
from ryu_haslb.openflow.frame import read_request, without_vlan_tag
from ryu_haslb.openflow.neighbour_discovery import NeighbourDiscovery
from ryu_haslb.openflow.pipeline import Purpose
from ryu_haslb.openflow.recovery import Recovery
from ryu_haslb.openflow.session_rules import SessionRules
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK
from ryu_haslb.slb.statistics import DropReason
from ryu_haslb.slb.virtual_server import VirtualServer

LOG = logging.getLogger(__name__)

_ARP_PURPOSES = frozenset({Purpose.PUNT_ARP_REQUEST, Purpose.PUNT_ARP_REPLY, Purpose.PUNT_ARP_FROM_REAL})
#: The Ethernet source address in a frame.
_ETH_SRC = slice(6, 12)


class Switch:
    """A switch that is served, or was. It outlives its connections; ``channel`` is None between them."""

    def __init__(self, datapath_id: int, configuration: Configuration, balancer: Balancer) -> None:
        self.datapath_id = datapath_id
        self.channel: Optional[Channel] = None
        self._balancer = balancer
        self._virtual_servers: Mapping[bytes, VirtualServer] = {}
        self._discovery = NeighbourDiscovery(datapath_id, configuration)
        self._forwarding = Forwarding(datapath_id)
        self.rules = SessionRules(datapath_id, balancer, self._forwarding.actions)
        self.admission = Admission(balancer, self._read_request)
        self._recovery = Recovery()
        self._can_output_to_table = True
        self._remarks: list[str] = []
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration; the balancer must have applied it before."""
        self._discovery.configure(configuration)
        self._virtual_servers = {
            server.packed_address: server
            for server in self._balancer.virtual_servers.values()
            if server.configuration.in_service
        }
        self._update_forwarding()

    @property
    def sides(self) -> Sides:
        """How the switch's ports lie around the IPsec module."""
        return self._discovery.sides

    def set_sides(self, sides: Sides, remarks: list[str]) -> None:
        """Set :attr:`sides`, and log each remark about them that has not been logged yet."""
        for remark in remarks:
            if remark not in self._remarks:
                LOG.warning("Switch %016x %s", self.datapath_id, remark)
        self._discovery.sides, self._remarks = sides, remarks

    def connect(self, transactions: Transactions, now: float) -> None:
        """Serve the switch over a new connection. Its rules and neighbours may have changed meanwhile."""
        self.disconnect()
        self.channel = transactions.channel
        self.rules.connect(transactions)
        self._discovery.probe_all()
        if not self._recovery.is_complete:
            self.channel.transmit(self._recovery.request_flow_stats(self.channel.next_xid(), now))

    def disconnect(self) -> None:
        """The connection is lost. Sessions, and the rules on the switch, stay."""
        self.channel = None
        self.rules.disconnect()
        self.admission.reset()

    def on_packet_in(self, message: bytes, now: float) -> bool:
        """Handle a packet-in. False when it was not caused by a rule of ours."""
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
            self._on_session_miss(self.channel, frame)
        elif port == wire.OFPP_CONTROLLER:
            self._balancer.count_dropped(DropReason.RETURNED_BY_SWITCH)
        elif purpose in _ARP_PURPOSES:
            self._on_arp(self.channel, purpose, port, frame, now)
        else:
            self._on_request(self.channel, frame, now)
        return True

    def on_multipart_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Handle a part of the flow-stats reply that recovers sessions. False when it is another reply."""
        is_ours = self._recovery.on_flow_stats(xid, message)
        if is_ours and self._recovery.is_complete:
            self._recover_sessions(now)
        return is_ours

    def on_error(self, error: wire.Error) -> bool:
        """Handle an error. True when the switch rejected an output to TABLE: packet-outs do without it from now on."""
        if not wire.is_return_to_session(error.data):
            return False
        if self._can_output_to_table:
            self._can_output_to_table = False
            LOG.warning(
                "Switch %016x rejected output to TABLE; its requests are forwarded by packet-out, and its session "
                "rules count no packets",
                self.datapath_id,
            )
        return True

    def on_port_changed(self, port: int, usable: bool) -> None:
        """A port came up, went down or was removed."""
        if self._discovery.on_port_changed(port, usable):
            self._update_forwarding()

    def tick(self, now: float) -> None:
        """Send the probes and session rules that are due; give up the recovery of sessions when its time is over."""
        if self.channel is None:
            return
        self._expire_recovery(now)
        if self._discovery.probe_due(self.channel, now):
            self._update_forwarding()
        self.flush(now)

    def flush(self, now: float) -> None:
        """Send the session rules that wait, and determine the load of the switch."""
        if self.channel is not None:
            self.admission.update_load(self.channel, self.rules.flush(now), now)

    def _on_request(self, channel: Channel, frame: bytes, now: float) -> None:
        frame, vlan = without_vlan_tag(frame)
        request = self.admission.admit(frame, vlan)
        if not isinstance(request, Request):
            self._balancer.count_dropped(request)
            return
        real, session, _ = self._balancer.request(request, now)
        if real is None:
            return
        if session is not None and session.rule_at == self.datapath_id and self._can_output_to_table:
            channel.transmit(wire.packet_out(wire.return_to_session(session.tag), frame))
            return
        channel.transmit(wire.packet_out(self._forwarding.actions[real], frame))
        if session is not None:
            self.rules.install(session)

    def _read_request(self, frame: bytes, vlan: Optional[int]) -> Union[Request, DropReason]:
        """The request in an untagged frame, or why the balancer cannot decide about it."""
        if not self._recovery.is_complete:
            return DropReason.RECOVERY_PENDING
        request = read_request(frame, self._virtual_servers, self.datapath_id)
        if not isinstance(request, Request):
            return request
        if vlan:
            self._discovery.on_request_from(vlan)
        if self._recovery.is_pending(request):
            return DropReason.RECOVERY_PENDING
        mac = frame[_ETH_SRC]
        if mac in self._forwarding.dispatched_macs and self._is_returned(request, mac):
            return DropReason.RETURNED_BY_HOME_AGENT
        return request

    def _is_returned(self, request: Request, mac: bytes) -> bool:
        """Whether the sender is the home agent that the session's requests are dispatched to."""
        session = self._balancer.sessions.find(request)
        return session is not None and self._forwarding.is_at(session.real, mac)

    def _on_session_miss(self, channel: Channel, frame: bytes) -> None:
        """A request was returned to a session rule that is gone, for instance after its idle time-out."""
        session = self._balancer.sessions.by_tag(int.from_bytes(frame[_ETH_SRC], "big"))
        actions = None if session is None else self._forwarding.actions.get(session.real)
        if session is None or actions is None:
            self._balancer.count_undelivered(DropReason.REAL_UNREACHABLE)
            return
        session.rule_at = None
        channel.transmit(wire.packet_out(actions, frame))
        self.rules.install(session)

    def _on_arp(self, channel: Channel, purpose: int, port: int, frame: bytes, now: float) -> None:
        """Reply to a request for a virtual address, on the ports where it is served; learn from all other packets."""
        is_request = purpose == Purpose.PUNT_ARP_REQUEST
        if is_request and self._discovery.reply(channel, frame, port, self._virtual_servers):
            return
        if self._discovery.on_arp(frame, port, now):
            self._update_forwarding()
            self._recover_sessions(now)

    def _update_forwarding(self) -> None:
        """Locations or farms have changed: the session rules of real servers that have moved are installed again."""
        moved = self._forwarding.update(self._balancer.farms.values(), self._discovery.location)
        if moved:
            self.rules.reinstall(session for session in self._balancer.sessions if session.real in moved)

    def _recover_sessions(self, now: float) -> None:
        """Recover the sessions whose real servers have become reachable."""
        actions = self._forwarding.actions
        recovered = list(self._recovery.recover(self._balancer, self._virtual_servers, actions, now))
        for session in recovered:
            session.rule_at = self.datapath_id
        if recovered:
            LOG.info("Switch %016x: recovered %d sessions from its rules", self.datapath_id, len(recovered))

    def _expire_recovery(self, now: float) -> None:
        """Remove the rules of sessions that can no longer be recovered."""
        loss = self._recovery.expire(now)
        if loss is None:
            return
        LOG.warning("Switch %016x: %s", self.datapath_id, loss.reason)
        for rule in loss.rules:
            self.rules.remove_rule(rule.tag, rule.virtual_address, MOBILE_IP_PORT)
