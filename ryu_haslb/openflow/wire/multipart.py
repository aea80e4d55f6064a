"""OpenFlow 1.3 multipart messages: flow statistics and meter statistics (OpenFlow 1.3.5, section 7.3.5)."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow.wire.flow_mod import MATCH_ALL
from ryu_haslb.openflow.wire.wire import (
    OFP_VERSION,
    OFPAT_OUTPUT,
    OFPG_ANY,
    OFPIT_APPLY_ACTIONS,
    OFPM_ALL,
    OFPMF_PKTPS,
    OFPMP_FLOW,
    OFPMP_METER,
    OFPMP_METER_CONFIG,
    OFPMP_TABLE,
    OFPMPF_REPLY_MORE,
    OFPP_ANY,
    OFPT_MULTIPART_REQUEST,
    MalformedMessage,
    find_oxm,
    oxm_fields,
    oxm_header,
)

_REQUEST = Struct("!BBHIHH4x")
_REPLY = Struct("!8xHH4x")
#: Bytes in front of the rows of a multipart message.
MULTIPART_HEADER_LENGTH = _REPLY.size

_FLOW_REQUEST = Struct("!B3xII4xQQ")
_FLOW = Struct("!HBx8xH10xQ16xHH")
_OPTIONS, _OPTIONS_AT, _OPTIONS_END = Struct("!HHH"), 14, 20
_OXM_HEADER, _OXM_HAS_MASK = Struct("!I"), 1 << 8
#: Bytes of the longest match that is read. Ours are shorter; a peer may send 65,000 bytes.
MAX_MATCH_LENGTH = 512
#: Match fields of OpenFlow 1.3, none of which a match has twice, and its instructions, of which a rule has one of each
#: type (OpenFlow 1.3.5, sections 7.2.3.7 and 7.2.4).
_MAX_FIELDS, _MAX_INSTRUCTIONS = 40, 7
#: Bytes of instructions whose effect is remembered. Longer ones, which name every port, are few.
_MAX_REMEMBERED = 1024
_FLOW_AGE = Struct("!4xI16xQ")
_MATCH_HEADER = 4
_FLOW_PACKETS = Struct("!24xQQ")
_INSTRUCTION = Struct("!H2x4x")
_ACTION = Struct("!H2x4x")
_LAST_OUTPUT = Struct("!HHI8x")
#: Where an output has the length that is sent to the controller, and where it ends.
_MAX_LEN, _OUTPUT_LENGTH = 8, 16
#: The instruction that applies no action.
_NO_ACTIONS = OFPIT_APPLY_ACTIONS.to_bytes(2, "big") + _INSTRUCTION.size.to_bytes(2, "big") + bytes(4)
_TABLE = Struct("!B3xI16x")
_METER_REQUEST = Struct("!I4x")
_METER = Struct("!IH34x")
_METER_BAND = Struct("!Q8x")
_METER_CONFIG = Struct("!HHI")
_BAND_CONFIG = Struct("!4xI8x")
_LENGTH = Struct("!H")


def flow_stats_request(xid: int, table: int, cookie: int, cookie_mask: int) -> bytes:
    """Ask for every rule of a table whose cookie, under the mask, is this."""
    body = _FLOW_REQUEST.pack(table, OFPP_ANY, OFPG_ANY, cookie, cookie_mask) + MATCH_ALL
    return _request(xid, OFPMP_FLOW, body)


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

        Raises:
            MalformedMessage: the length of a match field does not fit.
        """
        return find_oxm(self.match, 0, len(self.match), oxm_header(name))

    def actions(self) -> bytes:
        """The actions that the rule applies; empty if there are none.

        Raises:
            MalformedMessage: the length of an instruction does not fit.
        """
        for offset, end in _structures(self.instructions, 0, _INSTRUCTION.size, length_at=2):
            (kind,) = _INSTRUCTION.unpack_from(self.instructions, offset)
            if kind == OFPIT_APPLY_ACTIONS:
                return self.instructions[offset + _INSTRUCTION.size : end]
        return b""


