"""The control plane of the simulated switch: OpenFlow 1.3 messages in, OpenFlow 1.3 messages out.

It executes what it is sent, from the bytes alone, as Open vSwitch 3.1 does; ``tests/lab`` plays the same messages to
both. It shares no code with the product. :class:`Capabilities` say what it lacks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from struct import Struct
from typing import Optional

from simulation.clock import Clock
from simulation.datapath import (
    OFPP_ANY,
    Action,
    Capabilities,
    Datapath,
    Instructions,
    Meter,
    PacketIn,
    read_actions,
    read_instructions,
)
from simulation.flow_table import (
    OFPFF_CHECK_OVERLAP,
    OFPFF_SEND_FLOW_REM,
    Flow,
    FlowTable,
    MalformedError,
    Match,
    read_match,
)

(HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, EXPERIMENTER, FEATURES_REQUEST, FEATURES_REPLY) = range(7)
GET_CONFIG_REQUEST, GET_CONFIG_REPLY, SET_CONFIG, PACKET_IN, FLOW_REMOVED, PORT_STATUS, PACKET_OUT = range(7, 14)
FLOW_MOD, MULTIPART_REQUEST, MULTIPART_REPLY, BARRIER_REQUEST, BARRIER_REPLY = 14, 18, 19, 20, 21
ROLE_REQUEST, ROLE_REPLY, METER_MOD = 24, 25, 29
ROLE_NOCHANGE, ROLE_EQUAL, ROLE_MASTER, ROLE_SLAVE = range(4)
ONF = 0x4F4E4600

_HEADER = Struct("!BBHI")
_FLOW_MOD = Struct("!8xQQBBHHHIIIH2x")
_PACKET_OUT = Struct("!8xIIH6x")
_PACKET_IN = Struct("!IHBBQHHII4x2x")
_FLOW_REMOVED = Struct("!QHBBIIHHQQ")
_METER_MOD = Struct("!8xHHI")
_BUNDLE = Struct("!8xIIIHH")
_ROLE = Struct("!8xI4xQ")
_FEATURES = Struct("!QIBB2xII")
_FLOW_STATS = Struct("!HBxIIHHHH4xQQQ")
_TABLE_STATS = Struct("!B3xIQQ")
_METER_STATS = Struct("!IH10xQ16xQ8x")
_PORT = Struct("!I4x6s2x16sIIIIIIII")
#: Bytes of multipart replies that one message may have.
_PART = 60_000
#: Lists of actions and of instructions that are remembered.
_MAX_KNOWN_ACTIONS = 4096
#: The same of a switch that takes its time.
_SLOW_PART = 2_000


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
        self.datapath = Datapath(ports, transmit, self._punt, self.capabilities)
        self.connections: list[SwitchConnection] = []
        self.generation: Optional[int] = None
        #: Cookies of the rules that the switch itself has removed, because their time was over.
        self.expired: set[int] = set()

    def connect(self, send: Callable[[bytes], None]) -> SwitchConnection:
        """Open a connection to a controller, which gets the bytes given to ``send``."""
        connection = SwitchConnection(self, send)
        self.connections.append(connection)
        return connection

    def receive(self, port: int, frame: bytes) -> None:
        """A frame came in at a port."""
        self.datapath.receive(port, frame, self.clock.now)

    def restart(self) -> None:
        """Lose power: every connection and everything that was learned or installed is gone."""
        self.connections.clear()
        self.generation = None
        self.datapath.clear()

    def expire(self) -> None:
        """Remove the rules whose time is over."""
        now = self.clock.now
        for number, table in enumerate(self.datapath.tables):
            for flow, is_idle in table.expired(now):
                self.expired.add(flow.cookie)
                self.remove(number, flow, 0 if is_idle else 1)

    def remove(self, number: int, flow: Flow, reason: int) -> None:
        """Take a rule out of a table, and say so where the rule asks for that."""
        self.datapath.tables[number].remove(flow)
        if flow.flags & OFPFF_SEND_FLOW_REM:
            seconds = int(self.clock.now - flow.installed)
            head = (flow.cookie, flow.priority, reason, number, seconds, 0, flow.idle_timeout, flow.hard_timeout)
            self._tell(FLOW_REMOVED, _FLOW_REMOVED.pack(*head, flow.packets, flow.octets) + _packed(flow.match))

    def set_port(self, port: int, up: bool) -> None:
        """A port's link came up or went down."""
        (self.datapath.down.discard if up else self.datapath.down.add)(port)
        self._tell(PORT_STATUS, b"\x02" + bytes(7) + self.port_description(port), slaves=True)

    def port_description(self, port: int) -> bytes:
        """A port as OFPMP_PORT_DESC and port status messages have it."""
        state = 1 if port in self.datapath.down else 4
        name = self.datapath.ports[port].encode()
        return _PORT.pack(port, port.to_bytes(6, "big"), name, 0, state, 0, 0, 0, 0, 0, 0)

    def _punt(self, packet_in: PacketIn) -> None:
        frame = packet_in.frame
        head = (0xFFFFFFFF, len(frame) & 0xFFFF, packet_in.reason, packet_in.table, packet_in.cookie)
        self._tell(PACKET_IN, _PACKET_IN.pack(*head, 1, 12, 0x80000004, packet_in.in_port) + frame)

    def _tell(self, kind: int, body: bytes, slaves: bool = False) -> None:
        for connection in self.connections:
            if slaves or connection.role != ROLE_SLAVE:
                connection.send(kind, body)


