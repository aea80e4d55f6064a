"""The switch's end of one OpenFlow connection: OpenFlow 1.3 messages in, OpenFlow 1.3 messages out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Optional

from simulation.actions import OFPP_CONTROLLER, Action, read_actions
from simulation.flow_mods import RejectedBundleError
from simulation.flow_monitor import FLOW_MONITOR, MONITOR_CANCEL
from simulation.flow_table import MalformedError
from simulation.openflow import (
    BARRIER_REPLY,
    BARRIER_REQUEST,
    ECHO_REPLY,
    ECHO_REQUEST,
    ERROR,
    EXPERIMENTER,
    FEATURES_REPLY,
    FEATURES_REQUEST,
    FLOW_MOD,
    FLOW_REMOVED,
    GET_ASYNC_REPLY,
    GET_ASYNC_REQUEST,
    GET_CONFIG_REPLY,
    GET_CONFIG_REQUEST,
    HEADER,
    HELLO,
    METER_MOD,
    MULTIPART_REPLY,
    MULTIPART_REQUEST,
    ONF,
    PACKET_IN,
    PACKET_OUT,
    PORT_STATUS,
    ROLE_EQUAL,
    ROLE_MASTER,
    ROLE_NOCHANGE,
    ROLE_REPLY,
    ROLE_REQUEST,
    ROLE_SLAVE,
    SET_ASYNC,
    SET_CONFIG,
)

if TYPE_CHECKING:
    from simulation.switch import SimulatedSwitch

_PACKET_OUT = Struct("!8xIIH6x")
_EXPERIMENTER = Struct("!8xII")
_BUNDLE = Struct("!8xIIIHH")
_BUNDLE_ADD = Struct("!BBHIIII2xH")
#: The messages of bundles (ONF EXT-230): control, and add.
BUNDLE_MESSAGES = (2300, 2301)
#: The messages that change something, which a SLAVE must not send.
CHANGES = (PACKET_OUT, FLOW_MOD, METER_MOD)
_ROLE = Struct("!8xI4xQ")
_ASYNC = Struct("!6I")
_FEATURES = Struct("!QIBB2xII")
#: Bytes of multipart replies that one message may have.
_PART = 60_000
#: The same of a switch that takes its time.
_SLOW_PART = 2_000
#: Seconds that a relay takes to reach the switch again.
_INTERRUPTION = 1.0
#: Lists of actions that are remembered.
_MAX_KNOWN_ACTIONS = 4096


class SwitchConnection:
    """The switch's end of one OpenFlow connection."""

    def __init__(self, switch: SimulatedSwitch, send: Callable[[bytes], None], unsent: Callable[[], int]) -> None:
        #: The name of the controller, and the generation with which it is MASTER; for those who look on.
        self.controller = ""
        self.generation: Optional[int] = None
        #: The reasons for which unsolicited messages are sent: to a MASTER or EQUAL, and to a SLAVE.
        self.async_masks: dict[int, list[int]] = {}
        self._is_interrupted = False
        self._restore_defaults()
        self._watcher = switch.monitors.watcher(self, unsent)
        self._switch = switch
        self._datapath = switch.datapath
        self._send = send
        self._pending = b""
        self._parts = 0
        self._bundles: dict[int, list[bytes]] = {}
        self._known_actions: dict[tuple[bytes, str, bool, bool], tuple[Action, ...]] = {}
        self._handlers: dict[int, Callable[[bytes, int], None]] = {
            ECHO_REQUEST: self._echo,
            FEATURES_REQUEST: self._features,
            GET_CONFIG_REQUEST: lambda _, xid: self.send(GET_CONFIG_REPLY, b"\0\0\xff\xff", xid),
            SET_CONFIG: self._set_config,
            EXPERIMENTER: self._experimenter,
            PACKET_OUT: self._packet_out,
            FLOW_MOD: self._flow_mod,
            MULTIPART_REQUEST: self._multipart,
            BARRIER_REQUEST: self._barrier,
            ROLE_REQUEST: self._role,
            GET_ASYNC_REQUEST: lambda _, xid: self.send(GET_ASYNC_REPLY, self._async_masks(), xid),
            SET_ASYNC: self._set_async,
            METER_MOD: lambda message, _: switch.flow_mods.execute_meter_mod(message),
        }

    @property
    def is_open(self) -> bool:
        """Whether the connection has not ended."""
        return self in self._switch.connections

    def close(self) -> None:
        """The connection has ended."""
        self._watcher.close()
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
            self._switch.work.add(self, data[offset : offset + length])
            offset += length
        self._pending = data[offset:]

    @property
    def waiting(self) -> int:
        """Messages that the switch has received and not carried out."""
        return len(self._switch.work)

    def execute(self, message: bytes) -> None:
        """Carry out one message."""
        if self._is_interrupted:
            return
        self._handle(message)
        self._switch.monitors.flush()

    def flow_mods_of(self, message: bytes) -> int:
        """How many flow-mods are carried out with a message: more than one when it commits a bundle."""
        if message[1] == EXPERIMENTER and len(message) >= _BUNDLE.size:
            _, kind, bundle, value, _ = _BUNDLE.unpack_from(message)
            if (kind, value) == (2300, 4):
                return len(self._bundles.get(bundle, ()))
        return int(message[1] == FLOW_MOD)

    def send(self, kind: int, body: bytes, xid: int = 0) -> None:
        """Send one message."""
        if self._is_interrupted:
            return
        length = 8 + len(body)
        message = HEADER.pack(4, kind, length & 0xFFFF, xid) + body
        if length > 0xFFFF and self._switch.capabilities.relayed:
            message = message[: length & 0xFFFF]
            self.interrupt()
        self._send(message)

    def interrupt(self) -> None:
        """The relay begins the connection to the switch anew, and loses what comes meanwhile; this one stays."""
        self._is_interrupted = True
        self._restore_defaults()
        self._switch.clock.after(_INTERRUPTION, setattr, self, "_is_interrupted", False)

    def _restore_defaults(self) -> None:
        self.role, self.generation = ROLE_EQUAL, None
        self.async_masks = {PACKET_IN: [0x3, 0], PORT_STATUS: [0x7, 0x7], FLOW_REMOVED: [0xF, 0]}

    def wants(self, kind: int, reason: int) -> bool:
        """Whether a packet-in, a port status or a removed rule is reported over this connection (section 6.3.6)."""
        return bool(self.async_masks[kind][self.role == ROLE_SLAVE] >> reason & 1)

    def _handle(self, message: bytes) -> None:
        _, kind, _, xid = HEADER.unpack_from(message)
        if kind in self._switch.capabilities.silent:
            return
        handler = None if kind in self._switch.capabilities.rejected else self._handlers.get(kind)
        if handler is None:
            if kind not in (HELLO, ERROR, ECHO_REPLY):
                self._refuse(message, (1, 1))  # OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE
            return
        is_bundle = kind == EXPERIMENTER and int.from_bytes(message[12:16], "big") in BUNDLE_MESSAGES
        if self.role == ROLE_SLAVE and (is_bundle or kind in CHANGES):
            self._refuse(message, (1, 10))  # OFPBRC_IS_SLAVE
            return
        if kind in CHANGES or is_bundle:
            self._switch.changed(self)
        try:
            handler(message, xid)
        except MalformedError as error:
            lag = self._switch.capabilities.rejection_lag if kind == FLOW_MOD else 0.0
            if lag:
                self._switch.clock.after(lag, self._refuse, message, error.code)
            else:
                self._refuse(message, error.code)
        except (struct.error, IndexError):
            self._refuse(message, (1, 6))  # OFPBRC_BAD_LEN

    def _refuse(self, message: bytes, code: tuple[int, int]) -> None:
        if not self.is_open:
            return
        xid = int.from_bytes(message[4:8], "big")
        repeated = message[: self._switch.capabilities.error_data]
        self.send(ERROR, code[0].to_bytes(2, "big") + code[1].to_bytes(2, "big") + repeated, xid)

    def _echo(self, message: bytes, xid: int) -> None:
        if self._switch.capabilities.answers_echo:
            self.send(ECHO_REPLY, message[8:], xid)

    def _set_config(self, message: bytes, _: int) -> None:
        self._datapath.miss_send_len = int.from_bytes(message[10:12], "big")

    def _barrier(self, _: bytes, xid: int) -> None:
        if self._switch.capabilities.rejects_barriers:
            raise MalformedError(1, 1)
        if self._switch.capabilities.answers_barriers:
            self.send(BARRIER_REPLY, b"", xid)

    def _flow_mod(self, message: bytes, _: int) -> None:
        self._switch.flow_mods.execute(message, self)

    def _features(self, _: bytes, xid: int) -> None:
        capabilities = 0x4F
        tables = self._switch.capabilities.reported_tables or min(self._switch.capabilities.tables, 255)
        self.send(FEATURES_REPLY, _FEATURES.pack(self._switch.datapath_id, 0, tables, 0, capabilities, 0), xid)

    def _packet_out(self, message: bytes, _: int) -> None:
        buffer, in_port, length = _PACKET_OUT.unpack_from(message)
        end = 24 + length
        if in_port == OFPP_CONTROLLER and not self._switch.capabilities.accepts_in_port_controller:
            raise MalformedError(1, 11)  # OFPBRC_BAD_PORT
        if buffer != 0xFFFFFFFF:
            raise MalformedError(1, 8)  # OFPBRC_BUFFER_UNKNOWN
        if end > len(message):
            raise MalformedError(2, 1)
        actions = self._actions(message[24:end])
        self._datapath.check_ports(actions)
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

    def _experimenter(self, message: bytes, xid: int) -> None:
        experimenter, kind = _EXPERIMENTER.unpack_from(message)
        if (experimenter, kind) == (ONF, MONITOR_CANCEL) and self._switch.capabilities.flow_monitor:
            self._watcher.cancel(int.from_bytes(message[16:20], "big"))
            return
        if experimenter != ONF or kind not in BUNDLE_MESSAGES or not self._switch.capabilities.bundles:
            raise MalformedError(1, 3)  # OFPBRC_BAD_EXPERIMENTER
        _, kind, bundle, value, _ = _BUNDLE.unpack_from(message)
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
        try:
            self._switch.flow_mods.commit(messages, self)
        except RejectedBundleError as error:
            head = _BUNDLE_ADD.pack(4, EXPERIMENTER, 24 + len(error.message), xid, ONF, 2301, bundle, 3)
            self._refuse(head + error.message, error.code)  # as Open vSwitch does
            failed = (0xFFFF).to_bytes(2, "big") + (2313).to_bytes(2, "big") + ONF.to_bytes(4, "big")
            self.send(ERROR, failed + error.message[:64], xid)
        else:
            self._switch.monitors.flush()
            self._bundle_reply(bundle, 5, xid)

    def _role(self, message: bytes, xid: int) -> None:
        if not self._switch.capabilities.roles:
            raise MalformedError(1, 1)
        role, generation = _ROLE.unpack_from(message)
        if role in (ROLE_MASTER, ROLE_SLAVE):
            known = self._switch.generation
            is_checked = self._switch.capabilities.checks_generation
            if self._switch.capabilities.rejects_generations:
                raise MalformedError(11, 0)
            if is_checked and known is not None and (generation - known) & 0xFFFFFFFFFFFFFFFF >= 1 << 63:
                raise MalformedError(11, 0)  # OFPET_ROLE_REQUEST_FAILED, OFPRRFC_STALE
            self._switch.generation = generation
        if role == ROLE_MASTER and self._switch.capabilities.demotes_master:
            for other in self._switch.connections:
                if other is not self and other.role == ROLE_MASTER:
                    other.role = ROLE_SLAVE
                    body = ONF.to_bytes(4, "big") + (1911).to_bytes(4, "big") + ROLE_SLAVE.to_bytes(4, "big")
                    other.send(EXPERIMENTER, body + bytes(4) + generation.to_bytes(8, "big"))
        if role != ROLE_NOCHANGE:
            self.role = role
            self.generation = generation if role == ROLE_MASTER else None
        current = self._switch.generation if self._switch.generation is not None else 0xFFFFFFFFFFFFFFFF
        if self._switch.capabilities.repeats_generation:
            current = generation
        self.send(ROLE_REPLY, self.role.to_bytes(4, "big") + bytes(4) + current.to_bytes(8, "big"), xid)

    def _async_masks(self) -> bytes:
        return _ASYNC.pack(
            *self.async_masks[PACKET_IN], *self.async_masks[PORT_STATUS], *self.async_masks[FLOW_REMOVED]
        )

    def _set_async(self, message: bytes, _: int) -> None:
        masks = _ASYNC.unpack_from(message, 8)
        for number, kind in enumerate((PACKET_IN, PORT_STATUS, FLOW_REMOVED)):
            self.async_masks[kind] = list(masks[2 * number : 2 * number + 2])

    def _multipart(self, message: bytes, xid: int) -> None:
        kind = int.from_bytes(message[8:10], "big")
        if kind == 0xFFFF and self._switch.capabilities.flow_monitor:
            if _EXPERIMENTER.unpack_from(message, 8) != (ONF, FLOW_MONITOR):
                raise MalformedError(1, 3)
            self._watcher.open(message, xid)
            return
        if kind in self._switch.capabilities.silent_multiparts:
            return
        self._send_rows(kind, self._switch.statistics.rows(kind, message), xid)

    def _damaged(self, row: bytes) -> bytes:
        """A row of an answer about flows, or the same with a wrong length where the switch does that."""
        self._parts += 1
        every = self._switch.capabilities.bad_stats
        return b"\0\x07" + row[2:] if every and not self._parts % every else row

    def _send_rows(self, kind: int, rows: list[bytes], xid: int) -> None:
        """A multipart reply in as many messages as it takes; flows may take their time."""
        delay = self._switch.capabilities.stats_delay if kind == 1 else 0.0
        limit = self._switch.capabilities.stats_part or (_SLOW_PART if delay else _PART)
        parts = [rows] if self._switch.capabilities.wraps_statistics else _parts(rows, limit)
        for number, part in enumerate(parts, 1):
            more = int(number < len(parts) or self._switch.capabilities.endless_multiparts)
            if kind == 1 and part:
                part[0] = self._damaged(part[0])
            body = kind.to_bytes(2, "big") + more.to_bytes(2, "big") + bytes(4) + b"".join(part)
            if delay:
                self._switch.clock.after(delay * number, self.send, MULTIPART_REPLY, body, xid)
            else:
                self.send(MULTIPART_REPLY, body, xid)


def _parts(rows: list[bytes], limit: int) -> list[list[bytes]]:
    """The rows in groups of so many bytes; one group if there are none."""
    if sum(map(len, rows)) <= limit:
        return [rows]
    parts: list[list[bytes]] = [[]]
    size = 0
    for row in rows:
        if parts[-1] and size + len(row) > limit:
            parts.append([])
            size = 0
        parts[-1].append(row)
        size += len(row)
    return parts
