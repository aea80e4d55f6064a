"""The simulated switch: what it holds, and whom it reports to.

It executes what it is sent, from the bytes alone, as Open vSwitch 3.1 does; ``tests/lab`` plays the same messages to
both. It shares no code with the product. :class:`simulation.capabilities.Capabilities` say what it lacks.

Its control plane is in :mod:`simulation.switch_connection`, :mod:`simulation.work_queue`, :mod:`simulation.flow_mods`
and :mod:`simulation.statistics`, its data plane in :mod:`simulation.datapath` and :mod:`simulation.flow_table`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import Optional

from simulation.capabilities import Capabilities
from simulation.clock import Clock
from simulation.datapath import Datapath, PacketIn
from simulation.flow_mods import FlowMods
from simulation.flow_monitor import ADDED, DELETED, UNKNOWN, FlowMonitors, Origin
from simulation.flow_table import OFPFF_SEND_FLOW_REM, Flow, at_once
from simulation.openflow import FLOW_REMOVED, PACKET_IN, PORT_STATUS, packed, packed_fields
from simulation.statistics import Statistics
from simulation.switch_connection import SwitchConnection
from simulation.work_queue import WorkQueue

_PACKET_IN = Struct("!IHBBQ")
_IN_PORT = Struct("!HHII4x")
_FLOW_REMOVED = Struct("!QHBBIIHHQQ")
_PORT = Struct("!I4x6s2x16sIIIIIIII")


class SimulatedSwitch:
    """One datapath. ``transmit`` sends a frame out of a port."""

    def __init__(
        self,
        datapath_id: int,
        ports: dict[int, str],
        clock: Clock,
        transmit: Callable[[int, bytes], None],
        capabilities: Optional[Capabilities] = None,
    ) -> None:
        self.datapath_id = datapath_id
        self.clock = clock
        self.capabilities = capabilities or Capabilities()
        later = partial(clock.after, self.capabilities.flow_mod_lag) if self.capabilities.flow_mod_lag else at_once
        self.datapath = Datapath(ports, transmit, self._punt, self.capabilities, later=later)
        self.monitors = FlowMonitors(self.datapath)
        self.flow_mods = FlowMods(self)
        rate = self.capabilities.flow_mod_rate
        self.work = WorkQueue(clock, 1 / rate if rate else 0.0)
        self.statistics = Statistics(self)
        self.connections: list[SwitchConnection] = []
        self.generation: Optional[int] = None
        self._expires_at = 0.0
        self._buffer = 0
        #: How often it has been restarted.
        self.restarts = 0
        #: Is called with the connection over which something is changed, before that is executed.
        self.changed: Callable[[SwitchConnection], None] = lambda _: None
        #: Is called with a rule that the switch itself is about to remove, because its time is over.
        self.expired: Callable[[Flow], None] = lambda _: None
        #: Is called with the cookie of a rule that a controller has removed.
        self.deleted: Callable[[int], None] = lambda _: None

    def connect(self, send: Callable[[bytes], None], unsent: Callable[[], int] = lambda: 0) -> SwitchConnection:
        """Open a connection to a controller, which gets the bytes given to ``send``.

        ``unsent`` is the number of bytes that wait because the controller does not read.
        """
        connection = SwitchConnection(self, send, unsent)
        self.connections.append(connection)
        return connection

    def receive(self, port: int, frame: bytes) -> None:
        """A frame came in at a port."""
        self.datapath.receive(port, frame, self.clock.now)

    def restart(self) -> None:
        """Lose power: every connection and everything that was learned or installed is gone.

        A relay keeps its connections to the controllers.
        """
        if self.capabilities.relayed:
            for each in self.connections:
                each.interrupt()
        else:
            self.connections.clear()
        self.work.clear()
        self.monitors.watchers.clear()
        self.generation = None
        self.restarts += 1
        self.datapath.clear()

    def expire(self) -> None:
        """Remove the rules whose time is over."""
        now = self.clock.now
        if now < self._expires_at:
            return
        self._expires_at = now + self.capabilities.timeout_step
        for number, table in self.datapath.tables_with_rules():
            for flow, is_idle in table.expired(now):
                self.expired(flow)
                self.remove(number, flow, 0 if is_idle else 1)
        self.monitors.resume()
        self.monitors.flush()

    def remove(self, number: int, flow: Flow, reason: int, origin: Origin = UNKNOWN) -> None:
        """Take a rule out of a table, and report that where the rule or a monitor asks for it."""
        self.datapath.tables[number].remove(flow)
        if origin is not UNKNOWN:
            self.deleted(flow.cookie)
        self.monitors.report(DELETED, number, flow, origin, reason)
        is_reported = reason != 2 or self.capabilities.reports_deletions
        if flow.flags & OFPFF_SEND_FLOW_REM and is_reported:
            seconds = int(self.clock.now - flow.installed)
            head = (flow.cookie, flow.priority, reason, number, seconds, 0, flow.idle_timeout, flow.hard_timeout)
            self._tell(FLOW_REMOVED, reason, _FLOW_REMOVED.pack(*head, flow.packets, flow.octets) + packed(flow.match))

    def put(self, number: int, flow: Flow) -> None:
        """Put a rule into a table, as another controller might."""
        self.datapath.tables[number].put(flow)
        self.monitors.report(ADDED, number, flow)

    def set_port(self, port: int, up: bool) -> None:
        """A port's link came up or went down."""
        (self.datapath.down.discard if up else self.datapath.down.add)(port)
        self._tell(PORT_STATUS, 2, b"\x02" + bytes(7) + self.port_description(port))

    def port_description(self, port: int) -> bytes:
        """A port as OFPMP_PORT_DESC and port status messages have it."""
        state = 1 if port in self.datapath.down else 4
        name = self.datapath.ports[port].encode()
        return _PORT.pack(port, port.to_bytes(6, "big"), name, 0, state, 0, 0, 0, 0, 0, 0)

    def _punt(self, packet_in: PacketIn) -> None:
        frame, buffers = packet_in.frame, self.capabilities.buffers
        self._buffer = (self._buffer + 1) % 256
        what = (packet_in.reason, packet_in.table, packet_in.cookie)
        head = _PACKET_IN.pack(self._buffer if buffers else 0xFFFFFFFF, len(frame) & 0xFFFF, *what)
        if buffers:
            match = packed_fields(frame, packet_in.in_port)
        else:
            match = _IN_PORT.pack(1, 12, 0x80000004, packet_in.in_port)
        self._tell(PACKET_IN, packet_in.reason, head + match + b"\0\0" + frame)

    def _tell(self, kind: int, reason: int, body: bytes) -> None:
        for connection in self.connections:
            if connection.wants(kind, reason):
                connection.send(kind, body)
