"""The data plane of the simulated switch: tables, meters, and an ordinary learning switch (NORMAL)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from struct import Struct
from typing import NamedTuple, Optional

from simulation import packet
from simulation.flow_table import FlowTable, Later, MalformedError, at_once

OFPP_MAX = 0xFFFFFF00
OFPP_IN_PORT, OFPP_TABLE, OFPP_NORMAL, OFPP_FLOOD = 0xFFFFFFF8, 0xFFFFFFF9, 0xFFFFFFFA, 0xFFFFFFFB
OFPP_ALL, OFPP_CONTROLLER, OFPP_LOCAL, OFPP_ANY = 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF
OFPAT_OUTPUT, OFPAT_PUSH_VLAN, OFPAT_SET_FIELD = 0, 17, 25
OFPR_NO_MATCH, OFPR_ACTION = 0, 1
#: What addresses begin with that a bridge does not forward to, and the end of the last byte (IEEE 802.1Q, table 8-1).
_RESERVED, _RESERVED_END = bytes.fromhex("0180c20000"), 0x10
#: Seconds after which NORMAL forgets an address.
MAC_AGE = 300.0
_ACTION = Struct("!HHI")
_INSTRUCTION = Struct("!HH")

#: An action: its type and its argument (a port, or field and value).
Action = tuple[int, object]


@dataclass
class Capabilities:
    """What the switch can do. ``normal``: "works", "ignored" (accepted, does nothing) or "refused"."""

    normal: str = "works"
    output_to_table: bool = True
    #: Output to TABLE is accepted, and nothing happens.
    ignores_table: bool = False
    bundles: bool = True
    meters: bool = True
    #: Whether the bucket of a new meter is full (that of Open vSwitch 2.15 is empty).
    full_meters: bool = True
    #: A meter begins empty, and so does one whose rate is changed; it is filled once a second, to its burst (BOFUSS).
    stepping_meters: bool = False
    roles: bool = True
    #: ONF's flow monitor (EXT-187).
    flow_monitor: bool = True
    flood: bool = True
    tables: int = 254
    max_flows: int = 1_000_000
    #: Flow-mods that it carries out in a second, one after the other; 0: any number, at once.
    flow_mod_rate: float = 0.0
    #: Whether it answers a request for its table, meter and group features.
    reports_features: bool = True
    #: Who made it, as its description has it.
    make: str = "simulation"
    #: Seconds that each part of an answer about flows takes.
    stats_delay: float = 0.0
    #: Bytes of rows that one part of an answer has at most; 0: as many as fit.
    stats_part: int = 0
    #: Every so many parts of answers about flows one has a row with a wrong length; 0: none.
    bad_stats: int = 0
    #: Seconds between two looks of the switch at the time-outs of its rules.
    timeout_step: float = 1.0
    #: Fields by number: those that set-field and matches reject, and those that they accept without effect.
    rejected_sets: frozenset[int] = frozenset()
    ignored_sets: frozenset[int] = frozenset()
    rejected_matches: frozenset[int] = frozenset()
    ignored_matches: frozenset[int] = frozenset()
    #: The metadata with which each packet begins: 0 (section 5.1), or all ones (older versions of BOFUSS).
    metadata: int = 0
    push_vlan: bool = True
    idle_timeouts: bool = True
    flow_removed: bool = True
    #: Whether deletions compare cookies.
    cookie_deletion: bool = True
    flow_statistics: bool = True
    port_statistics: bool = True
    #: Bytes of a packet that a packet-in has at most.
    max_packet_in: int = 0xFFFF
    #: Packet-ins have the bytes that OFPT_SET_CONFIG asks for, and not those that the action asks for.
    obeys_miss_send_len: bool = False
    #: Whether a packet-out may send to the controller.
    reflects: bool = True
    #: Whether a packet-out may have the ingress port CONTROLLER.
    accepts_in_port_controller: bool = True
    #: Whether strict deletions compare cookies as well (Lagopus does not).
    strict_deletion_by_cookie: bool = True
    #: Whether a deletion by the port of an output takes this port alone.
    deletion_by_port: bool = True
    #: Whether rules count packets; without it counters have the highest value (section 7.3.5).
    counts: bool = True
    #: Outputs that the actions of one rule or packet-out may have; 0: any number.
    max_outputs: int = 0
    #: Whether an output to a port that the switch does not have is rejected.
    checks_ports: bool = False
    #: Types of messages that have no effect, and no reply or error either.
    silent: frozenset[int] = frozenset()
    #: Types of messages that are rejected as unknown.
    rejected: frozenset[int] = frozenset()
    #: Whether rules can be modified; if not, the messages that would do it have no effect.
    modifies: bool = True
    #: Whether a flow-mod may delete from all tables at once, and a request may ask for the rules of all.
    deletes_from_all: bool = True
    reports_all: bool = True
    #: Whether rules may have time-outs, and flags.
    accepts_timeouts: bool = True
    accepts_flags: bool = True
    #: Whether rules may have an instruction for a meter.
    meter_instruction: bool = True
    #: Whether rules may match the reserved ports, CONTROLLER among them, as the ingress port.
    matches_reserved_ports: bool = True
    #: Type and code of the errors for output to NORMAL, and for a match that is rejected.
    normal_error: tuple[int, int] = (2, 4)
    match_error: tuple[int, int] = (4, 6)
    #: The number of tables in the features reply; 0: that of those that it has.
    reported_tables: int = 0
    #: Rules are reported with a mask of ones for each field without a mask, and the last field first.
    reports_masks: bool = False
    #: Types of multipart requests that have no reply, and no error either.
    silent_multiparts: frozenset[int] = frozenset()
    #: Each part of a multipart reply says that another one follows.
    endless_multiparts: bool = False
    #: Whether a rule that is deleted by a controller is reported as well.
    reports_deletions: bool = True
    #: Whether a barrier request is rejected.
    rejects_barriers: bool = False
    #: Whether requests for flow statistics compare cookies.
    flow_statistics_by_cookie: bool = True
    #: All flow statistics in one message, whose length field has the lowest 16 bits of its length.
    wraps_statistics: bool = False
    #: A relay connects the switch to its controllers. It takes what follows a message by its length field for another
    #: message, begins the connection to the switch anew when that makes no sense, and keeps that to the controller
    #: (BOFUSS's ``ofprotocol``).
    relayed: bool = False
    #: Whether a masked field of a deletion or a request covers rules that have the field without a mask.
    masks_cover: bool = True
    #: OFPFF_CHECK_OVERLAP also rejects a rule that is there already.
    overlaps_itself: bool = False
    #: A rule that is added again keeps its cookie, its time-outs and its age.
    keeps_replaced: bool = False
    #: Whether a role request with an older generation is rejected.
    checks_generation: bool = True
    #: Whether every generation is rejected as older than the one of the switch, which is none (some forks of BOFUSS).
    rejects_generations: bool = False
    #: Whether a role reply has the generation of the request in place of the switch's (Lagopus).
    repeats_generation: bool = False
    #: Whether a new MASTER makes the former one a SLAVE (in Lagopus it does not).
    demotes_master: bool = True
    #: Whether set-field corrects the checksums of IPv4 and UDP.
    corrects_checksums: bool = True
    #: set-field updates a UDP checksum of zero as well, which says that there is none.
    spoils_missing_checksums: bool = False
    #: A packet-in has the number of a buffer, and all fields of the packet in its match.
    buffers: bool = False
    answers_echo: bool = True
    answers_barriers: bool = True
    #: Bytes of the rejected message that an error repeats.
    error_data: int = 64
    #: Seconds after which a flow-mod is rejected, behind the reply to the barrier that follows it.
    rejection_lag: float = 0.0
    #: Seconds after which packets meet the rules that the switch has confirmed, and reports.
    flow_mod_lag: float = 0.0


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


def read_actions(data: bytes, offset: int, end: int, capabilities: Capabilities) -> tuple[Action, ...]:
    """The actions between two offsets (section 7.2.5)."""
    actions: list[Action] = []
    while offset < end:
        kind, length, argument = _ACTION.unpack_from(data, offset)
        if length < 8 or length % 8 or offset + length > end:
            raise MalformedError(2, 1)  # OFPET_BAD_ACTION, OFPBAC_BAD_LEN
        if kind == OFPAT_OUTPUT:
            actions.append((kind, _usable_port(argument, capabilities)))
        elif kind == OFPAT_SET_FIELD:
            size = argument & 0xFF
            if argument >> 9 & 0x7F in capabilities.rejected_sets:
                raise MalformedError(2, 13)  # OFPBAC_BAD_SET_TYPE
            actions.append((kind, (argument >> 9 & 0x7F, data[offset + 8 : offset + 8 + size])))
        elif kind == OFPAT_PUSH_VLAN and capabilities.push_vlan:
            actions.append((kind, argument >> 16))
        else:
            raise MalformedError(2, 0)  # OFPBAC_BAD_TYPE
        offset += length
    outputs = sum(kind == OFPAT_OUTPUT for kind, _ in actions)
    if 0 < capabilities.max_outputs < outputs:
        raise MalformedError(2, 7)  # OFPBAC_TOO_MANY
    return tuple(actions)


def _usable_port(port: int, capabilities: Capabilities) -> int:
    refused = {
        OFPP_NORMAL: capabilities.normal == "refused",
        OFPP_TABLE: not capabilities.output_to_table,
        OFPP_FLOOD: not capabilities.flood,
    }
    if port == 0 or refused.get(port, False):
        # OFPBAC_BAD_OUT_PORT, of NORMAL as the switch has it
        raise MalformedError(*(capabilities.normal_error if port == OFPP_NORMAL else (2, 4)))
    return port


@dataclass
class Instructions:
    """What a rule does: apply actions, pass a meter, go on to a table. ``raw`` are the bytes that say so."""

    raw: bytes
    actions: tuple[Action, ...] = ()
    goto: Optional[int] = None
    meter: Optional[int] = None


def read_instructions(data: bytes, offset: int, end: int, capabilities: Capabilities) -> Instructions:
    """The instructions between two offsets (section 7.2.4)."""
    found = Instructions(data[offset:end])
    while offset < end:
        kind, length = _INSTRUCTION.unpack_from(data, offset)
        if length < 8 or offset + length > end:
            raise MalformedError(3, 7)  # OFPET_BAD_INSTRUCTION, OFPBIC_BAD_LEN
        if kind == 1:
            found.goto = data[offset + 4]
            if found.goto >= capabilities.tables:
                raise MalformedError(3, 2)  # OFPBIC_BAD_TABLE_ID
        elif kind == 4:
            found.actions += read_actions(data, offset + 8, offset + length, capabilities)
        elif kind == 6 and capabilities.meters and capabilities.meter_instruction:
            found.meter = int.from_bytes(data[offset + 4 : offset + 8], "big")
        else:
            raise MalformedError(3, 1)  # OFPBIC_UNSUP_INST
        offset += length
    return found
