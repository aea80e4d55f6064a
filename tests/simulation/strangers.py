"""Strangers at the OpenFlow port: peers that connect, claim some datapath id, and send what they like.

What a stranger sends goes through the product's own screening and handlers. Of the connection itself only the order of
the handshake is simulated here, as ``openflow/sockets/transport.py`` goes through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from struct import Struct
from typing import Optional

from ryu_haslb.openflow.sockets.channel import MessageHandler, SwitchListener
from ryu_haslb.openflow.sockets.latency import LatencyHistogram
from ryu_haslb.openflow.sockets.screening import State, screen
from ryu_haslb.openflow.sockets.tls import PeerCertificate
from ryu_haslb.openflow.wire.errors import ProtocolError
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS
from simulation.clock import Clock
from simulation.mobile_ip import Registration, request
from simulation.openflow import (
    BARRIER_REPLY,
    ECHO_REPLY,
    ECHO_REQUEST,
    ERROR,
    EXPERIMENTER,
    FEATURES_REPLY,
    FLOW_REMOVED,
    HELLO,
    MULTIPART_REPLY,
    PACKET_IN,
    PORT_STATUS,
    ROLE_REPLY,
)
from simulation.packet import arp_frame, udp_frame
from simulation.switch import SimulatedSwitch

#: Seconds between two messages of a stranger.
MESSAGE_INTERVAL = 0.05
#: Seconds after which a stranger that is still connected leaves.
STAY = 20.0

_HEADER = Struct("!BBHI")
_FEATURES = Struct("!QIBB2xII")
_COOKIE_MARK = 0x51B7
_PURPOSES = 17
_KINDS = (PACKET_IN, ERROR, MULTIPART_REPLY, BARRIER_REPLY, FLOW_REMOVED, ROLE_REPLY, EXPERIMENTER, PORT_STATUS)


class StrangerConnection:
    """The balancer's end of a stranger's connection.

    ``on_ready`` is called when the handshake is over, ``on_closed`` when the connection has ended.
    ``polite``: the stranger behaves as a switch without ports, beside what it sends.
    """

    def __init__(
        self,
        clock: Clock,
        name: str,
        polite: bool,
        on_ready: Callable[[StrangerConnection], None],
        on_closed: Callable[[StrangerConnection], None],
    ) -> None:
        self.id = 0
        self.address = ("169.254.219.66", 40000)
        self.local_address = (name, 6653)
        self.tables = 254
        self.certificate: Optional[PeerCertificate] = None
        self.handler: Optional[MessageHandler] = None
        self.on_handled: Optional[Callable[[], None]] = None
        #: Is called once the handshake is over.
        self.listener: Optional[SwitchListener] = None
        self.close_reason = "connection lost"
        self.bytes_sent = 0
        self.latency = LatencyHistogram()
        self.xid = 0
        self.is_open = True
        self.broke_protocol = False
        self._clock = clock
        self._state = State.HELLO
        self._pending = b""
        self._on_ready, self._on_closed = on_ready, on_closed
        self._switch = SimulatedSwitch(0, {}, clock, lambda port, frame: None) if polite else None
        self._brain = self._switch.connect(self._reply) if self._switch is not None else None

    def port_names(self) -> dict[int, str]:
        """A stranger has no ports."""
        return {}

    @staticmethod
    def is_port_usable(_: int) -> bool:
        """A stranger has no ports."""
        return False

    def transmit(self, message: bytes) -> None:
        """Send OpenFlow messages; a stranger that is not polite does not care."""
        self.bytes_sent += len(message)
        if self._brain is not None and self.is_open:
            self._clock.after(0.0003, self._brain.receive, message)

    @property
    def is_ready(self) -> bool:
        """Whether the handshake is over."""
        return self._state is State.MAIN

    def next_xid(self) -> int:
        """A transaction id that is not in use."""
        self.xid += 1
        return self.xid

    def close(self) -> None:
        """End the connection."""
        if self.is_open:
            self.is_open = False
            self._on_closed(self)

    def receive(self, data: bytes) -> None:
        """Bytes came from the stranger. One that breaks the protocol loses its connection."""
        try:
            self._pending = self._read(self._pending + data)
        except ProtocolError as error:
            self.broke_protocol = True
            self.close_reason = f"connection closed ({error})"
            self.close()

    def _reply(self, message: bytes) -> None:
        self._clock.after(0.0003, self.receive, message)

    def _read(self, data: bytes) -> bytes:
        offset = 0
        while self.is_open and len(data) - offset >= _HEADER.size:
            version, kind, length, xid = _HEADER.unpack_from(data, offset)
            if length < _HEADER.size:
                raise ProtocolError(f"a message of type {kind} and {length} bytes: expected 8 or more")
            if len(data) - offset < length:
                break
            message = data[offset : offset + length]
            offset += length
            if self.handler is None or version != 4 or not self.handler(kind, xid, message):
                self._handle(version, kind, xid, message)
        return data[offset:]

    def _handle(self, version: int, kind: int, xid: int, message: bytes) -> None:
        screen(self._state, version, kind, message)
        if self.listener is not None and kind == ECHO_REPLY:
            self.listener.on_echo_reply(self, xid)
        elif self.listener is not None and kind == PORT_STATUS:
            port = int.from_bytes(message[16:20], "big")
            self.listener.on_port_changed(self, port, usable=not message[55] & 1)
        if self._state is State.HELLO and kind == HELLO:
            self._state = State.FEATURES
        elif self._state is State.FEATURES and kind == FEATURES_REPLY:
            self.id = int.from_bytes(message[8:16], "big")
            self._state = State.PORTS
        elif self._state is State.PORTS and kind == MULTIPART_REPLY and message[8:10] == b"\0\x0d":
            self._state = State.MAIN
            self._on_ready(self)


class Stranger:
    """A peer that goes through the handshake with ``datapath_id``, and sends ``count`` messages of its own."""

    def __init__(self, clock: Clock, random: Random, connection: StrangerConnection, datapath_id: int) -> None:
        self._clock, self._random = clock, random
        self._connection = connection
        self._datapath_id = datapath_id

    def connect(self) -> None:
        """Go through the handshake."""
        features = _FEATURES.pack(self._datapath_id, 0, 254, 0, 0x4F, 0)
        for data in (
            _message(HELLO, b""),
            _message(FEATURES_REPLY, features),
            _message(MULTIPART_REPLY, b"\0\x0d" + bytes(6)),
        ):
            self._connection.receive(data)

    def begin(self, count: int) -> None:
        """Connect, send the messages one after the other, and leave."""
        random = self._random
        self.connect()
        when = 0.0
        for data in self._messages(count):
            when += random.random() * 2 * MESSAGE_INTERVAL
            self._clock.after(when, self._send, data)
        self._clock.after(when + random.random() * STAY, self._connection.close)

    def _send(self, data: bytes) -> None:
        if self._connection.is_open:
            self._connection.receive(data)

    def _messages(self, count: int) -> Iterator[bytes]:
        """Messages that a switch might send, with contents that are made up; the last one may break the framing."""
        random = self._random
        for _ in range(count):
            kind = random.choice(_KINDS)
            if kind == PACKET_IN and random.random() < 0.7:
                yield self._packet_in()
            elif kind == FLOW_REMOVED and random.random() < 0.7:
                cookie = random.randrange(1 << 48) << COOKIE_MARK_BITS | _COOKIE_MARK
                body = cookie.to_bytes(8, "big") + random.randbytes(32) + b"\0\1\0\4" + bytes(4)
                yield _message(kind, body)
            elif kind == PORT_STATUS:
                yield _message(kind, random.randbytes(72))
            else:
                yield _message(kind, random.randbytes(random.randrange(120)), random.randrange(60))
        yield random.choice(
            (
                _message(ECHO_REQUEST, b"x"),
                b"\x04\x0a\0\x03\0\0\0\1",  # shorter than a header
                b"\x01\x0a\0\x08\0\0\0\1",  # OpenFlow 1.0
                _message(14, bytes(48)),  # a flow-mod, which only a controller sends
                random.randbytes(200),
            )
        )

    def _packet_in(self) -> bytes:
        """A packet-in that a rule of ours seems to have caused, with a request or ARP packet in it."""
        random = self._random
        cookie = random.randrange(_PURPOSES) << COOKIE_MARK_BITS | _COOKIE_MARK
        source, virtual = bytes([10, 1, 1, random.randrange(1, 255)]), bytes([10, 1, 1, 10])
        mac = b"\x02\x66" + source
        nai = f"stranger{random.randrange(20)}@example.org".encode()
        frame = random.choice(
            (
                udp_frame(b"\x02\x51\xb7\0\0\x01" + mac, source, virtual, (434, 434), random.randbytes(40)),
                udp_frame(
                    b"\x02\x51\xb7\0\0\x01" + mac,
                    *(source, virtual, (434, 434)),
                    request(Registration(nai, 600, bytes(4), source, random.randrange(1 << 40)), is_forged=True),
                ),
                arp_frame(1, mac, source, bytes(6), virtual),
                random.randbytes(random.randrange(100)),
            )
        )
        head = bytes.fromhex("ffffffff") + len(frame).to_bytes(2, "big") + b"\1\0" + cookie.to_bytes(8, "big")
        match = b"\0\1\0\x0c\x80\0\0\4\0\0\0\1" + bytes(4)
        return _message(PACKET_IN, head + match + bytes(2) + frame)


def _message(kind: int, body: bytes, xid: int = 1) -> bytes:
    return _HEADER.pack(4, kind, 8 + len(body), xid) + body
