"""The simulated switch (``tests/simulation/switch.py``) as the unit tests use it: messages in, replies out.

:class:`FakeSwitch` adds to it what a test looks at or provokes. :class:`FakeTransport` is the connection to it as the
application sees it; nothing is delivered before a test calls :meth:`FakeTransport.answer`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, Optional

from statistics_replies import FlowRow, flow_stats_reply

from ryu_haslb.engine import ofproto_parser, ofproto_protocol, ofproto_v1_3
from ryu_haslb.openflow.sockets.channel import SwitchListener
from ryu_haslb.openflow.sockets.latency import LatencyHistogram
from ryu_haslb.openflow.sockets.tls import PeerCertificate
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.multipart import flow_stats_request
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.datapath import Meter
from simulation.switch import SimulatedSwitch

HEADER = struct.Struct("!BBHI")
_PROTOCOL = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
_FLOW_MOD = struct.Struct("!QQBBHHHIIIH2x")
_BUNDLE = struct.Struct("!IIIHH")
#: Bytes of a rejected message that an error repeats, at least (OpenFlow 1.3.5, section 7.5.4).
_ERROR_DATA = 64

_WHOLE_COOKIE = 0xFFFFFFFFFFFFFFFF

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
    """The simulated switch, which a test can look into and have reject messages.

    ``rejects`` gives the error for a message that it is to reject, or None; a bundle with such a message is rejected
    as a whole, and its other messages change nothing. ``reports_flows`` is False on a switch that answers requests for
    flow statistics with none.
    """

    def __init__(self, datapath_id: int = 1, **capabilities: Any) -> None:
        self.datapath_id = datapath_id
        self.rejects: Callable[[bytes], Optional[Error]] = lambda _: None
        self.reports_flows = True
        self.capabilities = Capabilities(**capabilities)
        self._switch = SimulatedSwitch(datapath_id, {}, Clock(), lambda *_: None, self.capabilities)
        self._datapath = self._switch.datapath
        self._sent: list[bytes] = []
        self._connection = self._switch.connect(self._sent.append)
        self._bundles: dict[int, list[bytes]] = {}
        self._received = b""

    def receive(self, data: bytes) -> list[tuple[bytes, list[bytes]]]:
        """Take bytes of the connection; each message that they complete, with the replies to it."""
        self._received += data
        complete = list(messages_of(self._received))
        self._received = self._received[sum(map(len, complete)) :]
        return [(each, self._reply(each)) for each in complete]

    def reconnect(self) -> None:
        """A new connection of the same switch: its rules stay, and what was received in part is forgotten."""
        self._connection.close()
        self._connection = self._switch.connect(self._sent.append)
        self._bundles.clear()
        self._received = b""

    @property
    def tables(self) -> int:
        """The number of flow tables, as the features reply has it."""
        return min(len(self._datapath.tables), 255)

    @property
    def flows(self) -> list[Any]:
        """The flows of all tables, those of one table in the order in which they were added, as the engine has them."""
        return self._report()

    def flows_for(self, cookie: int) -> list[Any]:
        """The flows with this cookie, in the order in which they were added."""
        return [flow for flow in self._report(cookie, _WHOLE_COOKIE) if flow.cookie == cookie]

    def has_flow(self, cookie: int) -> bool:
        """Whether there is a flow with this cookie."""
        return any(flow.cookie == cookie for table in self._datapath.tables for flow in table)

    def _report(self, cookie: int = 0, mask: int = 0) -> list[Any]:
        """The flows with these bits in their cookies. It takes the engine long to decode many."""
        replies: list[bytes] = []
        observer = self._switch.connect(replies.append)
        observer.receive(flow_stats_request(0, ofproto_v1_3.OFPTT_ALL, cookie, mask))
        observer.close()
        return [flow for reply in replies for flow in decoded(reply).body]

    @property
    def meters(self) -> dict[int, int]:
        """The rate of each meter."""
        return {number: meter.rate for number, meter in self._datapath.meters.items()}

    def lose(self, meter: Optional[int] = None, cookie: Optional[int] = None) -> None:
        """Another controller removes a meter, or the flows with a cookie."""
        if meter is not None:
            self._datapath.meters.pop(meter)
        for table in self._datapath.tables:
            for flow in [each for each in table if each.cookie == cookie]:
                table.remove(flow)

    def add_meter(self, number: int, rate: int) -> None:
        """A meter of an earlier run, or of another controller."""
        self._datapath.meters[number] = Meter(rate, rate, rate, 0.0)

    def count_dropped(self, dropped: Mapping[int, int]) -> None:
        """Let meters have dropped so many packets."""
        for number, packets in dropped.items():
            self._datapath.meters[number].dropped = packets

    def install(self, rows: Iterable[FlowRow]) -> None:
        """Rules of an earlier run. Each has passed three packets."""
        for row in rows:
            head = _FLOW_MOD.pack(
                row.cookie, 0, row.table, 0, 300, 0, row.priority, ofproto_v1_3.OFP_NO_BUFFER, 0, 0, 0
            )
            self.receive(message(ofproto_v1_3.OFPT_FLOW_MOD, 0, head + row.match + row.instructions))
        for table in self._datapath.tables:
            for flow in table:
                flow.packets, flow.octets = 3, 300

    def _reply(self, received: bytes) -> list[bytes]:
        reason = self.rejects(received)
        if reason is not None:
            return [error(received, reason)]
        if not self.reports_flows and _is_flow_stats_request(received):
            return [flow_stats_reply(xid=int.from_bytes(received[4:8], "big"))]
        rejected = self._rejected_in_bundle(received)
        if rejected:
            return rejected
        self._sent.clear()
        self._connection.receive(received)
        return list(self._sent)

    def _rejected_in_bundle(self, received: bytes) -> list[bytes]:
        """The errors with which the bundle is answered that this message commits."""
        if received[1] != ofproto_v1_3.OFPT_EXPERIMENTER or len(received) < HEADER.size + _BUNDLE.size:
            return []
        _, kind, number, command, _ = _BUNDLE.unpack_from(received, HEADER.size)
        if kind == ofproto_v1_3.ONF_ET_BUNDLE_ADD_MESSAGE:
            self._bundles.setdefault(number, []).extend(messages_of(received[HEADER.size + _BUNDLE.size :]))
        elif kind == ofproto_v1_3.ONF_ET_BUNDLE_CONTROL and command == ofproto_v1_3.ONF_BCT_COMMIT_REQUEST:
            added = self._bundles.pop(number, [])
            return [error(each, reason) for each in added for reason in [self.rejects(each)] if reason]
        return []


def _is_flow_stats_request(received: bytes) -> bool:
    return received[1] == ofproto_v1_3.OFPT_MULTIPART_REQUEST and received[8:10] == bytes([0, ofproto_v1_3.OFPMP_FLOW])


class FakeTransport(ofproto_protocol.ProtocolDesc):  # type: ignore[misc]
    """The connection to a fake switch: instead of :class:`ryu_haslb.openflow.sockets.transport.Transport`.

    ``listener`` is called for each echo reply. ``sent`` are the messages that were sent since a test has last cleared
    it. ``ports`` are names by number.
    """

    address = ("192.0.2.1", 40000)
    local_address = ("192.0.2.2", 6653)

    def __init__(self, switch: Optional[FakeSwitch] = None) -> None:
        super().__init__(version=ofproto_v1_3.OFP_VERSION)
        self.switch = switch or FakeSwitch()
        self.id = self.switch.datapath_id
        self.tables = self.switch.tables
        self.handler: Optional[Callable[[int, int, bytes], Any]] = None
        self.on_handled: Optional[Callable[[], None]] = None
        self.certificate: Optional[PeerCertificate] = None
        self.close_reason = "connection lost"
        self.ports: dict[int, str] = {}
        #: The ports that are down.
        self.down: set[int] = set()
        self.sent: list[bytes] = []
        self.bytes_sent = 0
        self.xid = 0
        self.is_closed = False
        self.latency = LatencyHistogram()
        self.listener: Optional[SwitchListener] = None
        self._replies: list[bytes] = []

    def port_names(self) -> dict[int, str]:
        return dict(self.ports)

    def is_port_usable(self, port: int) -> bool:
        return port not in self.down

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
            self.answer_next()

    def answer_next(self) -> None:
        """Deliver the next one of the switch's replies."""
        self.deliver(self._replies.pop(0))

    def forget_replies(self) -> None:
        """The switch does not reply to what was sent so far."""
        self._replies.clear()

    def deliver(self, data: bytes) -> Any:
        """Deliver a message of the switch; what the application's handler returned."""
        _, kind, _, xid = HEADER.unpack_from(data)
        is_handled = self.handler(kind, xid, data) if self.handler is not None else False
        if self.on_handled is not None:
            self.on_handled()
        if not is_handled and kind == wire.OFPT_ECHO_REPLY and self.listener is not None:
            self.listener.on_echo_reply(self, xid)
        return is_handled

    def sent_of(self, kind: int) -> list[bytes]:
        """The messages of one type (``OFPT_…``) among ``sent``."""
        return [each for each in self.sent if each[1] == kind]
