"""Where the lengths are in OpenFlow 1.3 messages, and samples of every message that has one inside of it.

A length field is where a parser goes wrong: it is 0, odd, longer than what is around it, or shorter than what it must
hold. :func:`nested_lengths` finds each: of the message, its rows, matches, match fields, instructions, actions,
buckets, bands, properties, and of messages within messages.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fake_switch import error, message, packet_in
from statistics_replies import FlowRow, flow_monitor_reply, flow_stats_reply, meter_stats_reply, table_stats_reply

from ryu_haslb.engine import ofproto_v1_3 as ofp
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.wire.flow_mod import ONF_EXPERIMENTER_ID
from ryu_haslb.openflow.wire.wire import HEADER
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS

_MULTIPART = 16
_SET_FIELD = 25


class Length(NamedTuple):
    """A length field: its first byte, and its size in bytes."""

    offset: int
    size: int

    def read(self, data: bytes) -> int:
        return int.from_bytes(data[self.offset : self.offset + self.size], "big")

    def written(self, data: bytes, value: int) -> bytes:
        field = (value & (1 << 8 * self.size) - 1).to_bytes(self.size, "big")
        return data[: self.offset] + field + data[self.offset + self.size :]


Inside = Callable[[bytes, int, int], Iterator[Length]]


def nested_lengths(data: bytes) -> list[Length]:
    """Every length field of an honest message, that of its header first."""
    return list(_message(data, 0, len(data)))


def lies_about(length: int) -> tuple[int, ...]:
    """What a field may say instead of the length that is so."""
    around = (length - 8, length - 1, length + 1, length + 7, length + 8, 2 * length)
    every = (0, 1, 2, 3, 4, 7, 8, 15, 16, *around, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFF8, 0xFFFF)
    return tuple(lie for lie in dict.fromkeys(every) if 0 <= lie <= 0xFFFF and lie != length)


def _nothing(*_: object) -> Iterator[Length]:
    return iter(())


def _rows(data: bytes, start: int, end: int, length_at: int, inside: Inside = _nothing) -> Iterator[Length]:
    """Structures that follow each other, each with its own length in two bytes."""
    while start + length_at + 2 <= end:
        field = Length(start + length_at, 2)
        yield field
        length = field.read(data)
        if length < 4 or start + length > end:
            return
        yield from inside(data, start, start + length)
        start += length


def _match(data: bytes, start: int, end: int) -> Iterator[Length]:
    if start + 4 > end:
        return
    yield Length(start + 2, 2)
    field, end = start + 4, min(end, start + Length(start + 2, 2).read(data))
    while field + 4 <= end:
        yield Length(field + 3, 1)
        field += 4 + data[field + 3]


def _behind_match(data: bytes, start: int) -> int:
    return start + (Length(start + 2, 2).read(data) + 7 & ~7)


def _instructions(data: bytes, start: int, end: int) -> Iterator[Length]:
    return _rows(data, start, end, 2, lambda data, at, end: _actions(data, at + 8, end))


def _actions(data: bytes, start: int, end: int) -> Iterator[Length]:
    return _rows(data, start, end, 2, _set_field)


def _set_field(data: bytes, start: int, end: int) -> Iterator[Length]:
    if int.from_bytes(data[start : start + 2], "big") == _SET_FIELD and start + 8 <= end:
        yield Length(start + 7, 1)


def _flow(data: bytes, start: int, end: int) -> Iterator[Length]:
    yield from _match(data, start + 48, end)
    yield from _instructions(data, _behind_match(data, start + 48), end)


def _group(data: bytes, start: int, end: int) -> Iterator[Length]:
    return _rows(data, start + 8, end, 0, lambda data, at, end: _actions(data, at + 16, end))


def _table(data: bytes, start: int, end: int) -> Iterator[Length]:
    return _rows(data, start + 64, end, 2)


def _meter(data: bytes, start: int, end: int) -> Iterator[Length]:
    return _rows(data, start + 8, end, 2)


def _update(data: bytes, start: int, end: int) -> Iterator[Length]:
    yield Length(start + 12, 2)
    yield from _match(data, start + 24, end)
    yield from _instructions(data, _behind_match(data, start + 24), end)


_PARTS: dict[int, tuple[int, Inside]] = {
    ofp.OFPMP_FLOW: (0, _flow),
    ofp.OFPMP_GROUP: (0, _nothing),
    ofp.OFPMP_GROUP_DESC: (0, _group),
    ofp.OFPMP_METER: (4, _nothing),
    ofp.OFPMP_METER_CONFIG: (0, _meter),
    ofp.OFPMP_TABLE_FEATURES: (0, _table),
}


def _multipart(data: bytes, start: int, end: int) -> Iterator[Length]:
    kind = int.from_bytes(data[start + 8 : start + 10], "big")
    if kind == ofp.OFPMP_EXPERIMENTER:
        yield from _rows(data, start + _MULTIPART + 8, end, 0, _update)
    elif kind in _PARTS:
        yield from _rows(data, start + _MULTIPART, end, *_PARTS[kind])


def _flow_mod(data: bytes, start: int, end: int) -> Iterator[Length]:
    yield from _match(data, start + 48, end)
    yield from _instructions(data, _behind_match(data, start + 48), end)


def _packet_in(data: bytes, start: int, end: int) -> Iterator[Length]:
    yield Length(start + 12, 2)
    yield from _match(data, start + 24, end)


_MESSAGES: dict[int, Inside] = {
    ofp.OFPT_HELLO: lambda data, at, end: _rows(data, at + 8, end, 2),
    ofp.OFPT_ERROR: lambda data, at, end: _message(data, at + 12, end),
    ofp.OFPT_EXPERIMENTER: lambda data, at, end: _message(data, at + 24, end),
    ofp.OFPT_PACKET_IN: _packet_in,
    ofp.OFPT_FLOW_REMOVED: lambda data, at, end: _match(data, at + 48, end),
    ofp.OFPT_FLOW_MOD: _flow_mod,
    ofp.OFPT_MULTIPART_REPLY: _multipart,
    ofp.OFPT_QUEUE_GET_CONFIG_REPLY: lambda data, at, end: _rows(
        data, at + 16, end, 8, lambda data, at, end: _rows(data, at + 16, end, 2)
    ),
}


def _message(data: bytes, start: int, end: int) -> Iterator[Length]:
    if start + HEADER.size <= end:
        yield Length(start + 2, 2)
        yield from _MESSAGES.get(data[start + 1], _nothing)(data, start, end)


def samples(frame: bytes, xid: int = 1) -> list[bytes]:
    """An honest message of each kind that has lengths inside; ``frame`` is that of the packet-in."""
    cookie = 0x123456789ABC << COOKIE_MARK_BITS | COOKIE_MARK
    match = b"\0\1" + struct.pack("!H", 30) + bytes.fromhex("8000060602010203040580000a02080080001401110000")
    match = match.ljust(32, b"\0")
    set_field = struct.pack("!HH", _SET_FIELD, 16) + bytes.fromhex("80000606020304050607") + bytes(2)
    output = struct.pack("!HHIH6x", 0, 16, 2, 0xFFFF)
    actions = set_field + output
    apply = struct.pack("!HH4x", 4, 8 + len(actions)) + actions + struct.pack("!HHB3x", 1, 8, 2)
    row = FlowRow(cookie, match, apply)
    standing = FlowRow(Purpose.PASS_DISPATCHED.cookie, match, apply, table=0)
    bucket = struct.pack("!HHII4x", 16 + len(actions), 1, 0, 0) + actions
    group = struct.pack("!HBxI", 8 + 2 * len(bucket), 0, 1) + 2 * bucket
    band = struct.pack("!HHII4x", 1, 16, 100, 10)
    meter = struct.pack("!HHI", 8 + 2 * len(band), 1, 1) + 2 * band
    properties = struct.pack("!HHI", 0, 8, 0) * 3
    table = struct.pack("!HB5x32sQQII", 64 + len(properties), 0, b"table", 0, 0, 0, 100) + properties
    flow_mod = message(ofp.OFPT_FLOW_MOD, xid, struct.pack("!QQBBHHHIIIH2x", cookie, 0, *[0] * 9) + match + apply)
    bundle = struct.pack("!IIIHH", ONF_EXPERIMENTER_ID, ofp.ONF_ET_BUNDLE_ADD_MESSAGE, 1, 0, 1)
    queue = struct.pack("!IIH6x", 1, 1, 32) + struct.pack("!HH4xH6x", 1, 16, 10)
    return [
        packet_in(Purpose.PUNT_REQUEST.cookie, 1, frame),
        message(ofp.OFPT_HELLO, xid, struct.pack("!HHI", 1, 8, 1 << 4)),
        message(ofp.OFPT_FLOW_REMOVED, xid, struct.pack("!QHBBIIHHQQ", cookie, *[0] * 9) + match),
        message(ofp.OFPT_QUEUE_GET_CONFIG_REPLY, xid, struct.pack("!I4x", 1) + queue),
        message(ofp.OFPT_EXPERIMENTER, xid, bundle + flow_mod),
        flow_stats_reply(row, standing, xid=xid),
        meter_stats_reply((1, [2, 3]), (2, []), xid=xid),
        table_stats_reply({0: 9, 1: 9}, xid=xid),
        flow_monitor_reply((0, row), (2, row), xid=xid),
        error(flow_mod, (5, 0)),
        *(
            message(ofp.OFPT_MULTIPART_REPLY, xid, struct.pack("!HH4x", kind, 0) + 2 * part)
            for kind, part in (
                (ofp.OFPMP_GROUP_DESC, group),
                (ofp.OFPMP_METER_CONFIG, meter),
                (ofp.OFPMP_TABLE_FEATURES, table),
            )
        ),
    ]
