"""The data plane of the simulated switch: tables, meters, and an ordinary learning switch (NORMAL)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Optional

from simulation import packet
from simulation.actions import (
    OFPAT_OUTPUT,
    OFPAT_PUSH_VLAN,
    OFPAT_SET_FIELD,
    OFPP_ALL,
    OFPP_ANY,
    OFPP_CONTROLLER,
    OFPP_FLOOD,
    OFPP_IN_PORT,
    OFPP_LOCAL,
    OFPP_NORMAL,
    OFPP_TABLE,
    Action,
)
from simulation.capabilities import Capabilities
from simulation.flow_table import FlowTable, Later, MalformedError, at_once

OFPR_NO_MATCH, OFPR_ACTION = 0, 1
#: What addresses begin with that a bridge does not forward to, and the end of the last byte (IEEE 802.1Q, table 8-1).
_RESERVED, _RESERVED_END = bytes.fromhex("0180c20000"), 0x10
#: Seconds after which NORMAL forgets an address.
MAC_AGE = 300.0


@dataclass
class Meter:
    """Packets a second, and how many were dropped."""

    rate: int
    burst: int
    tokens: float
    filled: float
    dropped: int = 0
    passed: int = 0
    is_stepping: bool = False

    def passes(self, now: float) -> bool:
        """Take a token if there is one."""
        if not self.is_stepping:
            self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
            self.filled = now
        elif now >= self.filled + 1.0:
            self.tokens, self.filled = self.burst, now
        self.passed += 1
        if self.tokens < 1.0:
            self.dropped += 1
            return False
        self.tokens -= 1.0
        return True


class PacketIn(NamedTuple):
    """A packet on its way to the controllers."""

    reason: int
    table: int
    cookie: int
    in_port: int
    frame: bytes


@dataclass
class Datapath:
    """Ports, tables, meters. ``transmit`` sends a frame out of a port, ``punt`` sends one to the controllers."""

    ports: dict[int, str]
    transmit: Callable[[int, bytes], None]
    punt: Callable[[PacketIn], None]
    capabilities: Capabilities = field(default_factory=Capabilities)
    #: Is called with each frame that no rule matches, that a rule drops, or that was to leave by a port that is down.
    lost: Callable[[bytes], object] = lambda _: None
    #: Carries a change of rules out in the data plane, where that lags behind what the switch says.
    later: Later = at_once
    down: set[int] = field(default_factory=set)
    meters: dict[int, Meter] = field(default_factory=dict)
    tables: list[FlowTable] = field(default_factory=list)
    #: Those that have rules, by their numbers.
    used: dict[int, FlowTable] = field(default_factory=dict)
    learned: dict[tuple[int, bytes], tuple[int, float]] = field(default_factory=dict)
    #: The VLANs of access ports, for NORMAL: their frames have no tag. All other ports are trunks, in every VLAN.
    access_vlans: dict[int, int] = field(default_factory=dict)
    #: Bytes of packet-ins: the default of OpenFlow 1.3.5, section 7.3.2, until a controller asks for others.
    miss_send_len: int = 128
    #: How many frames have left by each port.
    sent: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, as a switch does that starts."""
        self.used.clear()
        self.tables = []
        for number in range(self.capabilities.tables):
            self.replace_table(number)
        self.meters.clear()
        self.learned.clear()

    def check_ports(self, actions: tuple[Action, ...]) -> None:
        """Raises MalformedError when actions output to a port that the switch does not have, and the switch checks."""
        if self.capabilities.checks_ports:
            for kind, port in actions:
                if kind == OFPAT_OUTPUT and isinstance(port, int) and port < OFPP_IN_PORT and port not in self.ports:
                    raise MalformedError(2, 4)  # OFPBAC_BAD_OUT_PORT

    def replace_table(self, number: int) -> FlowTable:
        """Put an empty table in the place of one."""
        self.used.pop(number, None)
        limit = self.tables[number].limit if number < len(self.tables) else self.capabilities.max_flows
        table = FlowTable(limit, partial(self._on_used, number), self.later)
        table.metadata = self.capabilities.metadata
        self.tables[number : number + 1] = [table]
        return table

    def limit_table(self, number: int, limit: int) -> None:
        """Give one table a smaller size than the others."""
        self.tables[number].limit = limit

    def _on_used(self, number: int, is_used: bool) -> None:
        """A table has its first rule, or has lost its last one."""
        if is_used:
            self.used[number] = self.tables[number]
        else:
            self.used.pop(number, None)

    def tables_with_rules(self) -> list[tuple[int, FlowTable]]:
        """The tables that have rules, in order."""
        return sorted(self.used.items())

    def receive(self, port: int, frame: bytes, now: float) -> None:
        """A frame came in at a port."""
        if port not in self.down:
            self._run(frame, port, now)

    def execute(self, actions: tuple[Action, ...], frame: bytes, in_port: int, now: float) -> None:
        """Carry out the actions of a packet-out."""
        self._apply(actions, frame, in_port, now, None)

    def _run(self, frame: bytes, in_port: int, now: float) -> None:
        """Run a packet through the tables, from the first on."""
        number: Optional[int] = 0
        while number is not None and number < len(self.tables):
            flow = self.tables[number].find(frame, in_port)
            if flow is None:
                self.lost(frame)
                return  # without a table-miss rule packets are dropped (section 5.4)
            flow.packets += 1
            flow.octets += len(frame)
            flow.used = now
            meter = self.meters.get(flow.meter) if flow.meter is not None else None
            if meter is not None and not meter.passes(now):
                return
            if flow.actions:
                frame = self._apply(flow.actions, frame, in_port, now, (number, flow.cookie))
            elif flow.goto is None:
                self.lost(frame)
            number = flow.goto

    def _apply(
        self, actions: tuple[Action, ...], frame: bytes, in_port: int, now: float, rule: Optional[tuple[int, int]]
    ) -> bytes:
        """Carry out actions, of a ``rule`` (its table and cookie) or of a packet-out; the frame as they leave it."""
        for kind, argument in actions:
            if kind == OFPAT_SET_FIELD:
                assert isinstance(argument, tuple)
                field, value = argument
                if field not in self.capabilities.ignored_sets:
                    frame = packet.with_field(frame, field, value, self.capabilities.corrects_checksums)
                if self.capabilities.spoils_missing_checksums and field == packet.IPV4_DST:
                    frame = packet.with_spoilt_checksum(frame)
            elif kind == OFPAT_PUSH_VLAN:
                frame = packet.with_vlan_tag(frame)
            elif argument == OFPP_CONTROLLER:
                table, cookie = rule or (0, 0xFFFFFFFFFFFFFFFF)
                if rule is not None or self.capabilities.reflects:
                    self.punt(PacketIn(OFPR_ACTION, table, cookie, in_port, frame[: self._max_packet_in]))
            elif argument == OFPP_TABLE:
                # Only a packet-out may send to the tables (section 7.3.7).
                if rule is None and not self.capabilities.ignores_table:
                    self._run(frame, in_port, now)
            elif argument == OFPP_NORMAL:
                self._normal(frame, in_port, now)
            else:
                assert isinstance(argument, int)
                self._output(argument, frame, in_port)
        return frame

    @property
    def _max_packet_in(self) -> int:
        asked = self.miss_send_len if self.capabilities.obeys_miss_send_len else 0xFFFF
        return min(asked, self.capabilities.max_packet_in)

    def _output(self, port: int, frame: bytes, in_port: int) -> None:
        if port in (OFPP_FLOOD, OFPP_ALL):
            if self.down:  # the destination may be behind one of these ports
                self.lost(frame)
            for each in self.ports:
                if each not in (in_port, OFPP_LOCAL) and each not in self.down:
                    self._send(each, frame)
        elif port == OFPP_IN_PORT:
            self._output(in_port, frame, OFPP_ANY)
        elif port in self.down:
            self.lost(frame)
        elif port in self.ports and port != in_port:
            self._send(port, frame)

    def _send(self, port: int, frame: bytes) -> None:
        self.sent[port] = self.sent.get(port, 0) + 1
        self.transmit(port, frame)

    def _normal(self, frame: bytes, in_port: int, now: float) -> None:
        if self.capabilities.normal != "works":
            self.lost(frame)
            return
        vlan = packet.tag_of(frame)
        if in_port in self.access_vlans:
            if vlan:
                return
            vlan = self.access_vlans[in_port]
        if frame.startswith(_RESERVED) and frame[5] < _RESERVED_END:
            return
        if not frame[6] & 1 and in_port in self.ports:
            self.learned[vlan, frame[6:12]] = in_port, now
        port, seen = self.learned.get((vlan, frame[:6]), (None, 0.0))
        if frame[0] & 1 or port is None or now > seen + MAC_AGE:
            port = OFPP_FLOOD
        if self.access_vlans:
            self._output_in_vlan(port, frame, in_port, vlan)
        else:
            self._output(port, frame, in_port)

    def _output_in_vlan(self, port: int, frame: bytes, in_port: int, vlan: int) -> None:
        """Send a frame out of a port, or of all, in a VLAN: with its tag by trunks, without one elsewhere."""
        untagged = packet.untagged(frame)
        tagged = packet.tagged(untagged, vlan, packet.priority_of(frame))
        for each in self.ports if port == OFPP_FLOOD else (port,):
            if each not in self.access_vlans:
                self._output(each, tagged, in_port)
            elif self.access_vlans[each] == vlan:
                self._output(each, untagged, in_port)
