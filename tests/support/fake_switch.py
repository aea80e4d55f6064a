"""A switch made of bytes: OpenFlow 1.3 messages go in, the replies that a switch gives come out.

:class:`FakeSwitch` is the switch: it decodes what it receives with the engine's parser, keeps flow tables and meters,
and can be told to reject messages. :class:`FakeTransport` is the connection to it as the application sees it; nothing
is delivered before a test calls :meth:`FakeTransport.answer`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Callable, Optional

from statistics_replies import FlowRow, flow_stats_reply, meter_stats_reply

from ryu_haslb.engine import ofproto_parser, ofproto_protocol, ofproto_v1_3
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.channel import SwitchListener
from ryu_haslb.openflow.latency import LatencyHistogram
from ryu_haslb.openflow.pipeline import Purpose
from ryu_haslb.openflow.table_output import PROBE_TAG
from ryu_haslb.openflow.tls import PeerCertificate

HEADER = struct.Struct("!BBHI")
_PROTOCOL = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
_MULTIPART = struct.Struct("!HH4x")
_METER_MOD = struct.Struct("!HHI")
_BAND_RATE = struct.Struct("!4xI")
_ROLE = struct.Struct("!I4xQ")
_BUNDLE = struct.Struct("!IIIHH")
#: Bytes of a rejected message that an error repeats, at least (OpenFlow 1.3.5, section 7.5.4).
_ERROR_DATA = 64

#: An error: its type and its code.
Error = tuple[int, int]


def message(kind: int, xid: int, body: bytes = b"") -> bytes:
    """An OpenFlow 1.3 message. The length field has 16 bits, and its sender does not care."""
    return HEADER.pack(ofproto_v1_3.OFP_VERSION, kind, (HEADER.size + len(body)) & 0xFFFF, xid) + body


def packet_in(cookie: int, port: int, frame: bytes) -> bytes:
    """A frame that a rule with this cookie has sent to the controller (OpenFlow 1.3.5, section 7.4.1)."""
    match = struct.pack("!HHII4x", 1, 12, ofproto_v1_3.OXM_OF_IN_PORT, port)
    head = struct.pack("!IHBBQ", ofproto_v1_3.OFP_NO_BUFFER, len(frame) & 0xFFFF, 0, 0, cookie)
    return message(ofproto_v1_3.OFPT_PACKET_IN, 0, head + match + b"\0\0" + frame)


def error(rejected: bytes, reason: Error) -> bytes:
    """The error that rejects a message."""
    (xid,) = struct.unpack_from("!I", rejected, 4)
    return message(ofproto_v1_3.OFPT_ERROR, xid, struct.pack("!HH", *reason) + rejected[:_ERROR_DATA])


def messages_of(data: bytes) -> Iterator[bytes]:
    """The whole messages in what was sent, each by itself; a rest is left out."""
    while len(data) >= HEADER.size:
        (length,) = struct.unpack_from("!H", data, 2)
        if len(data) < length:
            return
        yield data[:length]
        data = data[length:]


def decoded(data: bytes) -> Any:
    """The engine's object of one message that the controller sent."""
    version, kind, length, xid = HEADER.unpack_from(data)
    return ofproto_parser.msg(_PROTOCOL, version, kind, length, xid, bytearray(data))


