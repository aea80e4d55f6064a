"""The controller's end of a simulated OpenFlow connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from ryu_haslb.openflow.sockets.channel import MessageHandler
from ryu_haslb.openflow.sockets.latency import LatencyHistogram
from ryu_haslb.openflow.sockets.tls import PeerCertificate
from simulation.network import Pipe
from simulation.openflow import ECHO_REPLY, PORT_STATUS
from simulation.switch import SimulatedSwitch
from simulation.switch_connection import SwitchConnection

if TYPE_CHECKING:
    from simulation.controller import Controller


#: Bytes that the operating systems hold between a switch and a controller that does not read.
SOCKET_BUFFER = 200_000


class Transport:
    """The controller's end of a connection; :class:`ryu_haslb.openflow.sockets.transport.Transport` is one over TCP."""

    def __init__(self, switch: SimulatedSwitch, controller: Controller) -> None:
        self.id = switch.datapath_id
        self.address = ("169.254.219.1", 40000)
        self.local_address = (controller.name, 6653)
        self.tables = min(switch.capabilities.tables, 255)
        self.certificate: Optional[PeerCertificate] = None
        self.handler: Optional[MessageHandler] = None
        self.on_handled: Optional[Callable[[], None]] = None
        self.close_reason = "connection lost"
        self.ports, self._down_ports = dict(switch.datapath.ports), set(switch.datapath.down)
        self.bytes_sent = 0
        self.latency = LatencyHistogram()
        self.xid = 0
        self.is_open = True
        self._is_stalled = False
        self._controller = controller
        self._link: SwitchConnection = switch.connect(self._from_switch, self._unsent)
        self._link.controller = controller.name
        self._down = Pipe(controller.clock, self._link.receive)
        self._up = Pipe(controller.process.inputs, self._receive)

    def port_names(self) -> dict[int, str]:
        """The switch's ports by number."""
        return dict(self.ports)

    def is_port_usable(self, port: int) -> bool:
        """Whether a port is up, as far as the switch has said it."""
        return port in self.ports and port not in self._down_ports

    def transmit(self, message: bytes) -> None:
        """Send OpenFlow messages."""
        self.bytes_sent += len(message)
        self._down.send(message)

    def next_xid(self) -> int:
        """A transaction id that is not in use."""
        self.xid += 1
        return self.xid

    def close(self) -> None:
        """End the connection; both ends notice."""
        if self.is_open:
            self.is_open = False
            self._down.close()
            self._up.close()
            self._link.close()
            self._controller.on_closed(self)

    @property
    def is_stalled(self) -> bool:
        """Whether nothing arrives at the moment, in either direction."""
        return self._is_stalled

    def stall(self) -> None:
        """The network is cut without a sign to either end: what is sent arrives when it is whole again."""
        self._is_stalled = True
        self._down.stall()
        self._up.stall()

    def go_on(self) -> None:
        """The network is whole again."""
        self._is_stalled = False
        self._down.go_on()
        self._up.go_on()

    def _unsent(self) -> int:
        """Bytes that the switch cannot send since the controller does not read."""
        return max(0, self._up.unread - SOCKET_BUFFER)

    @property
    def in_flight(self) -> int:
        """Messages that are on their way."""
        return self._down.in_flight + self._up.in_flight + self._link.waiting if self.is_open else 0

    def _from_switch(self, message: bytes) -> None:
        self._up.send(message)

    def _receive(self, message: bytes) -> None:
        if not self.is_open or not self._controller.is_running:
            return
        kind, xid = message[1], int.from_bytes(message[4:8], "big")
        if kind == PORT_STATUS:
            number = int.from_bytes(message[16:20], "big")
            is_down = bool(int.from_bytes(message[52:56], "big") & 1)
            (self._down_ports.add if is_down else self._down_ports.discard)(number)
            self._controller.fleet.on_port_changed(self, number, not is_down)
        elif (self.handler is None or not self.handler(kind, xid, message)) and kind == ECHO_REPLY:
            self._controller.fleet.on_echo_reply(self, xid)
        if self.on_handled is not None:
            self.on_handled()
        self._controller.flush_soon()
