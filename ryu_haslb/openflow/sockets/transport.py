"""The transport of an OpenFlow connection: bytes from and to the socket, with a fast path for packet-ins.

The engine reads eight bytes at a time, parses every message into objects and puts each into a queue. This transport
reads all that has arrived in one piece, and offers each message to a handler first. What the handler takes is handled
immediately, and all replies to one read leave in one write. The other messages are checked by :mod:`.screening`; then
the engine parses hello and features, and :mod:`.wire.ports` reads those about ports. The connection of a peer that
breaks the protocol is closed, with one log line.

Sending never blocks. While a switch does not read what it is sent, nothing more is read from that switch.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from _socket import socket as kernel_socket
from contextlib import closing, suppress
from functools import partial
from typing import Any, Callable, Optional

from ryu_haslb.engine import (
    CONFIG_DISPATCHER,
    DEAD_DISPATCHER,
    HANDSHAKE_DISPATCHER,
    MAIN_DISPATCHER,
    Datapath,
    hub,
    install_connection_factory,
    ofp_event,
    ofproto_parser,
)
from ryu_haslb.openflow.sockets.arrivals import Arrivals
from ryu_haslb.openflow.sockets.channel import MessageHandler, SwitchListener
from ryu_haslb.openflow.sockets.latency import LatencyHistogram
from ryu_haslb.openflow.sockets.outbox import Outbox
from ryu_haslb.openflow.sockets.screening import State, Treatment, check_begin, screen
from ryu_haslb.openflow.sockets.tls import PeerCertificate, peer_certificate, reason
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.errors import AuxiliaryConnectionError, IncompatibleVersionError, ProtocolError
from ryu_haslb.openflow.wire.framing import ReplyFraming
from ryu_haslb.openflow.wire.handshake import read_features
from ryu_haslb.openflow.wire.ports import Ports
from ryu_haslb.openflow.wire.wire import HEADER, OFP_VERSION, OFPT_MULTIPART_REPLY, OFPT_PACKET_IN

LOG = logging.getLogger(__name__)

#: Bytes per read: a hundred packet-ins, less than a millisecond of work, before other green threads run.
_READ_SIZE = 1 << 14
#: Seconds for which this green thread reads what arrives over TLS before others have their turn.
_MAX_TURN = 0.001
#: Bytes that the kernel buffers for us. Its default would let several seconds of packet-ins queue up.
_RECEIVE_BUFFER = 1 << 18
#: Bytes that may wait to be sent. With more, nothing is read from the switch: what it asks would need further replies.
_MAX_UNSENT = 1 << 18
#: The most tables that a switch can have (OpenFlow 1.3.5, section 7.3.1); assumed until its features reply.
MAX_TABLES = 255
#: Set when messages of any switch have been handled. The green thread that waits for it clears it.
arrival = hub.Event()
_STATES = {HANDSHAKE_DISPATCHER: State.HELLO, CONFIG_DISPATCHER: State.FEATURES, MAIN_DISPATCHER: State.MAIN}


class Transport(Datapath):  # type: ignore[misc]
    """The engine's datapath with another way of reading and writing. ``handler`` is offered each message first.

    The listener is called directly, where the engine would put an event into a bounded queue. ``bytes_sent`` counts all
    bytes that it was given to send. ``on_ready`` is called at the end of the handshake, after the listener.
    """

    handler: Optional[MessageHandler] = None
    on_handled: Optional[Callable[[], None]] = None
    xid: int

    def __init__(self, accepted: Any, address: Any, listener: SwitchListener) -> None:
        self._listener = listener
        self.on_ready: Callable[[], None] = lambda: None
        super().__init__(accepted, address)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.local_address: tuple[str, int] = self.socket.getsockname()[:2]
        self.certificate = _certificate(self.socket)
        self.bytes_sent = 0
        self.close_reason = "connection lost"
        self._ports = Ports()
        self.tables = MAX_TABLES
        at_once = None if isinstance(self.socket, ssl.SSLSocket) else self.socket.fd
        self._arrivals = None if at_once is None else Arrivals(at_once, _READ_SIZE)
        self._outbox = Outbox(self.socket, at_once)
        self._is_closing = False
        self._is_aborted = False
        self.latency = LatencyHistogram()
        self._replies = ReplyFraming()
        #: Bytes still missing of a message that has arrived in part.
        self._awaited = 0

    def set_state(self, state: Optional[str]) -> None:
        """Enter a state of the connection (``..._DISPATCHER``); the engine calls this as well."""
        before = self.state
        super().set_state(state)
        if before == state:
            return
        if state == MAIN_DISPATCHER:
            self._listener.on_connected(self)
            self.on_ready()
        elif state == DEAD_DISPATCHER and before == MAIN_DISPATCHER:
            self._listener.on_disconnected(self)

    def _close_write(self) -> None:
        """Close both directions. The engine closes one, and keeps the file descriptor until the peer closes as well."""
        shut_down(self.socket)

    def port_names(self) -> dict[int, str]:
        """The names of the switch's ports by their numbers, at this moment."""
        return dict(self._ports.names)

    def is_port_usable(self, port: int) -> bool:
        """Whether the switch has this port, and it is up."""
        return self._ports.is_usable(port)

    def transmit(self, message: bytes) -> None:
        """Send OpenFlow messages without blocking. All replies to one read leave in one write."""
        self.bytes_sent += len(message)
        self._outbox.put(message)

    def send(self, buf: bytes, close_socket: bool = False) -> bool:
        """Send one of the engine's own messages; the engine's method would block until the switch reads."""
        self._is_closing = self._is_closing or close_socket
        self.transmit(bytes(buf))
        return True

    def next_xid(self) -> int:
        """A transaction id that is in use neither here nor in the engine."""
        self.xid = self.xid + 1 & self.ofproto.MAX_XID
        return self.xid

    def abort(self, why: str) -> None:
        """Shut the connection down without waiting: the green thread that serves it finds its end, and cleans up."""
        if not self._is_aborted:
            self._is_aborted = True
            self._set_close_reason(why)
            shut_down(self.socket)

    def serve_until_closed(self) -> None:
        """Serve the switch in this green thread."""
        with closing(self):
            try:
                self.serve()
            except Exception:
                self._set_close_reason("a fault of the balancer")
                LOG.exception("%s: connection failed, closing it", self)
        self.handler = self.on_handled = None  # they lead back here

    def _set_close_reason(self, why: str) -> None:
        self.close_reason = f"connection closed ({why})"

    def _recv_loop(self) -> None:
        hub.sleep(0)  # lets the engine's other green threads begin: one killed before that leaves a reference cycle
        try:
            self._receive()
        finally:
            if self._arrivals is not None:
                self._arrivals.end()
            self.socket.close()

    def _receive(self) -> None:
        pieces: list[bytes] = []
        turn_ends = 0.0
        while self.state != DEAD_DISPATCHER:
            try:
                received = self.socket.recv(_READ_SIZE) if self._arrivals is None else self._arrivals.read()
            except socket.timeout:  # before Python 3.10, it is not TimeoutError
                continue
            except OSError as error:
                if isinstance(error, ssl.SSLError):
                    self._set_close_reason(f"TLS failed: {reason(error)}")
                return
            if not received or self.state == DEAD_DISPATCHER:
                return
            pieces.append(received)
            self._awaited -= len(received)
            if self._awaited <= 0:  # not joined before: a large message comes in a thousand pieces
                try:
                    rest = self._handle_batch(b"".join(pieces))
                except ProtocolError as error:
                    self._refuse(error)
                    return
                pieces = [rest] if rest else []
                if not arrival.is_set():
                    arrival.set()
            if self._is_closing:
                self._outbox.wake()  # the sending thread sends the rest, and ends the connection
            else:
                self._outbox.send_at_once()
            if self._arrivals is None and time.perf_counter() > turn_ends:  # there may always be more to read
                hub.sleep(0)
                turn_ends = time.perf_counter() + _MAX_TURN
            while self._outbox.unsent > _MAX_UNSENT and self.state != DEAD_DISPATCHER:
                self._outbox.await_sent()

    def _send_loop(self) -> None:
        try:
            while self.state != DEAD_DISPATCHER and not (self._is_closing and self._outbox.is_empty):
                self._outbox.send_waiting()
        except OSError as error:  # includes a timeout: the switch has not read for long
            if self.state != DEAD_DISPATCHER and not self._is_aborted:
                if isinstance(error, socket.timeout):
                    self._set_close_reason("the switch does not read what it is sent")
                LOG.info("%s: sending failed, closing the connection: %s", self, error)
        finally:
            self.close()
            self._outbox.release()

    def _handle_batch(self, received: bytes) -> bytes:
        """Handle all complete messages, and return the rest."""
        offset = packets = 0
        begin = time.perf_counter()
        self._outbox.is_held = True
        is_within = self._replies.is_within
        try:
            while len(received) - offset >= HEADER.size:
                version, kind, length, xid = HEADER.unpack_from(received, offset)
                part = b""
                # Only the handler requests flow statistics, whose length field may have wrapped.
                if is_within or (kind == OFPT_MULTIPART_REPLY and self.handler is not None):
                    part, length = self._replies.next(received, offset, length)
                    is_within = self._replies.is_within
                if length < HEADER.size:
                    raise ProtocolError(f"a message of type {kind} and {length} bytes: expected {HEADER.size} or more")
                end = offset + length
                if end > len(received):
                    if not is_within:
                        check_begin(received[offset : offset + HEADER.size])
                    self._awaited = end - len(received)
                    break
                if part:
                    version, kind, _, xid = HEADER.unpack_from(part)
                    message = part
                else:
                    message = received[offset:end]
                offset = end
                packets += kind == OFPT_PACKET_IN
                if self.handler is None or version != OFP_VERSION or not self.handler(kind, xid, message):
                    self._handle_other(version, kind, xid, message)
        finally:
            if self.on_handled is not None:
                self.on_handled()
            self._outbox.is_held = False
            if packets:
                self.latency.observe(time.perf_counter() - begin, packets)
        return received[offset:]

    def _handle_other(self, version: int, kind: int, xid: int, message: bytes) -> None:
        """Handle a message that the handler did not take.

        Raises:
            ProtocolError: the peer breaks the protocol.
        """
        state = _STATES.get(self.state)
        if state is None:
            return
        if state is State.FEATURES and self.id is not None:
            state = State.PORTS
        treatment, message = screen(state, version, kind, message)
        if treatment is Treatment.PARSE:
            self._leave_to_engine(kind, xid, message)
        elif treatment is Treatment.READ_PORTS:
            self._read_ports(kind, message)
        elif treatment is Treatment.ANSWER_ECHO:
            self.transmit(wire.echo_reply(xid, message))
        elif treatment is Treatment.ACKNOWLEDGE_ECHO:
            self.acknowledge_echo_reply(xid)
            if state is State.MAIN:
                self._listener.on_echo_reply(self, xid)

    def _read_ports(self, kind: int, message: bytes) -> None:
        if kind == wire.OFPT_PORT_STATUS:
            change = self._ports.read_status(message)
            if change is not None:
                self._listener.on_port_changed(self, *change)
        elif self._ports.read_description(message):
            self.set_state(MAIN_DISPATCHER)

    def _refuse(self, error: ProtocolError) -> None:
        """Close a connection that is not served. A peer of another version is told why."""
        self._set_close_reason(str(error))
        if isinstance(error, AuxiliaryConnectionError):
            LOG.info("%s: %s; closing the connection", self, error)
            return
        LOG.warning("%s breaks the OpenFlow protocol: %s; closing the connection", self, error)
        if isinstance(error, IncompatibleVersionError):
            with suppress(OSError):
                self.socket.send(wire.hello_failed(str(error)))

    def __str__(self) -> str:
        """For the log: the switch, or the peer as long as its datapath id is not known."""
        return f"OpenFlow peer {self.address[0]}" if self.id is None else f"Switch {self.id:016x} ({self.address[0]})"

    def _leave_to_engine(self, kind: int, xid: int, data: bytes) -> None:
        if kind == wire.OFPT_FEATURES_REPLY:
            self.tables = read_features(data).tables
        message = ofproto_parser.msg(self, OFP_VERSION, kind, len(data), xid, bytearray(data))
        if message is None:
            return
        event = ofp_event.ofp_msg_to_ev(message)
        self.ofp_brick.send_event_to_observers(event, self.state)
        for handler in self.ofp_brick.get_handlers(event):
            if self.state in handler.callers[type(event)].dispatchers:
                handler(event)


def _certificate(connection: Any) -> Optional[PeerCertificate]:
    return peer_certificate(connection.getpeercert()) if isinstance(connection, ssl.SSLSocket) else None


def shut_down(connection: Any) -> None:
    """End the stream below TLS: a green thread that waits at the socket finds its end.

    ``SSLSocket.shutdown`` would make a plain socket of it, and what is read next would be taken for OpenFlow.
    """
    with suppress(OSError):
        if isinstance(connection, ssl.SSLSocket):
            kernel_socket.shutdown(connection, socket.SHUT_RDWR)
        else:
            connection.shutdown(socket.SHUT_RDWR)


def _serve(listener: SwitchListener, connected: Any, address: Any) -> None:
    """Serve a switch that the engine has connected to (``--ofp-switch-address-list``)."""
    Transport(connected, address, listener).serve_until_closed()


def install(listener: SwitchListener) -> None:
    """Make the engine use this transport for the connections that it opens."""
    install_connection_factory(partial(_serve, listener))
