"""What a switch says of its tables, meters, groups and port counters (OpenFlow 1.3.5, section 7.3.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from ryu_haslb.openflow.wire.multipart import MULTIPART_HEADER_LENGTH
from ryu_haslb.openflow.wire.wire import OFP_VERSION, OFPP_ANY, OFPT_MULTIPART_REQUEST, MalformedMessage

OFPMP_PORT_STATS = 4
OFPMP_GROUP_FEATURES = 8
OFPMP_METER_FEATURES = 11
OFPMP_TABLE_FEATURES = 12

_REQUEST = Struct("!BBHIHH4x")
_REPLY_KIND = Struct("!8xH")
_PORT_REQUEST = Struct("!I4x")
_TABLE = Struct("!HB53xII")
_METER = Struct("!I12x")
_GROUP = Struct("!II4I16x")
_PORT = Struct("!I4x8xQ88x")


class TableFeatures(NamedTuple):
    """A table, and the rules that it takes at most."""

    table: int
    max_entries: int


def features_request(xid: int, kind: int) -> bytes:
    """Ask for features; ``kind`` is OFPMP_TABLE_FEATURES, OFPMP_METER_FEATURES or OFPMP_GROUP_FEATURES."""
    return _REQUEST.pack(OFP_VERSION, OFPT_MULTIPART_REQUEST, _REQUEST.size, xid, kind, 0)


def port_stats_request(xid: int) -> bytes:
    """Ask for the counters of all ports."""
    body = _PORT_REQUEST.pack(OFPP_ANY)
    head = _REQUEST.pack(OFP_VERSION, OFPT_MULTIPART_REQUEST, _REQUEST.size + len(body), xid, OFPMP_PORT_STATS, 0)
    return head + body


def table_features(message: bytes) -> Iterator[TableFeatures]:
    """The tables in one part of a reply.

    Raises:
        MalformedMessage: the message is cut short, is another reply, or a length inside of it does not fit.
    """
    offset = _rows_of(message, OFPMP_TABLE_FEATURES)
    while offset < len(message):
        remaining = len(message) - offset
        if remaining < _TABLE.size:
            raise MalformedMessage(f"table features: {remaining} bytes are left, expected {_TABLE.size} or more")
        length, table, _, max_entries = _TABLE.unpack_from(message, offset)
        if not _TABLE.size <= length <= remaining:
            raise MalformedMessage(f"table features: a length of {length}, expected {_TABLE.size} to {remaining}")
        yield TableFeatures(table, max_entries)
        offset += length


def max_meters(message: bytes) -> int:
    """The number of meters in a reply to a request for meter features.

    Raises:
        MalformedMessage: the message is cut short, or is another reply.
    """
    return int(_only_row(message, OFPMP_METER_FEATURES, _METER)[0])


def max_groups(message: bytes) -> int:
    """The number of groups of the type OFPGT_ALL in a reply to a request for group features.

    Raises:
        MalformedMessage: the message is cut short, or is another reply.
    """
    return int(_only_row(message, OFPMP_GROUP_FEATURES, _GROUP)[2])


def sent_packets(message: bytes) -> dict[int, int]:
    """The packets that each port has sent, by port number, in one part of a reply.

    Raises:
        MalformedMessage: the message is cut short, or is another reply.
    """
    rows = message[_rows_of(message, OFPMP_PORT_STATS) :]
    if len(rows) % _PORT.size:
        raise MalformedMessage(f"port statistics of {len(message)} bytes: expected 16 and {_PORT.size} for each port")
    return dict(_PORT.iter_unpack(rows))


def _rows_of(message: bytes, expected: int) -> int:
    """Where the rows of a reply begin, which must be of the expected type."""
    if len(message) < MULTIPART_HEADER_LENGTH:
        raise MalformedMessage(f"multipart reply of {len(message)} bytes: expected {MULTIPART_HEADER_LENGTH} or more")
    (kind,) = _REPLY_KIND.unpack_from(message)
    if kind != expected:
        raise MalformedMessage(f"multipart reply of type {kind}: expected type {expected}")
    return MULTIPART_HEADER_LENGTH


def _only_row(message: bytes, kind: int, row: Struct) -> tuple[int, ...]:
    try:
        return row.unpack_from(message, _rows_of(message, kind))
    except struct.error as error:
        raise MalformedMessage(f"multipart reply of {len(message)} bytes: expected {16 + row.size} or more") from error
