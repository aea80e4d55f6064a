"""Ryu's connection to a switch, with a shorter way for packet-ins.

Ryu reads eight bytes at a time, parses every message into objects and hands each to a queue. Here everything that has
arrived is read at once; what the request path knows is handled on the spot and answered with one write, the rest goes
Ryu's usual way. Nobody waits for a switch that does not read what it is sent, but the one who reads what it sends.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from contextlib import closing
from typing import Any, Callable, Optional

from ryu_haslb.engine import DEAD_DISPATCHER, Datapath, hub, install_connection_factory, ofp_event, ofproto_parser
from ryu_haslb.openflow.latency import LatencyHistogram
from ryu_haslb.openflow.wire import HEADER, OFPT_PACKET_IN

LOG = logging.getLogger(__name__)

#: Small enough that others have their turn before a storm's next read (a hundred packet-ins, less than a millisecond).
_READ_SIZE = 1 << 14
#: Bytes that the kernel holds for us. By itself it would let seconds of packet-ins come together.
_RECEIVE_BUFFER = 1 << 18
#: Bytes that wait for the switch to read them. With more, nothing is read that would have to be answered.
_MOST_UNSENT = 1 << 18

#: Takes type, transaction id and bytes of a message; True when it was ours.
MessageHandler = Callable[[int, int, bytes], bool]


class Transport(Datapath):  # type: ignore[misc]
    """A Ryu datapath; once :attr:`handler` is set it sees each message first."""

    handler: Optional[MessageHandler] = None
    xid: int

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.bytes_sent = 0
        self.ports: dict[int, Any] = {}  # Ryu's handlers keep it
        self._outgoing: list[bytes] = []
        self._unsent = 0
        self._ends = False
        self._outgoing_waits = hub.Event()
        self._sent = hub.Event()
        self.latency = LatencyHistogram()

    def port_names(self) -> dict[int, str]:
        """The switch's ports by their numbers, as they are now."""
        names = {number: port.name.partition(b"\0")[0] for number, port in self.ports.items()}
        return {number: name.decode("ascii", "replace") for number, name in names.items()}

    def transmit(self, message: bytes) -> None:
        """Send OpenFlow messages, without waiting; what one batch of messages leads to leaves in one write."""
        self.bytes_sent += len(message)
        self._unsent += len(message)
        if not self._outgoing:  # else the writer knows already, and has its turn when we are done
            self._outgoing_waits.set()
        self._outgoing.append(message)

    def send(self, buf: bytes, close_socket: bool = False) -> bool:
        """Send one of Ryu's own messages; Ryu's way would have the caller wait for the switch to read."""
        self._ends = self._ends or close_socket
        self.transmit(bytes(buf))
        return True

    def next_xid(self) -> int:
        """A transaction id that Ryu does not use either."""
        self.xid = self.xid + 1 & self.ofproto.MAX_XID
        return self.xid

    def _recv_loop(self) -> None:
        try:
            self._receive()
        finally:
            self.socket.close()

    def _receive(self) -> None:
        pending = b""
        while self.state != DEAD_DISPATCHER:
            try:
                received = self.socket.recv(_READ_SIZE)
            except (socket.timeout, ssl.SSLError):  # before Python 3.10 another one than TimeoutError
                continue
            except OSError:
                return
            if not received:
                return
            pending = self._handle_batch(pending + received)
            hub.sleep(0)  # while a storm lasts there is always more to read, and others have their work too
            while self._unsent > _MOST_UNSENT and self.state != DEAD_DISPATCHER:
                self._sent.clear()
                self._sent.wait()

    def _send_loop(self) -> None:
        try:
            while self.state != DEAD_DISPATCHER and not (self._ends and not self._outgoing):
                self._outgoing_waits.wait()
                self._outgoing_waits.clear()
                outgoing = b"".join(self._outgoing)
                self._outgoing.clear()
                self.socket.sendall(outgoing)
                self._unsent -= len(outgoing)
                self._sent.set()
        except OSError as error:  # also a time-out: the switch has read nothing for long
            LOG.info("Connection to switch %s (%s) takes no more: %s", self.id, self.address[0], error)
        finally:
            self.close()
            self._sent.set()

    def _handle_batch(self, received: bytes) -> bytes:
        """Handle all whole messages; the rest is returned."""
        offset = packets = 0
        begin = time.perf_counter()
        try:
            while len(received) - offset >= HEADER.size:
                version, kind, length, xid = HEADER.unpack_from(received, offset)
                end = offset + max(length, HEADER.size)
                if end > len(received):
                    break
                message = received[offset:end]
                offset = end
                packets += kind == OFPT_PACKET_IN
                if self.handler is None or not self.handler(kind, xid, message):
                    self._handle_as_ryu_does(version, kind, xid, message)
        finally:
            if packets:
                self.latency.observe(time.perf_counter() - begin, packets)
        return received[offset:]

    def _handle_as_ryu_does(self, version: int, kind: int, xid: int, data: bytes) -> None:
        message = ofproto_parser.msg(self, version, kind, len(data), xid, bytearray(data))
        if message is None:
            return
        event = ofp_event.ofp_msg_to_ev(message)
        self.ofp_brick.send_event_to_observers(event, self.state)
        for handler in self.ofp_brick.get_handlers(event):
            if self.state in handler.callers[type(event)].dispatchers:
                handler(event)


def _serve(accepted: Any, address: Any) -> None:
    """Serve one switch for as long as its connection lasts."""
    with closing(Transport(accepted, address)) as transport:
        try:
            transport.serve()
        except Exception:
            LOG.exception("Connection to switch %s (%s) ends", transport.id, address[0])


def install() -> None:
    """Have Ryu make its connections of this class."""
    install_connection_factory(_serve)
