"""The questions of probes at one switch: how they are sent, how their answers come back, and which are believed.

A question is a packet-out to where the real server was found::

    ARP request to the real server, if it is adjacent: it learns the Ethernet address of the question's source
    the question itself, from the source of the probe, or in direct mode from a virtual address

The Ethernet source of a question is that of dispatched requests, by which other switches of ours pass it on: what
others send with the source of a probe is dropped (``DROP_FORGED_PROBE``).

The answer goes to that source. It meets a rule of its own (``PUNT_PROBE_REPLY``), which matches the port, Ethernet and
IPv4 address of the real server, the source of the question, and the protocol. The switch removes the rule after
:data:`RULE_TIMEOUT` seconds, and it is sent again before; also when a question was not answered, since others may have
deleted it. While the switch rejects it, because its table is full or it lacks a match, silence shows nothing.

Strangers cannot answer in a real server's place: they are at another port or have another Ethernet address, and they
would have to guess the token: of an echo request 128 random bits, of a Registration Request the low half of its
Identification, which the reply repeats (RFC 5944 section 3.4), and the UDP port that it comes from.
"""

from __future__ import annotations

import logging
import os
from socket import inet_ntoa
from typing import NamedTuple, Optional

from ryu_haslb.configuration.model import ProbeKind
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Rule, chassis_address
from ryu_haslb.openflow.neighbours.discovery import NeighbourDiscovery
from ryu_haslb.openflow.neighbours.forwarding import Forwarding
from ryu_haslb.openflow.neighbours.places import Location, ipv4_from
from ryu_haslb.openflow.packets import arp
from ryu_haslb.openflow.packets.frame import without_vlan_tag
from ryu_haslb.openflow.packets.icmp import PROTOCOL_ICMP
from ryu_haslb.openflow.packets.probe_frames import (
    ECHO_TOKEN_LENGTH,
    KEY_LENGTH,
    Ends,
    RequestOfProbe,
    echo_request,
    read_echo_reply,
    registration_request,
)
from ryu_haslb.openflow.packets.reply_frame import read_reply
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.packet import packet_out
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.probing import Outcome, Target

LOG = logging.getLogger(__name__)

#: Seconds after which the switch removes a rule for answers, and those after which it is sent again.
RULE_TIMEOUT = 60
RULE_INTERVAL = 40.0
#: Rules that are remembered; beyond it those that the switch has removed are forgotten.
MAX_REMEMBERED_RULES = 1000
#: The first of the UDP ports that questions come from (RFC 6335 section 6), and the bits that choose among them.
_FIRST_PORT, _PORT_BITS = 49152, 14
_LOW_HALF = 0xFFFFFFFF


#: A real server's address, the kind of probe, the source of its questions, and the real server's port.
_Key = tuple[bytes, ProbeKind, bytes, int]


class _SentRule(NamedTuple):
    rule: Rule
    sent_at: float


class _Answer(NamedTuple):
    """What it repeats of the question, where it came from, and its source and destination address."""

    token: bytes
    place: Location
    addresses: tuple[bytes, bytes]


