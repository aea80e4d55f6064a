"""The simulated switch at ``haslb switch-test``, in the thread of the test and on a virtual clock.

It connects over a pair of sockets: what one end has sent is at the other end at once, so that time passes only when
neither has anything to read.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Callable, Optional

from fake_switch import message, messages_of

from ryu_haslb.openflow.wire import wire
from ryu_haslb.switch_test.link import Time
from ryu_haslb.switch_test.listener import Listener
from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.switch import SimulatedSwitch

#: Bytes a second that the switch processes: some 130 messages, so that a measurement needs few of them.
_SPEED = 15_000


class SteppedSwitch(Time):
    """The switch, and the time of the test: it processes what it was sent whenever the test waits."""

    def __init__(self, **capabilities: Any) -> None:
        self._clock = Clock()
        ports = {1: "eth1", 2: "eth2"}
        self.switch = SimulatedSwitch(0x51, ports, self._clock, lambda *_: None, Capabilities(**capabilities))
        self._socket, self._theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._outgoing = [message(wire.OFPT_HELLO, 1)]
        self._connection = self.switch.connect(self._outgoing.append)
        self._unsent = self._received = b""

    def connect(self) -> socket.socket:
        """The controller's end of the connection."""
        return self._theirs

    def close(self) -> None:
        self._socket.close()

    @property
    def cookies(self) -> list[int]:
        """The cookies of all rules."""
        return [flow.cookie for table in self.switch.datapath.tables for flow in table]

    def now(self) -> float:
        return self._clock.now

    def wait(self, readable: Iterable[object], writable: Iterable[object], seconds: float) -> None:
        data = b""
        with suppress(BlockingIOError):
            data = self._socket.recv(1 << 20)
        if not (data or self._outgoing or self._unsent):
            self._clock.run_until(self._clock.now + max(0.0, seconds))
        self._clock.run_until(self._clock.now + len(data) / _SPEED)
        self.switch.expire()
        self._process(data)
        self._send()

    def _process(self, data: bytes) -> None:
        self._received += data
        for each in messages_of(self._received):
            self._connection.receive(each)
            self._received = self._received[len(each) :]

    def _send(self) -> None:
        self._unsent += b"".join(self._outgoing)
        self._outgoing.clear()
        with suppress(BlockingIOError):
            self._unsent = self._unsent[self._socket.send(self._unsent) :]


class SteppedListener(Listener):
    """Listens as ever, and is connected to this switch."""

    def __init__(
        self,
        switch: SteppedSwitch,
        address: tuple[str, int],
        context: Optional[ssl.SSLContext],
        log: Callable[[str], None],
        is_stopped: Callable[[], bool],
    ) -> None:
        super().__init__(address, context, log, is_stopped, switch)
        self._switch = switch
        self._is_connected = False

    def _accept(self) -> None:
        if not self._is_connected:
            self._is_connected = True
            self._add(self._switch.connect(), "127.0.0.1")

    def close(self) -> None:
        super().close()
        self._switch.close()