class SwitchConnection:
    """The switch's end of one OpenFlow connection."""

    def __init__(self, switch: SimulatedSwitch, send: Callable[[bytes], None]) -> None:
        self.role = ROLE_EQUAL
        self._switch = switch
        self._datapath = switch.datapath
        self._send = send
        self._pending = b""
        self._bundles: dict[int, list[bytes]] = {}
        self._known_instructions: dict[tuple[bytes, str, bool, bool], Instructions] = {}
        self._known_actions: dict[tuple[bytes, str, bool, bool], tuple[Action, ...]] = {}
        self._handlers: dict[int, Callable[[bytes, int], None]] = {
            ECHO_REQUEST: lambda message, xid: self.send(ECHO_REPLY, message[8:], xid),
            FEATURES_REQUEST: self._features,
            GET_CONFIG_REQUEST: lambda _, xid: self.send(GET_CONFIG_REPLY, b"\0\0\xff\xff", xid),
            EXPERIMENTER: self._experimenter,
            PACKET_OUT: self._packet_out,
            FLOW_MOD: lambda message, _: self._flow_mod(message),
            MULTIPART_REQUEST: self._multipart,
            BARRIER_REQUEST: lambda _, xid: self.send(BARRIER_REPLY, b"", xid),
            ROLE_REQUEST: self._role,
            METER_MOD: lambda message, _: self._meter_mod(message),
        }

    def close(self) -> None:
        """The connection has ended."""
        if self in self._switch.connections:
            self._switch.connections.remove(self)

    def receive(self, data: bytes) -> None:
        """Bytes came from the controller, in pieces of any size."""
        data = self._pending + data
        offset = 0
        while len(data) - offset >= 8:
            length = int.from_bytes(data[offset + 2 : offset + 4], "big")
            if length < 8 or len(data) - offset < length:
                break
            self._handle(data[offset : offset + length])
            offset += length
        self._pending = data[offset:]

    def send(self, kind: int, body: bytes, xid: int = 0) -> None:
        """Send one message."""
        self._send(_HEADER.pack(4, kind, 8 + len(body) & 0xFFFF, xid) + body)

    def _handle(self, message: bytes) -> None:
        _, kind, _, xid = _HEADER.unpack_from(message)
        handler = self._handlers.get(kind)
        if handler is None:
            if kind not in (HELLO, ERROR, ECHO_REPLY, SET_CONFIG):
                self._refuse(message, (1, 1))  # OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE
            return
        if self.role == ROLE_SLAVE and kind in (PACKET_OUT, FLOW_MOD, METER_MOD, EXPERIMENTER):
            self._refuse(message, (1, 10))  # OFPBRC_IS_SLAVE
            return
        try:
            handler(message, xid)
        except MalformedError as error:
            self._refuse(message, error.code)
        except (struct.error, IndexError):
            self._refuse(message, (1, 6))  # OFPBRC_BAD_LEN

    def _refuse(self, message: bytes, code: tuple[int, int]) -> None:
        xid = int.from_bytes(message[4:8], "big")
        self.send(ERROR, code[0].to_bytes(2, "big") + code[1].to_bytes(2, "big") + message[:64], xid)

    def _features(self, _: bytes, xid: int) -> None:
        capabilities = 0x4F
        tables = min(self._switch.capabilities.tables, 255)
        self.send(FEATURES_REPLY, _FEATURES.pack(self._switch.datapath_id, 0, tables, 0, capabilities, 0), xid)

    def _packet_out(self, message: bytes, _: int) -> None:
        buffer, in_port, length = _PACKET_OUT.unpack_from(message)
        end = 24 + length
        if buffer != 0xFFFFFFFF:
            raise MalformedError(1, 8)  # OFPBRC_BUFFER_UNKNOWN
        if end > len(message):
            raise MalformedError(2, 1)
        actions = self._actions(message[24:end])
        self._datapath.execute(actions, message[end:], in_port, self._switch.clock.now)

    def _actions(self, data: bytes) -> tuple[Action, ...]:
        """The actions in these bytes, which most packet-outs have in common."""
        capabilities = self._switch.capabilities
        key = data, capabilities.normal, capabilities.output_to_table, capabilities.flood
        actions = self._known_actions.get(key)
        if actions is None:
            actions = read_actions(data, 0, len(data), capabilities)
            if len(self._known_actions) >= _MAX_KNOWN_ACTIONS:
                self._known_actions.clear()
            self._known_actions[key] = actions
        return actions

    def _instructions(self, data: bytes) -> Instructions:
        """The instructions in these bytes, which the rules of many sessions have in common."""
        capabilities = self._switch.capabilities
        key = data, capabilities.normal, capabilities.output_to_table, capabilities.flood
        found = self._known_instructions.get(key)
        if found is None:
            found = read_instructions(data, 0, len(data), capabilities)
            if len(self._known_instructions) >= _MAX_KNOWN_ACTIONS:
                self._known_instructions.clear()
            self._known_instructions[key] = found
        return found

    # Flow-mods

    def _flow_mod(self, message: bytes) -> None:
        cookie, mask, table, command, idle, hard, priority, _, out_port, _, flags = _FLOW_MOD.unpack_from(message)
        match, offset = read_match(message, 48)
        if command in (0, 1, 2):
            if table >= len(self._datapath.tables):
                raise MalformedError(5, 2)  # OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_TABLE_ID
            instructions = self._instructions(message[offset:])
            if instructions.goto is not None and instructions.goto <= table:
                raise MalformedError(3, 2)
            if instructions.meter is not None and instructions.meter not in self._datapath.meters:
                raise MalformedError(12, 2)  # OFPET_METER_MOD_FAILED, OFPMMFC_INVALID_METER
            found, now = instructions, self._switch.clock.now
            rule = (found.raw, found.goto, found.meter, found.actions)
            flow = Flow(priority, match, cookie, idle, hard, flags, *rule, now, now)
            if command == 0:
                self._add(self._datapath.tables[table], flow)
            else:
                self._modify(table, flow, command == 2, (cookie, mask))
        elif command in (3, 4):
            self._delete(table, match, priority if command == 4 else None, (cookie, mask), out_port)
        else:
            raise MalformedError(5, 6)  # OFPFMFC_BAD_COMMAND

    def _add(self, table: FlowTable, flow: Flow) -> None:
        before = table.get(flow.priority, flow.match)
        if before is None and flow.flags & OFPFF_CHECK_OVERLAP and _overlaps(table, flow):
            raise MalformedError(5, 3)  # OFPFMFC_OVERLAP
        if before is None and table.is_full:
            raise MalformedError(5, 1)  # OFPFMFC_TABLE_FULL
        if before is not None:  # counters stay unless OFPFF_RESET_COUNTS says otherwise (section 6.4)
            flow.packets, flow.octets = before.packets, before.octets
        table.put(flow)

    def _modify(self, number: int, flow: Flow, strict: bool, cookie: tuple[int, int]) -> None:
        table = self._datapath.tables[number]
        if strict:
            found = [each for each in [table.get(flow.priority, flow.match)] if each is not None]
            found = [each for each in found if each.cookie & cookie[1] == cookie[0] & cookie[1]]
        else:
            found = table.select(flow.match, *cookie)
        for each in found:
            each.instructions, each.goto, each.meter, each.actions = (
                flow.instructions,
                flow.goto,
                flow.meter,
                flow.actions,
            )

    def _delete(
        self, number: int, match: Match, priority: Optional[int], cookie: tuple[int, int], out_port: int
    ) -> None:
        numbers = range(len(self._datapath.tables)) if number == 0xFF else [number]
        for each in numbers:
            table = self._datapath.tables[each]
            if not len(table):
                continue
            if priority is None:
                flows = table.select(match, *cookie)
            else:
                exact = table.get(priority, match)
                flows = [exact] if exact and exact.cookie & cookie[1] == cookie[0] & cookie[1] else []
            for flow in flows:
                if out_port == OFPP_ANY or (0, out_port) in flow.actions:
                    self._switch.remove(each, flow, 2)

    # Bundles (ONF EXT-230)

    def _experimenter(self, message: bytes, xid: int) -> None:
        experimenter, kind, bundle, value, _ = _BUNDLE.unpack_from(message)
        if experimenter != ONF or kind not in (2300, 2301) or not self._switch.capabilities.bundles:
            raise MalformedError(1, 3)  # OFPBRC_BAD_EXPERIMENTER
        if kind == 2301:
            self._bundles.setdefault(bundle, []).append(message[24:])
        elif value == 0:
            self._bundles[bundle] = []
            self._bundle_reply(bundle, 1, xid)
        elif value == 4:
            self._commit(self._bundles.pop(bundle, []), bundle, xid)
        elif value == 6:
            self._bundles.pop(bundle, None)
            self._bundle_reply(bundle, 7, xid)

    def _bundle_reply(self, bundle: int, value: int, xid: int) -> None:
        body = ONF.to_bytes(4, "big") + (2300).to_bytes(4, "big") + bundle.to_bytes(4, "big")
        self.send(EXPERIMENTER, body + value.to_bytes(2, "big") + b"\0\x03", xid)

    def _commit(self, messages: list[bytes], bundle: int, xid: int) -> None:
        """All or nothing: the tables are put back as they were when one message is refused."""
        before = {number: list(table) for number, table in enumerate(self._datapath.tables) if self._at_risk(table)}
        done: list[bytes] = []
        for message in messages:
            try:
                self._flow_mod(message)
                done.append(message)
            except MalformedError as error:
                self._roll_back(before)
                self._refuse(message, error.code)
                failed = (0xFFFF).to_bytes(2, "big") + (2313).to_bytes(2, "big") + ONF.to_bytes(4, "big")
                self.send(ERROR, failed + message[:64], xid)
                return
        self._bundle_reply(bundle, 5, xid)

    def _at_risk(self, table: FlowTable) -> bool:
        """Whether a commit can fail half-way: a table near its limit. (Else only a malformed message fails.)"""
        return len(table) + 5000 > table.limit

    def _roll_back(self, before: dict[int, list[Flow]]) -> None:
        for number, flows in before.items():
            table = self._datapath.tables[number] = FlowTable(self._switch.capabilities.max_flows)
            for flow in flows:
                table.put(flow)

    # Meters, roles, statistics

    def _meter_mod(self, message: bytes) -> None:
        command, flags, number = _METER_MOD.unpack_from(message)
        meters = self._datapath.meters
        if not self._switch.capabilities.meters:
            raise MalformedError(1, 1)
        if command == 2:
            for each in list(meters) if number == 0xFFFFFFFF else [number]:
                meters.pop(each, None)
                for index, table in enumerate(self._datapath.tables):
                    for flow in [flow for flow in table if flow.meter == each]:
                        self._switch.remove(index, flow, 2)
            return
        if (number in meters) != (command == 1):
            raise MalformedError(12, 1 if command == 0 else 3)  # METER_EXISTS, UNKNOWN_METER
        rate = int.from_bytes(message[20:24], "big")
        burst = int.from_bytes(message[24:28], "big") if flags & 4 else rate
        meters[number] = Meter(rate, max(burst, 1), max(burst, 1), self._switch.clock.now)

    def _role(self, message: bytes, xid: int) -> None:
        if not self._switch.capabilities.roles:
            raise MalformedError(1, 1)
        role, generation = _ROLE.unpack_from(message)
        if role in (ROLE_MASTER, ROLE_SLAVE):
            known = self._switch.generation
            if known is not None and (generation - known) & 0xFFFFFFFFFFFFFFFF >= 1 << 63:
                raise MalformedError(11, 0)  # OFPET_ROLE_REQUEST_FAILED, OFPRRFC_STALE
            self._switch.generation = generation
        if role == ROLE_MASTER:
            for other in self._switch.connections:
                if other is not self and other.role == ROLE_MASTER:
                    other.role = ROLE_SLAVE
                    body = ONF.to_bytes(4, "big") + (1911).to_bytes(4, "big") + ROLE_SLAVE.to_bytes(4, "big")
                    other.send(EXPERIMENTER, body + bytes(4) + generation.to_bytes(8, "big"))
        if role != ROLE_NOCHANGE:
            self.role = role
        current = self._switch.generation if self._switch.generation is not None else 0xFFFFFFFFFFFFFFFF
        self.send(ROLE_REPLY, self.role.to_bytes(4, "big") + bytes(4) + current.to_bytes(8, "big"), xid)

    def _multipart(self, message: bytes, xid: int) -> None:
        kind = int.from_bytes(message[8:10], "big")
        if kind == 0:
            description = [b"simulation", b"table pipeline", b"1", b"0", b"a switch without wires"]
            sizes = [256, 256, 256, 32, 256]
            rows = [b"".join(text.ljust(size, b"\0") for text, size in zip(description, sizes))]
        elif kind == 1:
            rows = self._flow_stats(message)
        elif kind == 3:
            tables = enumerate(self._datapath.tables)
            rows = [_TABLE_STATS.pack(number, len(table), 0, 0) for number, table in tables]
        elif kind == 9 and self._switch.capabilities.meters:
            rows = self._meter_stats(int.from_bytes(message[16:20], "big"))
        elif kind == 10 and self._switch.capabilities.meters:
            rows = self._meter_configs(int.from_bytes(message[16:20], "big"))
        elif kind == 11:
            rows = [(self._switch.capabilities.meters * 4096).to_bytes(4, "big") + b"\0\0\0\2" + b"\0\0\0\4\1\1\0\0"]
        elif kind == 13:
            rows = [self._switch.port_description(port) for port in self._datapath.ports]
        else:
            raise MalformedError(1, 2)  # OFPBRC_BAD_MULTIPART
        self._send_rows(kind, rows, xid)

    def _send_rows(self, kind: int, rows: list[bytes], xid: int) -> None:
        """A multipart reply in as many messages as it takes; flows may take their time."""
        delay = self._switch.capabilities.stats_delay if kind == 1 else 0.0
        limit = _SLOW_PART if delay else _PART
        parts: list[list[bytes]] = [[]]
        size = 0
        for row in rows:
            if parts[-1] and size + len(row) > limit:
                parts.append([])
                size = 0
            parts[-1].append(row)
            size += len(row)
        for number, part in enumerate(parts, 1):
            more = int(number < len(parts))
            body = kind.to_bytes(2, "big") + more.to_bytes(2, "big") + bytes(4) + b"".join(part)
            if delay:
                self._switch.clock.after(delay * number, self.send, MULTIPART_REPLY, body, xid)
            else:
                self.send(MULTIPART_REPLY, body, xid)

    def _flow_stats(self, message: bytes) -> list[bytes]:
        wanted, cookie, mask = message[16], int.from_bytes(message[32:40], "big"), int.from_bytes(message[40:48], "big")
        out_port = int.from_bytes(message[20:24], "big")
        match, _ = read_match(message, 48)
        rows = []
        for number, table in enumerate(self._datapath.tables):
            if wanted in (number, 0xFF) and len(table):
                for flow in table.select(match, cookie, mask):
                    if out_port == OFPP_ANY or (0, out_port) in flow.actions:
                        rows.append(self._flow_row(number, flow))
        return rows

    def _flow_row(self, number: int, flow: Flow) -> bytes:
        body = _packed(flow.match) + flow.instructions
        age = self._switch.clock.now - flow.installed
        return (
            _FLOW_STATS.pack(
                *(_FLOW_STATS.size + len(body), number, int(age), int(age % 1 * 1e9), flow.priority),
                *(flow.idle_timeout, flow.hard_timeout, flow.flags, flow.cookie, flow.packets, flow.octets),
            )
            + body
        )

    def _meter_configs(self, number: int) -> list[bytes]:
        meters = self._datapath.meters
        if number != 0xFFFFFFFF and number not in meters:
            raise MalformedError(12, 3)
        rows = []
        for each in sorted(meters) if number == 0xFFFFFFFF else [number]:
            band = (
                b"\0\1\0\x10" + meters[each].rate.to_bytes(4, "big") + meters[each].burst.to_bytes(4, "big") + bytes(4)
            )
            rows.append(b"\0\x18\0\x0e" + each.to_bytes(4, "big") + band)
        return rows

    def _meter_stats(self, number: int) -> list[bytes]:
        meters = self._datapath.meters
        if number != 0xFFFFFFFF and number not in meters:
            raise MalformedError(12, 3)
        rows = []
        for each in sorted(meters) if number == 0xFFFFFFFF else [number]:
            meter = meters[each]
            head = each.to_bytes(4, "big") + (56).to_bytes(2, "big") + bytes(10)
            rows.append(
                head + meter.passed.to_bytes(8, "big") + bytes(16) + meter.dropped.to_bytes(8, "big") + bytes(8)
            )
        return rows


def _packed(match: Match) -> bytes:
    length = 4 + len(match.oxms)
    return (b"\0\1" + length.to_bytes(2, "big") + match.oxms).ljust(length + 7 & ~7, b"\0")


def _overlaps(table: FlowTable, flow: Flow) -> bool:
    """Whether one packet could match the rule and another of its priority (section 6.4)."""
    for other in table:
        if other.priority != flow.priority:
            continue
        bits = {number: (value, mask) for number, value, mask in other.match.fields}
        if all(
            number not in bits or _compatible((value, mask), bits[number]) for number, value, mask in flow.match.fields
        ):
            return True
    return False


def _compatible(one: tuple[int, Optional[int]], other: tuple[int, Optional[int]]) -> bool:
    mask = (~0 if one[1] is None else one[1]) & (~0 if other[1] is None else other[1])
    return one[0] & mask == other[0] & mask
