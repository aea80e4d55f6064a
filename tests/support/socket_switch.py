"""The simulated switch as a client of a controller, over TCP or TLS, in a thread of its own."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from typing import Any, Callable, Optional

from fake_switch import message

from ryu_haslb.engine import ofproto_v1_3 as ofp
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.switch import SimulatedSwitch

#: Seconds between two looks at the clock, and between two attempts to connect.
_INTERVAL, _RETRY = 0.05, 0.1
#: Bytes a second that the switch processes: some 130 messages, so that a measurement needs few of them.
_SPEED = 15_000


class SocketSwitch:
    """Connects again and again until it is stopped.

    ``on_message`` is called with each message of the controller, before the switch processes it; False closes the
    connection instead.
    """

    def __init__(
        self, port: int, datapath_id: int = 0x51, context: Optional[ssl.SSLContext] = None, **capabilities: Any
    ) -> None:
        self.on_message: Callable[[bytes], bool] = lambda _: True
        self.connections = 0
        self._began = time.monotonic()
        self._clock = Clock(0.0)
        ports = {1: "eth1", 2: "eth2"}
        self.switch = SimulatedSwitch(datapath_id, ports, self._clock, lambda *_: None, Capabilities(**capabilities))
        self._address = ("127.0.0.1", port)
        self._context = context
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def cookies(self) -> list[int]:
        """The cookies of all rules."""
        return [flow.cookie for table in self.switch.datapath.tables for flow in table]

    def __enter__(self) -> SocketSwitch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_RETRY):
            with suppress(OSError), socket.create_connection(self._address, 5) as plain:
                connection = plain if self._context is None else self._context.wrap_socket(plain)
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        self.connections += 1
        outgoing = [message(ofp.OFPT_HELLO, 1)]
        switch_end = self.switch.connect(outgoing.append)
        received = b""
        try:
            while not self._stopping.is_set():
                connection.settimeout(None)
                connection.sendall(b"".join(outgoing))
                outgoing.clear()
                connection.settimeout(_INTERVAL)
                data = b""
                with suppress(socket.timeout):
                    data = connection.recv(1 << 16)
                    if not data:
                        return
                time.sleep(len(data) / _SPEED)
                self._clock.run_until(time.monotonic() - self._began)
                self.switch.expire()
                received += data
                while len(received) >= 8 and len(received) >= (length := struct.unpack_from("!H", received, 2)[0]):
                    if not self.on_message(received[:length]):
                        return
                    switch_end.receive(received[:length])
                    received = received[length:]
        finally:
            switch_end.close()
            with suppress(OSError):
                connection.close()