class FakeSwitch:
    """A switch with flow tables and meters.

    ``meters`` holds the rate of each meter, ``dropped`` the packets that each has dropped.
    ``flow_rows`` are the rules with which it answers every request for flow statistics. ``rejects``
    gives the error for a message that it is to reject, or None. ``outputs_to_table`` is False on a switch that accepts
    output to TABLE and does nothing.
    """

    def __init__(self, datapath_id: int = 1, has_meters: bool = True, has_bundles: bool = True) -> None:
        self.datapath_id = datapath_id
        self.flows: list[Any] = []
        self.has_roles = True
        self.role, self.generation = ofproto_v1_3.OFPCR_ROLE_EQUAL, 0xFFFFFFFFFFFFFFFF
        self.meters: dict[int, int] = {}
        self.dropped: dict[int, int] = {}
        self.flow_rows: list[FlowRow] = []
        self.rejects: Callable[[bytes], Optional[Error]] = lambda _: None
        self.outputs_to_table = True
        self._has_meters, self._has_bundles = has_meters, has_bundles
        self._bundles: dict[int, list[bytes]] = {}
        self._received = b""

    def receive(self, data: bytes) -> list[tuple[bytes, list[bytes]]]:
        """Take bytes of the connection; each message that they complete, with the replies to it."""
        self._received += data
        complete = list(messages_of(self._received))
        self._received = self._received[sum(map(len, complete)) :]
        return [(each, self._reply(each)) for each in complete]

    def flows_for(self, cookie: int) -> list[Any]:
        """The flows with this cookie, in the order in which they were added."""
        return [flow for flow in self.flows if flow.cookie == cookie]

    def _reply(self, received: bytes) -> list[bytes]:
        _, kind, _, xid = HEADER.unpack_from(received)
        body = received[HEADER.size :]
        reason = self.rejects(received)
        if reason is not None:
            return [error(received, reason)]
        features = struct.pack("!QIBB2xII", self.datapath_id, 0, 254, 0, 0, 0)
        replies = {
            ofproto_v1_3.OFPT_ECHO_REQUEST: (ofproto_v1_3.OFPT_ECHO_REPLY, body),
            ofproto_v1_3.OFPT_FEATURES_REQUEST: (ofproto_v1_3.OFPT_FEATURES_REPLY, features),
            ofproto_v1_3.OFPT_BARRIER_REQUEST: (ofproto_v1_3.OFPT_BARRIER_REPLY, b""),
        }
        if kind in replies:
            return [message(replies[kind][0], xid, replies[kind][1])]
        if kind == ofproto_v1_3.OFPT_MULTIPART_REQUEST:
            return [self._statistics(xid, body)]
        if kind == ofproto_v1_3.OFPT_EXPERIMENTER:
            return self._on_bundle(received)
        if kind == ofproto_v1_3.OFPT_PACKET_OUT:
            return self._output(received)
        return self._modify(received)

    def _output(self, received: bytes) -> list[bytes]:
        """Carry out the packet-out that tries output to TABLE: it misses the session rules. Others change nothing."""
        if not self.outputs_to_table or not wire.is_return_to_session(received, PROBE_TAG):
            return []
        frame = received[24 + int.from_bytes(received[16:18], "big") :]
        return [packet_in(Purpose.PUNT_SESSION_MISS.cookie, ofproto_v1_3.OFPP_CONTROLLER, frame)]

    def _change_role(self, received: bytes) -> bytes:
        """Answer a role request (OpenFlow 1.3.5, section 7.3.9); the generation is not judged."""
        if not self.has_roles:
            return error(received, (ofproto_v1_3.OFPET_BAD_REQUEST, ofproto_v1_3.OFPBRC_BAD_TYPE))
        role, generation = _ROLE.unpack_from(received, HEADER.size)
        if role != ofproto_v1_3.OFPCR_ROLE_NOCHANGE:
            self.role, self.generation = role, generation
        (xid,) = struct.unpack_from("!I", received, 4)
        return message(ofproto_v1_3.OFPT_ROLE_REPLY, xid, _ROLE.pack(self.role, self.generation))

    def _modify(self, received: bytes) -> list[bytes]:
        """Carry out a role request, a flow-mod or a meter-mod; other messages change nothing here."""
        kind = received[1]
        if kind == ofproto_v1_3.OFPT_ROLE_REQUEST:
            return [self._change_role(received)]
        if kind == ofproto_v1_3.OFPT_FLOW_MOD:
            self._modify_flows(decoded(received))
        elif kind == ofproto_v1_3.OFPT_METER_MOD:
            reason = self._modify_meters(received)
            if reason is not None:
                return [error(received, reason)]
        return []

    def _modify_flows(self, mod: Any) -> None:
        if mod.command == ofproto_v1_3.OFPFC_DELETE:
            assert not list(mod.match.items()), "this switch deletes by cookie"
            self.flows = [flow for flow in self.flows if not _is_covered(flow, mod)]
            return
        self.flows = [flow for flow in self.flows if _identity(flow) != _identity(mod)]
        if mod.command == ofproto_v1_3.OFPFC_ADD:
            self.flows.append(mod)
        else:
            assert mod.command == ofproto_v1_3.OFPFC_DELETE_STRICT

    def _modify_meters(self, received: bytes) -> Optional[Error]:
        command, _, meter = _METER_MOD.unpack_from(received, HEADER.size)
        if not self._has_meters:
            return ofproto_v1_3.OFPET_BAD_REQUEST, ofproto_v1_3.OFPBRC_BAD_TYPE
        if command == ofproto_v1_3.OFPMC_DELETE:
            self.meters.pop(meter, None)
            return None
        if command == ofproto_v1_3.OFPMC_ADD and meter in self.meters:
            return ofproto_v1_3.OFPET_METER_MOD_FAILED, ofproto_v1_3.OFPMMFC_METER_EXISTS
        if command == ofproto_v1_3.OFPMC_MODIFY and meter not in self.meters:
            return ofproto_v1_3.OFPET_METER_MOD_FAILED, ofproto_v1_3.OFPMMFC_UNKNOWN_METER
        (self.meters[meter],) = _BAND_RATE.unpack_from(received, HEADER.size + _METER_MOD.size)
        return None

    def _on_bundle(self, received: bytes) -> list[bytes]:
        """ONF EXT-230: messages are collected until the bundle is committed."""
        if not self._has_bundles:
            return [error(received, (ofproto_v1_3.OFPET_BAD_REQUEST, ofproto_v1_3.OFPBRC_BAD_EXPERIMENTER))]
        _, kind, number, command, _ = _BUNDLE.unpack_from(received, HEADER.size)
        if kind == ofproto_v1_3.ONF_ET_BUNDLE_ADD_MESSAGE:
            (added,) = messages_of(received[HEADER.size + _BUNDLE.size :])
            self._bundles[number].append(added)
        elif command == ofproto_v1_3.ONF_BCT_OPEN_REQUEST:
            self._bundles[number] = []
        else:
            assert command == ofproto_v1_3.ONF_BCT_COMMIT_REQUEST
            added_messages = self._bundles.pop(number)
            rejections = [error(each, reason) for each in added_messages for reason in [self.rejects(each)] if reason]
            return rejections or [reply for each in added_messages for reply in self._modify(each)]
        return []

    def _statistics(self, xid: int, body: bytes) -> bytes:
        kind, _ = _MULTIPART.unpack_from(body)
        if kind == ofproto_v1_3.OFPMP_FLOW:
            return flow_stats_reply(*self.flow_rows, xid=xid)
        if kind == ofproto_v1_3.OFPMP_METER:
            counts = {**dict.fromkeys(self.meters, 0), **self.dropped}
            return meter_stats_reply(*((meter, [count]) for meter, count in counts.items()), xid=xid)
        return message(ofproto_v1_3.OFPT_MULTIPART_REPLY, xid, _MULTIPART.pack(kind, 0))


