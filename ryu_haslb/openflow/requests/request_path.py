"""What a packet-in leads to at one switch. Bytes in, bytes out; this is the second half of the request path.

A packet-in carries the cookie of the rule that caused it, and the cookie names the purpose of the rule
(:mod:`.pipeline`)::

    PUNT_SESSION_MISS            a request was returned to a session rule that is gone: forward it, install the rule
    any, from port CONTROLLER    a packet-out of ours was punted again: drop it
    PUNT_ECHO                    a ping of a virtual address: reply
    COPY_REPLY                   a reply of a real server in doubt (:mod:`.copied_replies`)
    PUNT_ARP_...                 ARP: reply for a virtual address, or learn where a real server is
    PUNT_PROBE_REPLY             a real server answers a probe (:mod:`.probes.questions`)
    any other                    a request that came from the wire

A request is read and admitted, or dropped (:mod:`.admission`). The balancer finds or opens its session and chooses the
real server. Then it is forwarded by a packet-out, in one of two ways:

* The session has its rule on this switch. The packet-out marks the request with the session's tag and outputs it to
  TABLE: it hits the session rule, which counts it, restarts its idle timer, and forwards it.
* Otherwise the packet-out has the actions that lead to the real server, and the session rule is installed behind it
  (before it while this member of a cluster resigns).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Optional, Union

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.delivery.table_output import PROBE_TAG, TableOutput
from ryu_haslb.openflow.doubt.copied_replies import Replies
from ryu_haslb.openflow.flow_tables.pipeline import REPLY_PURPOSES, Purpose, chassis_address
from ryu_haslb.openflow.learning.table import Learning
from ryu_haslb.openflow.neighbours.adjacencies import Adjacencies
from ryu_haslb.openflow.overload.admission import Admission
from ryu_haslb.openflow.overload.backlog import Load
from ryu_haslb.openflow.packets.frame import (
    ETH_SRC,
    ETHERTYPE,
    IPV4_DST,
    IPV4_HEADER,
    IPV4_SRC,
    UDP_HEADER,
    without_vlan_tag,
)
from ryu_haslb.openflow.packets.icmp import echo_reply
from ryu_haslb.openflow.probes.questions import Questions
from ryu_haslb.openflow.recovery.unrecovered import UnrecoveredSessions
from ryu_haslb.openflow.requests.checks import RequestChecks
from ryu_haslb.openflow.sessions.session_rules import SessionRules
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.sockets.held_channel import HeldChannel
from ryu_haslb.openflow.wire import packet, wire
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK
from ryu_haslb.slb.virtual_server import VirtualServer

# Until Python 3.12 to look up a member in an Enum takes five times as long as a name; this is for the request path.
_PUNT_SESSION_MISS: Final = Purpose.PUNT_SESSION_MISS.value
#: Rules that punt an answer to a probe before the rule for it acts.
_TO_CHASSIS: Final = frozenset({Purpose.PUNT_OTHER_TO_CHASSIS.value, Purpose.PUNT_OTHER_TO_CHASSIS_INSIDE.value})
_CONTROLLER: Final = wire.OFPP_CONTROLLER
_ARP: Final = {Purpose.PUNT_ARP_REQUEST, Purpose.PUNT_ARP_REPLY, Purpose.PUNT_ARP_FROM_REAL, Purpose.PUNT_ARP_ANSWER}
_OTHERS: Final = {Purpose.PUNT_ECHO, Purpose.LEARN_SOURCE, Purpose.PUNT_PROBE_REPLY} | REPLY_PURPOSES | _ARP
_NO_REQUESTS: Final = frozenset(each.value for each in _OTHERS)
#: The cookies of rules that punt requests, except session misses and other packets to the chassis address.
_REQUEST_COOKIES: Final = frozenset(
    each.cookie for each in Purpose if each.value not in _NO_REQUESTS | {_PUNT_SESSION_MISS} | _TO_CHASSIS
)
_ADDRESS_LENGTH: Final = 4
_IPV4: Final = wire.ETHERTYPE_IPV4.to_bytes(2, "big")
#: Seconds without a barrier reply after which nothing is learned. While the switch reads its rules for us, its load
#: does not show how long it takes for flow-mods.
MAX_LEARNING_DELAY: Final = 0.1


class RequestPath:
    """The request path through one switch, and the parts that it goes through.

    ``channel`` takes the packet-outs; while it is None, requests are counted as dropped. ``learning`` learns from
    what is punted, on a switch that does not learn by itself. ``all_unrecovered`` are those of all switches that
    have unrecovered sessions.
    """

    def __init__(self, datapath_id: int, configuration: Configuration, balancer: Balancer) -> None:
        self._channel: Optional[Channel] = None
        #: The channel, or one that holds requests back until session rules were sent.
        self._outgoing: Optional[Channel] = None
        self.learning: Optional[Learning] = None
        self._datapath_id = datapath_id
        self._balancer = balancer
        self.adjacencies = Adjacencies(datapath_id, configuration, balancer, self._on_adjacencies_updated)
        discovery, forwarding = self.adjacencies.discovery, self.adjacencies.forwarding
        self._discovery, self._actions = discovery, forwarding.actions
        self._checks = RequestChecks(datapath_id, balancer, discovery, forwarding)
        self.replies = Replies(datapath_id, balancer, discovery)
        self.questions = Questions(datapath_id, balancer, discovery, forwarding)
        self.table_output = TableOutput(datapath_id)
        self.rules = SessionRules(datapath_id, balancer, forwarding.rule_actions, self.table_output)
        self._request = self._checks.request
        self.admission = Admission(balancer, self._request, self._checks.read)
        self.unrecovered = UnrecoveredSessions(
            *(datapath_id, balancer, self.rules, forwarding.rule_actions, self.table_output)
        )
        self.all_unrecovered: list[UnrecoveredSessions] = []
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration; the balancer must have applied it before."""
        datapath = configuration.datapaths.get(self._datapath_id)
        self.rules.room.configured = None if datapath is None else datapath.max_rules
        self._checks.configure(configuration)
        self.adjacencies.configure(configuration)

    def set_resigning(self, is_resigning: bool) -> None:
        """While this member of a cluster resigns, each session rule precedes its request, and none waits.

        At any moment the switch may accept another member as MASTER. It then rejects a session rule and the request
        behind it, and the mobile's retransmission reaches the other leader. The rules of all requests that arrive
        together are one bundle. With a bundle for each the switch would lag behind, and more requests would be lost:
        all that it has not carried out when the other leader is MASTER.
        """
        self.release()
        self._outgoing = self._channel
        if is_resigning and self._channel is not None:
            self.rules.send_waiting()
            self._outgoing = HeldChannel(self._channel, self.rules.send_waiting)

    def release(self) -> None:
        """Send the requests that are held back, behind the session rules that wait."""
        if isinstance(self._outgoing, HeldChannel):
            self._outgoing.release()

    @property
    def channel(self) -> Optional[Channel]:
        """The connection over which the switch is served."""
        return self._channel

    @channel.setter
    def channel(self, channel: Optional[Channel]) -> None:
        self._channel = self._outgoing = channel

    @property
    def virtual_servers(self) -> Mapping[bytes, VirtualServer]:
        """The virtual servers that are in service, by their addresses."""
        return self._checks.virtual_servers

    def on_packet_in(self, message: bytes, now: float) -> bool:
        """Handle a packet-in. False when it was not caused by a rule of ours."""
        try:
            punted = packet.read_packet_in(message)
        except wire.MalformedMessage:
            return False
        channel = self._outgoing
        if punted is None:
            return False
        cookie, port, frame = punted
        if channel is None:
            return self._count_unserved(cookie, port, frame)
        if cookie in _REQUEST_COOKIES and port != _CONTROLLER:
            self._on_request(channel, frame, port, now)
            return True
        if cookie & COOKIE_MARK_MASK != COOKIE_MARK:
            return False
        purpose = cookie >> COOKIE_MARK_BITS
        if purpose == _PUNT_SESSION_MISS:
            self._on_session_miss(channel, frame, now)
        elif port == _CONTROLLER:
            self._balancer.statistics.count_dropped(DropReason.RETURNED_BY_SWITCH)
        elif purpose not in _NO_REQUESTS:
            if purpose not in _TO_CHASSIS or not self.questions.take_early_answer(frame, port, now):
                self._on_request(channel, frame, port, now)
        else:
            self._on_other(channel, purpose, frame, port, now)
        return True

    def _may_learn(self, now: float) -> bool:
        """Whether the switch takes rules of the learning table in time; what is not learned is flooded meanwhile."""
        return self.admission.load is Load.NORMAL and self.admission.oldest_barrier_age(now) < MAX_LEARNING_DELAY

    def _on_other(self, channel: Channel, purpose: int, frame: bytes, port: int, now: float) -> None:
        """Handle what is no request."""
        if purpose == Purpose.PUNT_ECHO:
            if not self.questions.take_early_answer(frame, port, now):
                self._on_echo(channel, frame, port)
        elif purpose == Purpose.PUNT_PROBE_REPLY:
            if not self.questions.on_reply(frame, port, now):
                self._on_echo(channel, frame, port)  # in direct mode home agents may ping the virtual address
        elif purpose in REPLY_PURPOSES:
            self.replies.on_copy(frame, port, now)
        elif purpose == Purpose.LEARN_SOURCE:
            if self.learning is not None and self._may_learn(now):
                self.learning.on_packet(frame, port, now)
        else:
            if self.learning is not None and self._may_learn(now):
                self.learning.on_punted(frame, port, now)
            addresses = self._checks.answered_addresses if purpose == Purpose.PUNT_ARP_REQUEST else ()
            self.adjacencies.on_arp(channel, frame, port, addresses, now)

    def _on_request(self, channel: Channel, frame: bytes, port: int, now: float) -> None:
        """Learn from a request, and serve it."""
        if self.adjacencies.is_stale:
            self.adjacencies.update()
        if self.learning is not None and self._may_learn(now):
            self.learning.on_punted(frame, port, now)
        vlan = None
        if frame[ETHERTYPE:IPV4_HEADER] != _IPV4:
            frame, vlan = without_vlan_tag(frame)
        if self._discovery.served_vlans:
            vlan = self._discovery.vlan_of(port, vlan)
        self._serve(channel, frame, vlan, now)

    def _serve(self, channel: Channel, frame: bytes, vlan: Optional[int], now: float) -> None:
        """Read and admit the request in an untagged frame that had a tag of this VLAN, and forward it."""
        fault = self.admission.admit(frame, vlan)
        if fault is not None:
            self._count_unread(frame, fault)
            return
        if not self.unrecovered.recovery.is_over:
            forward = self.unrecovered.forward(self._request, now)
            if forward is not None:
                self._forward_unrecovered(channel, frame, forward)
                return
        self._decide(channel, frame, now)

    def _count_unserved(self, cookie: int, port: int, frame: bytes) -> bool:
        """Count a request at a switch that has rejected the standing rules, and punts by those that it had before.

        False when it is no request. A returned request was counted when the switch ceased to be served.
        """
        if cookie not in _REQUEST_COOKIES or port == _CONTROLLER:
            return False
        self._count_unread(without_vlan_tag(frame)[0], DropReason.SWITCH_NOT_SERVED)
        return True

    def _count_unread(self, frame: bytes, reason: DropReason) -> None:
        """Count a request that is dropped before it was read. ``frame`` is untagged."""
        self._balancer.statistics.count_dropped(reason)
        client = frame[IPV4_SRC:IPV4_DST]
        if len(client) == _ADDRESS_LENGTH:  # else the frame is cut short
            self._balancer.client_counts.record_unread(client)

    def _decide(self, channel: Channel, frame: bytes, now: float) -> None:
        """Have the balancer decide about the request that was read, and forward it."""
        if self.all_unrecovered:
            self._recover_from_other_switch(now)
        real, session, _ = self._balancer.request(self._request, now)
        if real is None:
            self._balancer.client_counts.record_dropped(self._request.client)
            return
        self.admission.backlog.requests += 1
        if (
            session is not None
            and session.rule_at == self._datapath_id
            and self.table_output.is_usable
            and real not in self.rules.moved
            and not self.rules.are_doubted
        ):
            channel.transmit(packet.packet_out_to_session(session.tag, frame))
            return
        if session is not None:
            self.rules.install(session)  # also a rule that is there: no request hits it now, and it would time out
        channel.transmit(packet.packet_out(self._actions[real], frame))

    def _recover_from_other_switch(self, now: float) -> None:
        """Recover the session of a mobile that came to another switch before, if it is known there."""
        request, server = self._request, self._request.virtual_server
        others = [each for each in self.all_unrecovered if each is not self.unrecovered]
        if not others or self._balancer.has_session(request) or not server.permits(request.client):
            return
        tags = self._balancer.sessions.tags_of(request)
        for each in others:
            if each.recover(server, tags, now):
                return

    def _forward_unrecovered(self, channel: Channel, frame: bytes, forward: Union[bytes, DropReason]) -> None:
        """Forward a request by the rule of a session that has not been recovered yet, or drop it."""
        if isinstance(forward, DropReason):
            self._balancer.statistics.count_dropped(forward)
            self._balancer.client_counts.record_unread(self._request.client)
        elif self._balancer.decision.count_forwarded(self._request):
            self.admission.backlog.requests += 1
            channel.transmit(packet.packet_out(forward, frame))

    def _on_session_miss(self, channel: Channel, frame: bytes, now: float) -> None:
        """A request was returned to a session rule that is not there: it never was, or it has timed out.

        What was not sent to the switch cannot come back from it, and is a request like any other.
        """
        if self.adjacencies.is_stale:
            self.adjacencies.update()
        tag = int.from_bytes(frame[ETH_SRC:ETHERTYPE], "big")
        if tag == PROBE_TAG:
            self.table_output.on_returned()
            return
        if not self.admission.backlog.record_return():
            self._serve(channel, frame, None, now)
            return
        session = self._balancer.sessions.by_tag(tag)
        if session is None:
            self._on_unknown_session(channel, frame, tag, now)
            return
        self.rules.on_missing(session)
        actions = self._actions.get(session.real)
        if actions is None:
            self._count_undelivered(frame, DropReason.REAL_UNREACHABLE)
            return
        self.admission.backlog.requests += 1
        channel.transmit(packet.packet_out(actions, frame))

    def _on_unknown_session(self, channel: Channel, frame: bytes, tag: int, now: float) -> None:
        """The switch had no rule for a session that might have been recovered, or the session has just ended."""
        fault = self._checks.read_again(frame)
        if fault is not None:
            self._count_undelivered(frame, fault)
            return
        self._balancer.decision.uncount_forwarded(self._request)
        forward = self.unrecovered.forward_further(self._request, tag, now)
        if forward is None:
            self._decide(channel, frame, now)
        else:
            self._forward_unrecovered(channel, frame, forward)

    def _count_undelivered(self, frame: bytes, reason: DropReason) -> None:
        """A request that was counted as dispatched has come back, and is dropped."""
        self._balancer.statistics.count_undelivered(reason)
        client = frame[IPV4_SRC:IPV4_DST]
        if len(client) == _ADDRESS_LENGTH:  # else it is none that we have sent
            self._balancer.client_counts.record_dropped(client)

    def _on_echo(self, channel: Channel, frame: bytes, port: int) -> None:
        """Reply to a ping of a virtual address.

        Under load no ping gets a reply, and each counts toward the share of its client.
        """
        untagged, vlan = without_vlan_tag(frame)
        if not self._discovery.serves(untagged[IPV4_DST:UDP_HEADER], self._discovery.vlan_of(port, vlan)):
            return
        if self.admission.load is not Load.NORMAL:
            self.admission.record_dropped(untagged)
        elif self._checks.is_for_us(untagged):
            reply = echo_reply(untagged, chassis_address(self._datapath_id), untagged[IPV4_DST:UDP_HEADER])
            if reply is not None:
                tag = wire.push_vlan(vlan) if vlan else b""
                channel.transmit(packet.packet_out(tag + wire.output(port), reply))

    def _on_adjacencies_updated(self, moved: set[RealServer]) -> None:
        """The session rules of real servers that have moved are installed again."""
        if moved:
            self.rules.on_moved(moved)
        self.unrecovered.locate(self._checks.virtual_servers)
