"""The replies of the simulated switch to multipart requests: description, ports, flows, tables, meters."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING

from simulation.actions import OFPP_ANY
from simulation.flow_table import Flow, MalformedError, read_match, with_masks
from simulation.openflow import packed

if TYPE_CHECKING:
    from simulation.switch import SimulatedSwitch

_FLOW_STATS = Struct("!HBxIIHHHH4xQQQ")
_AGGREGATE = Struct("!QQI4x")
_TABLE_FEATURES = Struct("!HB5x32sQQII")
_GROUP_FEATURES = Struct("!10I")
#: Types, capabilities, limits and actions of groups.
_ALL_GROUPS = (0xF, 0xF, *(0xFFFFFF00,) * 4, *(0x1,) * 4)
#: A counter that the switch does not have.
_UNKNOWN = 0xFFFFFFFFFFFFFFFF
_TABLE_STATS = Struct("!B3xIQQ")
_PORT_STATS = Struct("!I4xQQ88x")
_EMPTY_TABLES = [_TABLE_STATS.pack(number, 0, 0, 0) for number in range(255)]


class Statistics:
    """Reads what one switch holds."""

    def __init__(self, switch: SimulatedSwitch) -> None:
        self._switch = switch
        self._datapath = switch.datapath

    def rows(self, kind: int, message: bytes) -> list[bytes]:
        """The rows of the reply to a request. Raises MalformedError when it is to be rejected."""
        if kind == 0:
            description = [
                self._switch.capabilities.make.encode(),
                b"table pipeline",
                b"1",
                b"0",
                b"a switch without wires",
            ]
            sizes = [256, 256, 256, 32, 256]
            rows = [b"".join(text.ljust(size, b"\0") for text, size in zip(description, sizes))]
        elif kind in (1, 2) and self._switch.capabilities.flow_statistics:
            rows = self._flow_stats(message) if kind == 1 else [self._aggregate(message)]
        elif kind == 3:
            rows = _EMPTY_TABLES[: len(self._datapath.tables)]
            for number, table in self._datapath.used.items():
                rows[number] = _TABLE_STATS.pack(number, len(table), 0, 0)
        elif kind == 9 and self._switch.capabilities.meters:
            rows = self._meter_stats(int.from_bytes(message[16:20], "big"))
        elif kind == 10 and self._switch.capabilities.meters:
            rows = self._meter_configs(int.from_bytes(message[16:20], "big"))
        elif kind == 4 and self._switch.capabilities.port_statistics:
            rows = [_PORT_STATS.pack(port, 0, self._datapath.sent.get(port, 0)) for port in self._datapath.ports]
        elif kind == 11 and self._switch.capabilities.reports_features:
            rows = [(self._switch.capabilities.meters * 4096).to_bytes(4, "big") + b"\0\0\0\2" + b"\0\0\0\4\1\1\0\0"]
        elif kind == 8 and self._switch.capabilities.reports_features:
            rows = [_GROUP_FEATURES.pack(*_ALL_GROUPS)]
        elif kind == 12 and self._switch.capabilities.reports_features:
            rows = [
                _TABLE_FEATURES.pack(64, number, f"table{number}".encode(), 0, 0, 0, table.limit)
                for number, table in enumerate(self._datapath.tables)
            ]
        elif kind == 13:
            rows = [self._switch.port_description(port) for port in self._datapath.ports]
        else:
            raise MalformedError(1, 2)  # OFPBRC_BAD_MULTIPART
        return rows

    def _flow_stats(self, message: bytes) -> list[bytes]:
        return [self._flow_row(number, flow) for number, flow in self._selected(message)]

    def _aggregate(self, message: bytes) -> bytes:
        flows = [flow for _, flow in self._selected(message)]
        return _AGGREGATE.pack(sum(flow.packets for flow in flows), sum(flow.octets for flow in flows), len(flows))

    def _selected(self, message: bytes) -> Iterator[tuple[int, Flow]]:
        """The rules that a request asks for, and their tables."""
        wanted, cookie, mask = message[16], int.from_bytes(message[32:40], "big"), int.from_bytes(message[40:48], "big")
        out_port = int.from_bytes(message[20:24], "big")
        if wanted == 0xFF and not self._switch.capabilities.reports_all:
            raise MalformedError(1, 9)  # OFPBRC_BAD_TABLE_ID
        if not self._switch.capabilities.flow_statistics_by_cookie:
            mask = 0
        match, _ = read_match(message, 48)
        for number, table in self._datapath.tables_with_rules():
            if wanted in (number, 0xFF):
                for flow in table.select(match, cookie, mask, self._switch.capabilities.masks_cover):
                    if out_port == OFPP_ANY or (0, out_port) in flow.actions:
                        yield number, flow

    def _flow_row(self, number: int, flow: Flow) -> bytes:
        match = with_masks(flow.match) if self._switch.capabilities.reports_masks else flow.match
        body = packed(match) + flow.instructions
        age = self._switch.clock.now - flow.installed
        return (
            _FLOW_STATS.pack(
                *(_FLOW_STATS.size + len(body), number, int(age), int(age % 1 * 1e9), flow.priority),
                *(flow.idle_timeout, flow.hard_timeout, flow.flags, flow.cookie),
                *((flow.packets, flow.octets) if self._switch.capabilities.counts else (_UNKNOWN, _UNKNOWN)),
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