def _identity(flow: Any) -> tuple[Any, ...]:
    return flow.table_id, flow.priority, sorted(flow.match.items())


def _is_covered(flow: Any, deletion: Any) -> bool:
    in_table = deletion.table_id in (ofproto_v1_3.OFPTT_ALL, flow.table_id)
    return in_table and not (flow.cookie ^ deletion.cookie) & deletion.cookie_mask


class FakeTransport(ofproto_protocol.ProtocolDesc):  # type: ignore[misc]
    """The connection to a fake switch, as the application sees one (:class:`ryu_haslb.openflow.transport.Transport`).

    ``listener`` is called for each echo reply. ``sent`` are the messages that were sent since a test has last cleared
    it. ``ports`` are names by number.
    """

    address = ("192.0.2.1", 40000)
    local_address = ("192.0.2.2", 6653)

    def __init__(self, switch: Optional[FakeSwitch] = None) -> None:
        super().__init__(version=ofproto_v1_3.OFP_VERSION)
        self.switch = switch or FakeSwitch()
        self.id = self.switch.datapath_id
        self.handler: Optional[Callable[[int, int, bytes], Any]] = None
        self.certificate: Optional[PeerCertificate] = None
        self.close_reason = "connection lost"
        self.ports: dict[int, str] = {}
        self.sent: list[bytes] = []
        self.bytes_sent = 0
        self.xid = 0
        self.is_closed = False
        self.latency = LatencyHistogram()
        self.listener: Optional[SwitchListener] = None
        self._replies: list[bytes] = []

    def port_names(self) -> dict[int, str]:
        return dict(self.ports)

    def transmit(self, data: bytes) -> None:
        self.bytes_sent += len(data)
        for sent, replies in self.switch.receive(data):
            self.sent.append(sent)
            self._replies += replies

    def next_xid(self) -> int:
        self.xid += 1
        return self.xid

    def close(self) -> None:
        self.is_closed = True

    def answer(self) -> None:
        """Deliver the switch's replies to all that was sent, and to what is sent because of them."""
        while self._replies:
            self.deliver(self._replies.pop(0))

    def forget_replies(self) -> None:
        """The switch does not reply to what was sent so far."""
        self._replies.clear()

    def deliver(self, data: bytes) -> Any:
        """Deliver a message of the switch; what the application's handler returned."""
        _, kind, _, xid = HEADER.unpack_from(data)
        is_handled = self.handler(kind, xid, data) if self.handler is not None else False
        if not is_handled and kind == wire.OFPT_ECHO_REPLY and self.listener is not None:
            self.listener.on_echo_reply(self, xid)
        return is_handled

    def sent_of(self, kind: int) -> list[bytes]:
        """The messages of one type (``OFPT_…``) among ``sent``."""
        return [each for each in self.sent if each[1] == kind]