class Questions:
    """The questions at one switch. ``layout`` is that of its pipeline, ``is_metered`` whether it has their meter."""

    def __init__(
        self, datapath_id: int, balancer: Balancer, discovery: NeighbourDiscovery, forwarding: Forwarding
    ) -> None:
        self.layout = Layout()
        self.is_metered = False
        self._mac = chassis_address(datapath_id)
        self._datapath_id = datapath_id
        self._balancer = balancer
        self._discovery = discovery
        self._forwarding = forwarding
        self._port = _FIRST_PORT + int.from_bytes(os.urandom(2), "big") % (1 << _PORT_BITS)
        self._rules: dict[_Key, _SentRule] = {}
        #: The rules that were sent last, by transaction id, and those of them that the switch has rejected.
        self._sent: dict[int, _Key] = {}
        self._rejected: set[_Key] = set()
        self._has_warned = False

    def forget_rules(self) -> None:
        """The rules may be gone: standing rules are replaced."""
        self._rules.clear()
        self._sent.clear()
        self._rejected.clear()
        self._has_warned = False

    def on_error(self, xid: int, error: wire.Error) -> bool:
        """Handle an error about a rule for answers: no answer can come. False when it is another error."""
        key = self._sent.pop(xid, None)
        if key is None:
            return False
        if not self._has_warned:
            self._has_warned = True
            LOG.warning(
                "Switch %016x rejected the rule for answers to probes of %s (%s); probes there without an answer do "
                "not count as failures",
                *(self._datapath_id, inet_ntoa(key[0]), error),
            )
        self._rules.pop(key, None)
        self._rejected.add(key)
        return True

    def lacks_rule(self, target: Target) -> bool:
        """Whether the switch has rejected the rule for the answers of a real server."""
        source = self._source(target)
        return source is not None and _key_of(target, source) in self._rejected

    def ask(self, channel: Channel, target: Target, now: float) -> Outcome:
        """Ask a real server."""
        location, source = self._discovery.location(target.real.configuration), self._source(target)
        if source is None:
            return Outcome.NO_SOURCE
        if location is None:
            return Outcome.UNREACHABLE
        target.datapath_id = self._datapath_id
        self._send_rule(channel, target, (location, source), now)
        real = target.real
        ends = Ends(self._forwarding.source, source, location.mac, real.packed_address)
        if target.probe.kind is ProbeKind.PING:
            target.token = os.urandom(ECHO_TOKEN_LENGTH)
            question = echo_request(ends, target.token)
        else:
            identification = int.from_bytes(os.urandom(8), "big")
            target.token = _token(self._port, identification)
            asked = RequestOfProbe(target.probe.nai, identification, os.urandom(KEY_LENGTH))
            question = registration_request(ends, (self._port, real.port), asked)
        actions = (wire.push_vlan(location.vlan) if location.vlan else b"") + wire.output(location.port)
        if self._discovery.is_direct(real.configuration):
            introduction = arp.request(self._mac, source, real.packed_address, location.mac)
            channel.transmit(packet_out(actions, introduction))
        channel.transmit(packet_out(actions, question))
        return Outcome.ASKED

    def on_reply(self, frame: bytes, port: int, now: float) -> bool:
        """A packet came from a real server to the source of a probe. False when it is no reply of the kind asked for.

        It may answer a question that another switch has sent.
        """
        answer = _read_answer(frame, port)
        if answer is not None:
            self._on_answer(answer, now)
        return answer is not None

    def take_early_answer(self, frame: bytes, port: int, now: float) -> bool:
        """Take the answer to a question in a packet to us: the rule for answers does not act yet. False: it is none."""
        answer = _read_answer(frame, port)
        return answer is not None and self._on_answer(answer, now)

    def _on_answer(self, answer: _Answer, now: float) -> bool:
        target = self._balancer.probing.awaited(answer.token)
        if (
            target is None
            or answer.place != self._discovery.location(target.real.configuration)
            or answer.addresses != (target.real.packed_address, self._source(target))
        ):
            return False
        self._balancer.probing.on_answer(target, now)
        return True

    def _source(self, target: Target) -> Optional[bytes]:
        """The address that a question comes from: that of the probe, in direct mode else a virtual one."""
        if target.probe.source is not None:
            return target.probe.source.packed
        if not target.farm.configuration.nat_server:
            return None
        servers = self._balancer.virtual_servers.values()
        served = (each for each in servers if each.farm is target.farm and each.configuration.in_service)
        server = next(served, None)
        return None if server is None else server.packed_address

    def _send_rule(self, channel: Channel, target: Target, ends: tuple[Location, bytes], now: float) -> None:
        """Send the rule for the answer, unless it is there as far as is known."""
        (location, source), real, kind = ends, target.real, target.probe.kind
        ports = None if kind is ProbeKind.PING else (real.port, self._port)
        rule = answer_rule(location, (real.packed_address, source), ports)
        key = _key_of(target, source)
        sent = self._rules.get(key)
        if sent is not None and sent.rule == rule and now < sent.sent_at + RULE_INTERVAL and not target.failures:
            return
        if len(self._rules) >= MAX_REMEMBERED_RULES:
            self._rules = {each: sent for each, sent in self._rules.items() if now < sent.sent_at + RULE_TIMEOUT}
        self._rules[key] = _SentRule(rule, now)
        metered, xid = self.is_metered, channel.next_xid()
        self._rejected.discard(key)
        self._sent[xid] = key
        if len(self._sent) > MAX_REMEMBERED_RULES:
            del self._sent[next(iter(self._sent))]
        for message in rule_messages.temporary([rule], RULE_TIMEOUT, self.layout, xid, metered=metered):
            channel.transmit(message)


def answer_rule(location: Location, addresses: tuple[bytes, bytes], ports: Optional[tuple[int, int]]) -> Rule:
    """The rule for the answers of one real server: from where it is, between these IPv4 addresses.

    ``ports`` are the UDP ports of a Registration Reply; None: echo replies.
    """
    source, destination = addresses
    match = {**ipv4_from(location), "ipv4_src": inet_ntoa(source), "ipv4_dst": inet_ntoa(destination)}
    if ports is None:
        match["ip_proto"] = PROTOCOL_ICMP
    else:
        match.update({"ip_proto": wire.PROTOCOL_UDP, "udp_src": ports[0], "udp_dst": ports[1]})
    return Rule(Purpose.PUNT_PROBE_REPLY, match)


def _read_answer(frame: bytes, port: int) -> Optional[_Answer]:
    """The answer in a frame; None if it is no reply of the kind that is asked for."""
    untagged, vlan = without_vlan_tag(frame)
    echo = read_echo_reply(untagged)
    if echo is not None:
        return _Answer(echo.token, Location(echo.mac, port, vlan or None), (echo.source, echo.destination))
    reply = read_reply(untagged)
    if reply is None:
        return None
    token = _token(reply.to_port, reply.fields.identification)
    return _Answer(token, Location(reply.mac, port, vlan or None), (reply.source, reply.destination))


def _key_of(target: Target, source: bytes) -> _Key:
    return target.real.packed_address, target.probe.kind, source, target.real.port


def _token(port: int, identification: int) -> bytes:
    return port.to_bytes(2, "big") + (identification & _LOW_HALF).to_bytes(4, "big")
