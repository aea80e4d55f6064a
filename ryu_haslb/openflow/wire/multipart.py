"""OpenFlow 1.3 multipart messages: flow statistics and meter statistics (OpenFlow 1.3.5, section 7.3.5)."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow.wire.flow_mod import MATCH_ALL
from ryu_haslb.openflow.wire.wire import (
    OFP_VERSION,
    OFPG_ANY,
    OFPIT_APPLY_ACTIONS,
    OFPM_ALL,
    OFPMF_PKTPS,
    OFPMP_AGGREGATE,
    OFPMP_FLOW,
    OFPMP_METER,
    OFPMP_METER_CONFIG,
    OFPMP_TABLE,
    OFPMPF_REPLY_MORE,
    OFPP_ANY,
    OFPT_MULTIPART_REQUEST,
    MalformedMessage,
    find_oxm,
    oxm_header,
)

_REQUEST = Struct("!BBHIHH4x")
_REPLY = Struct("!8xHH4x")
#: Bytes in front of the rows of a multipart message.
MULTIPART_HEADER_LENGTH = _REPLY.size

_FLOW_REQUEST = Struct("!B3xII4xQQ")
_FLOW = Struct("!HBx8xH10xQ16xHH")
_OPTIONS, _OPTIONS_AT, _OPTIONS_END = Struct("!HHH"), 14, 20
#: Bytes of the longest match that is read. Ours are shorter; a peer may send 65,000 bytes.
MAX_MATCH_LENGTH = 512
_FLOW_AGE = Struct("!4xI16xQ")
_MATCH_HEADER = 4
_FLOW_PACKETS = Struct("!24xQQ")
#: Type of an instruction that has actions, up to them.
INSTRUCTION = Struct("!H2x4x")
_AGGREGATE = Struct("!16xI4x")
_TABLE = Struct("!B3xI16x")
_METER_REQUEST = Struct("!I4x")
_METER = Struct("!IH34x")
_METER_BAND = Struct("!Q8x")
_METER_CONFIG = Struct("!HHI")
_BAND_CONFIG = Struct("!4xI8x")
_LENGTH = Struct("!H")


def flow_stats_request(xid: int, table: int, cookie: int, cookie_mask: int, match: bytes = MATCH_ALL) -> bytes:
    """Ask for every rule of a table whose cookie, under the mask, is this, and whose match is as narrow or narrower."""
    return _rules_request(OFPMP_FLOW, xid, table, cookie, cookie_mask, match)


def rule_count_request(xid: int, table: int, cookie: int, cookie_mask: int, match: bytes = MATCH_ALL) -> bytes:
    """Ask how many rules the reply to :func:`flow_stats_request` would have."""
    return _rules_request(OFPMP_AGGREGATE, xid, table, cookie, cookie_mask, match)


def _rules_request(  # noqa: PLR0913, PLR0917 - what selects rules
    kind: int, xid: int, table: int, cookie: int, cookie_mask: int, match: bytes
) -> bytes:
    body = _FLOW_REQUEST.pack(table, OFPP_ANY, OFPG_ANY, cookie, cookie_mask) + match
    return _request(xid, kind, body)


def meter_stats_request(xid: int) -> bytes:
    """Ask for the counters of every meter."""
    return _request(xid, OFPMP_METER, _METER_REQUEST.pack(OFPM_ALL))


def meter_config_request(xid: int) -> bytes:
    """Ask for the bands of every meter."""
    return _request(xid, OFPMP_METER_CONFIG, _METER_REQUEST.pack(OFPM_ALL))


def table_stats_request(xid: int) -> bytes:
    """Ask for the number of rules in every table."""
    return _request(xid, OFPMP_TABLE, b"")


def _request(xid: int, kind: int, body: bytes) -> bytes:
    return _REQUEST.pack(OFP_VERSION, OFPT_MULTIPART_REQUEST, _REQUEST.size + len(body), xid, kind, 0) + body


def has_more(message: bytes) -> bool:
    """Whether further parts of a multipart reply follow this one.

    Raises:
        MalformedMessage: the message is cut short.
    """
    _, flags = _reply(message)
    return bool(flags & OFPMPF_REPLY_MORE)


def is_marked_as_continued(message: bytes) -> bool:
    """Whether a multipart reply that may be malformed has the flag of :func:`has_more`."""
    return message[11:12] == bytes([OFPMPF_REPLY_MORE])


def multipart_type(message: bytes) -> int:
    """The type of a multipart reply (``OFPMP_...``).

    Raises:
        MalformedMessage: the message is cut short.
    """
    return _reply(message)[0]


def _reply(message: bytes) -> tuple[int, int]:
    """Type and flags of a multipart reply."""
    try:
        kind, flags = _REPLY.unpack_from(message)
    except struct.error as error:
        raise MalformedMessage(f"multipart reply of {len(message)} bytes: expected {_REPLY.size} or more") from error
    return kind, flags


class FlowStats(NamedTuple):
    """A rule in a flow statistics reply. ``match`` has its match fields, without the header; both parts are packed.

    ``options`` is empty, or idle time-out, hard time-out and flags, packed (:class:`Options`).
    """

    table: int
    priority: int
    cookie: int
    match: bytes
    instructions: bytes
    options: bytes = b""

    def field(self, name: str) -> Optional[bytes]:
        """The value of a match field without a mask; None if the rule does not match on it.

        Some switches report a field that was sent without a mask with one of ones.

        Raises:
            MalformedMessage: the length of a match field does not fit.
        """
        value = find_oxm(self.match, 0, len(self.match), oxm_header(name))
        if value is None:
            masked = find_oxm(self.match, 0, len(self.match), oxm_header(name, masked=True)) or b""
            half = len(masked) // 2
            value = masked[:half] if masked and masked[half:] == b"\xff" * half else None
        return value

    def actions(self) -> bytes:
        """The actions that the rule applies; empty if there are none.

        Raises:
            MalformedMessage: the length of an instruction does not fit.
        """
        for offset, end in structures(self.instructions, 0, INSTRUCTION.size, length_at=2):
            (kind,) = INSTRUCTION.unpack_from(self.instructions, offset)
            if kind == OFPIT_APPLY_ACTIONS:
                return self.instructions[offset + INSTRUCTION.size : end]
        return b""


class Options(NamedTuple):
    """What a rule has beside match and instructions. Time-outs are in seconds (0: none)."""

    idle_timeout: int
    hard_timeout: int
    flags: int


def options_of(row: FlowStats) -> Options:
    """The options of a row that was read with them."""
    return Options(*_OPTIONS.unpack(row.options))


class MeterStats(NamedTuple):
    """A meter in a meter statistics reply, and the packets that its first band has dropped since it was added."""

    meter_id: int
    dropped: int


def flow_stats(message: bytes, with_options: bool = False) -> Iterator[FlowStats]:
    """The rules in one part of a flow statistics reply; ``with_options``: also their time-outs and flags.

    A rule whose match is longer than :data:`MAX_MATCH_LENGTH` is left out.

    Raises:
        MalformedMessage: the message is cut short, or a length inside of it does not fit.
    """
    for offset, end in _rows(message, OFPMP_FLOW, _FLOW.size, length_at=0):
        _, table, priority, cookie, _, match_length = _FLOW.unpack_from(message, offset)
        fields = offset + _FLOW.size
        match = fields - _MATCH_HEADER
        instructions = match + (match_length + 7 & ~7)
        if match_length < _MATCH_HEADER or instructions > end:
            raise MalformedMessage(f"flow statistics at byte {offset}: a match of {match_length} bytes does not fit")
        if match_length > MAX_MATCH_LENGTH:
            continue
        options = message[offset + _OPTIONS_AT : offset + _OPTIONS_END] if with_options else b""
        body = message[fields : match + match_length], message[instructions:end]
        yield FlowStats(table, priority, cookie, *body, options)


def flow_ages(message: bytes) -> Iterator[tuple[int, int]]:
    """The cookie of each rule in one part of a flow statistics reply, and the whole seconds since it was added.

    Raises:
        MalformedMessage: the message is cut short, or a length inside of it does not fit.
    """
    for offset, _ in _rows(message, OFPMP_FLOW, _FLOW.size, length_at=0):
        yield _FLOW_AGE.unpack_from(message, offset)[::-1]


def flow_packets(message: bytes, cookies: Container[int]) -> int:
    """The packets of all rules with one of these cookies in one part of a flow statistics reply.

    Raises:
        MalformedMessage: the message is cut short, or a length inside of it does not fit.
    """
    rows = (_FLOW_PACKETS.unpack_from(message, offset) for offset, _ in _rows(message, OFPMP_FLOW, _FLOW.size, 0))
    return sum(packets for found, packets in rows if found in cookies)


def meter_stats(message: bytes) -> Iterator[MeterStats]:
    """The meters in one part of a meter statistics reply.

    Raises:
        MalformedMessage: the message is cut short, or a length inside of it does not fit.
    """
    for offset, end in _rows(message, OFPMP_METER, _METER.size, length_at=4):
        meter_id, _ = _METER.unpack_from(message, offset)
        band = offset + _METER.size
        dropped = _METER_BAND.unpack_from(message, band)[0] if band + _METER_BAND.size <= end else 0
        yield MeterStats(meter_id, dropped)


class MeterRate(NamedTuple):
    """The rate of a meter's first band, and whether that is in packets per second.

    ``settings`` is a hash of all that was reported of the meter: burst, flags and other bands included.
    """

    meter: int
    rate: int
    is_in_packets: bool
    settings: int


def meter_rates(message: bytes) -> Iterator[MeterRate]:
    """The rates of the meters in one part of a meter configuration reply (OpenFlow 1.3.5, section 7.3.5.9).

    Raises:
        MalformedMessage: the message is cut short, or a length inside of it does not fit.
    """
    for offset, end in _rows(message, OFPMP_METER_CONFIG, _METER_CONFIG.size, length_at=0):
        _, flags, meter_id = _METER_CONFIG.unpack_from(message, offset)
        band = offset + _METER_CONFIG.size
        rate = _BAND_CONFIG.unpack_from(message, band)[0] if band + _BAND_CONFIG.size <= end else 0
        yield MeterRate(meter_id, rate, bool(flags & OFPMF_PKTPS), hash(message[offset:end]))


def rule_count(message: bytes) -> int:
    """The number of rules in an aggregate statistics reply.

    Raises:
        MalformedMessage: the message is cut short, or is another reply.
    """
    kind, _ = _reply(message)
    if kind != OFPMP_AGGREGATE or len(message) != _REPLY.size + _AGGREGATE.size:
        raise MalformedMessage(f"multipart reply of type {kind}, {len(message)} bytes: expected aggregate statistics")
    (count,) = _AGGREGATE.unpack_from(message, _REPLY.size)
    return int(count)


def table_stats(message: bytes) -> dict[int, int]:
    """The number of rules of each table in one part of a table statistics reply.

    Raises:
        MalformedMessage: the message is cut short, or is another reply.
    """
    kind, _ = _reply(message)
    rows = message[_REPLY.size :]
    if kind != OFPMP_TABLE or len(rows) % _TABLE.size:
        raise MalformedMessage(f"multipart reply of type {kind}, {len(message)} bytes: expected table statistics")
    return dict(_TABLE.iter_unpack(rows))


def _rows(message: bytes, expected: int, smallest: int, length_at: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each row of a multipart reply, which must be of the expected type."""
    kind, _ = _reply(message)
    if kind != expected:
        raise MalformedMessage(f"multipart reply of type {kind}: expected type {expected}")
    return structures(message, _REPLY.size, smallest, length_at)


def structures(data: bytes, offset: int, smallest: int, length_at: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each structure that follows ``offset``; each has its own length at byte ``length_at``.

    Raises:
        MalformedMessage: the data are cut short, or a length does not fit.
    """
    while offset < len(data):
        remaining = len(data) - offset
        if remaining < smallest:
            raise MalformedMessage(f"byte {offset}: {remaining} bytes are left, expected {smallest} or more")
        (length,) = _LENGTH.unpack_from(data, offset + length_at)
        if not smallest <= length <= remaining:
            raise MalformedMessage(f"byte {offset}: a length of {length}, expected {smallest} to {remaining}")
        yield offset, offset + length
        offset += length
