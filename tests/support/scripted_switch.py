"""A switch's end of an OpenFlow 1.3 connection, played by a test: for what no real switch does."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

HEADER = struct.Struct("!BBHI")
_VERSION = 4
HELLO, ECHO_REQUEST, ECHO_REPLY = 0, 2, 3
FEATURES_REQUEST, FEATURES_REPLY = 5, 6
PACKET_IN, PACKET_OUT = 10, 13
MULTIPART_REQUEST, MULTIPART_REPLY = 18, 19
BARRIER_REQUEST, BARRIER_REPLY = 20, 21
_NO_BUFFER = 0xFFFFFFFF


def message(kind: int, xid: int, body: bytes = b"") -> bytes:
    return HEADER.pack(_VERSION, kind, HEADER.size + len(body), xid) + body


def packet_in(cookie: int, port: int, frame: bytes) -> bytes:
    """A frame that a rule with this cookie has sent to the controller (OpenFlow 1.3.5, section 7.4.1)."""
    match = struct.pack("!HHII4x", 1, 12, 0x80000004, port)
    return message(PACKET_IN, 0, struct.pack("!IHBBQ", _NO_BUFFER, len(frame), 0, 0, cookie) + match + b"\0\0" + frame)


class ScriptedSwitch:
    """Answers what every switch is asked, when it is told to."""

    def __init__(self, connection: socket.socket, datapath_id: int) -> None:
        self.socket = connection
        self._datapath_id = datapath_id
        self._received = b""
        connection.sendall(message(HELLO, 1))

    def await_message(self, kind: int, seconds: float) -> Optional[bytes]:
        """The body of the next message of this kind, or None if none came in time; others are answered meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            for received, body in self._messages():
                if received == kind:
                    return body
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(1 << 16)
            except socket.timeout:
                return None
            if not data:
                raise ConnectionError("the controller has closed the connection")
            self._received += data

    def flood(self, data: bytes, most: int) -> int:
        """Send without ever reading, until the controller takes no more for a second, or hangs up; bytes sent, ``most``
        at most."""
        self.socket.settimeout(1)
        sent = 0
        try:
            while sent < most:
                sent += self.socket.send(data)
        except OSError:
            pass
        return sent

    def _messages(self) -> Iterator[tuple[int, bytes]]:
        while len(self._received) >= HEADER.size:
            _, kind, length, xid = HEADER.unpack_from(self._received)
            if len(self._received) < length:
                return
            body, self._received = self._received[HEADER.size : length], self._received[length:]
            self._answer(kind, xid, body)
            yield kind, body

    def _answer(self, kind: int, xid: int, body: bytes) -> None:
        answers = {
            FEATURES_REQUEST: (FEATURES_REPLY, struct.pack("!QIBB2xII", self._datapath_id, 0, 254, 0, 0, 0)),
            ECHO_REQUEST: (ECHO_REPLY, body),
            BARRIER_REQUEST: (BARRIER_REPLY, b""),
            MULTIPART_REQUEST: (MULTIPART_REPLY, body[:2] + bytes(6)),
        }
        if kind in answers:
            self.socket.sendall(message(answers[kind][0], xid, answers[kind][1]))


@contextmanager
def scripted_switch(port: int, datapath_id: int, receive_buffer: int = 1 << 16) -> Iterator[ScriptedSwitch]:
    """A switch that is connected to the controller at this port of the loopback."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield ScriptedSwitch(connection, datapath_id)