class Options(NamedTuple):
    """What a rule has beside match and instructions. Time-outs are in seconds (0: none)."""

    idle_timeout: int
    hard_timeout: int
    flags: int


def options_of(row: FlowStats) -> Options:
    """The options of a row that was read with them."""
    return Options(*_OPTIONS.unpack(row.options))


@lru_cache(maxsize=4096)
def canonical_match(match: bytes) -> frozenset[bytes]:
    """Match fields, which have no order; one with a mask of ones is the same as one without.

    They are taken together if a length among them does not fit, or if there are more than OpenFlow 1.3 has.
    """
    try:
        found = frozenset([_without_full_mask(*field) for field in oxm_fields(match, 0, len(match))])
    except MalformedMessage:
        return frozenset((match,))
    return found if len(found) <= _MAX_FIELDS else frozenset((match,))


def _without_full_mask(header: int, value: bytes) -> bytes:
    half = len(value) // 2
    if header & _OXM_HAS_MASK and value[half:] == b"\xff" * half:
        header, value = (header & ~(_OXM_HAS_MASK | 0xFF)) | half, value[:half]
    return _OXM_HEADER.pack(header) + value


def effect_of(instructions: bytes) -> frozenset[bytes]:
    """What a rule does: its instructions, which have no order, without one that applies no action.

    Instructions of a length that does not fit, or more of them than a rule can have, are taken together.
    """
    return (_short_effect if len(instructions) <= _MAX_REMEMBERED else _effect)(instructions)


def _effect(instructions: bytes) -> frozenset[bytes]:
    try:
        ends = list(islice(_structures(instructions, 0, _INSTRUCTION.size, 2), _MAX_INSTRUCTIONS + 1))
    except MalformedMessage:
        return frozenset((instructions,))
    if len(ends) > _MAX_INSTRUCTIONS:
        return frozenset((instructions,))
    return frozenset(instructions[begin:end] for begin, end in ends) - {_NO_ACTIONS}


_short_effect = lru_cache(maxsize=256)(_effect)


def without_max_len(actions: bytes) -> bytes:
    """Actions in which no output has the length that is sent to the controller.

    In an output to a port it has no meaning (OpenFlow 1.3.5, section 7.2.5), and switches may report any. What is
    behind a length that does not fit stays as it is.
    """
    found = bytearray(actions)
    with suppress(MalformedMessage):
        for offset, end in _structures(actions, 0, _ACTION.size, length_at=2):
            (kind,) = _ACTION.unpack_from(actions, offset)
            if kind == OFPAT_OUTPUT and end - offset >= _OUTPUT_LENGTH:
                found[offset + _MAX_LEN : offset + _OUTPUT_LENGTH] = bytes(_OUTPUT_LENGTH - _MAX_LEN)
    return bytes(found)


def last_output(actions: bytes) -> Optional[int]:
    """The port of the last action, if that is an output as OpenFlow 1.3.5 has it (section 7.2.5)."""
    kind, length, port = _LAST_OUTPUT.unpack_from(actions[-_OUTPUT_LENGTH:].rjust(_OUTPUT_LENGTH, b"\xff"))
    return port if (kind, length) == (OFPAT_OUTPUT, _OUTPUT_LENGTH) else None


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
    return _structures(message, _REPLY.size, smallest, length_at)


def _structures(data: bytes, offset: int, smallest: int, length_at: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each structure that follows ``offset``; each has its own length at byte ``length_at``."""
    while offset < len(data):
        remaining = len(data) - offset
        if remaining < smallest:
            raise MalformedMessage(f"byte {offset}: {remaining} bytes are left, expected {smallest} or more")
        (length,) = _LENGTH.unpack_from(data, offset + length_at)
        if not smallest <= length <= remaining:
            raise MalformedMessage(f"byte {offset}: a length of {length}, expected {smallest} to {remaining}")
        yield offset, offset + length
        offset += length
