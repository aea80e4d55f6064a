"""A fake switch at the other end of a TCP connection: for what no real switch does."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from fake_switch import HEADER, FakeSwitch, message

from ryu_haslb.engine import ofproto_v1_3


class ScriptedSwitch:
    """Reads and replies only while a test waits for a message."""

    def __init__(self, connection: socket.socket, datapath_id: int) -> None:
        self.socket = connection
        self._switch = FakeSwitch(datapath_id)
        self._unseen: list[bytes] = []
        connection.sendall(message(ofproto_v1_3.OFPT_HELLO, 1))

    def await_message(self, kind: int, seconds: float) -> Optional[bytes]:
        """The body of the next message of this kind, or None if none came in time; others are answered meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            while self._unseen:
                received = self._unseen.pop(0)
                if received[1] == kind:
                    return received[HEADER.size :]
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(1 << 16)
            except socket.timeout:
                return None
            if not data:
                raise ConnectionError("the controller has closed the connection")
            for received, replies in self._switch.receive(data):
                self._unseen.append(received)
                self.socket.sendall(b"".join(replies))

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


@contextmanager
def scripted_switch(port: int, datapath_id: int, receive_buffer: int = 1 << 16) -> Iterator[ScriptedSwitch]:
    """A switch that is connected to the controller at this port of the loopback."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield ScriptedSwitch(connection, datapath_id)
