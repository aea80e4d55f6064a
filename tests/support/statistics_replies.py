"""Multipart replies as a switch sends them; tests/unit/openflow/wire/test_multipart.py has Ryu read them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import MATCH_ALL, ONF_EXPERIMENTER_ID
from ryu_haslb.openflow.wire.flow_monitor import ONFMP_FLOW_MONITOR


class FlowRow(NamedTuple):
    """A rule; ``match`` and ``instructions`` are packed."""

    cookie: int
    match: bytes = MATCH_ALL
    instructions: bytes = b""
    table: int = 1
    priority: int = 50000
    idle_timeout: int = 300
    hard_timeout: int = 0
    flags: int = 0
    packets: int = 3


def _reply(xid: int, kind: int, body: bytes, more: bool) -> bytes:
    head = wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_MULTIPART_REPLY, 16 + len(body), xid)
    return head + struct.pack("!HH4x", kind, wire.OFPMPF_REPLY_MORE if more else 0) + body


def flow_stats_reply(*rows: FlowRow, xid: int = 0, more: bool = False) -> bytes:
    """A flow statistics reply (OpenFlow 1.3.5, section 7.3.5.2)."""
    body = b""
    for row in rows:
        length = 48 + len(row.match) + len(row.instructions)
        options = row.idle_timeout, row.hard_timeout, row.flags
        head = length, row.table, 1, 0, row.priority, *options, row.cookie, row.packets, 300
        body += struct.pack("!HBxIIHHHH4xQQQ", *head)
        body += row.match + row.instructions
    return _reply(xid, wire.OFPMP_FLOW, body, more)


def aggregate_stats_reply(rules: int, xid: int = 0) -> bytes:
    """An aggregate statistics reply (section 7.3.5.3)."""
    return _reply(xid, wire.OFPMP_AGGREGATE, struct.pack("!QQI4x", 3 * rules, 300 * rules, rules), False)


def meter_stats_reply(*meters: tuple[int, list[int]], xid: int = 0, more: bool = False) -> bytes:
    """A meter statistics reply: each meter's number, and what each of its bands has dropped (section 7.3.5.13)."""
    body = b""
    for number, dropped in meters:
        body += struct.pack("!IH6xIQQII", number, 40 + 16 * len(dropped), 1, 1000, 100_000, 9, 0)
        body += b"".join(struct.pack("!QQ", packets, 0) for packets in dropped)
    return _reply(xid, wire.OFPMP_METER, body, more)


def table_stats_reply(rules: dict[int, int], xid: int = 0, more: bool = False) -> bytes:
    """A table statistics reply: the number of rules of each table (section 7.3.5.4)."""
    body = b"".join(struct.pack("!B3xIQQ", table, count, 0, 0) for table, count in rules.items())
    return _reply(xid, wire.OFPMP_TABLE, body, more)


def flow_monitor_reply(*updates: tuple[int, FlowRow], xid: int = 0) -> bytes:
    """A flow monitor's reply: events (``ONFFME_…``) and rules."""
    body = struct.pack("!II", ONF_EXPERIMENTER_ID, ONFMP_FLOW_MONITOR)
    for event, row in updates:
        length = 24 + len(row.match) + len(row.instructions)
        (match_length,) = struct.unpack_from("!2xH", row.match)
        body += struct.pack("!HHHHHHHBxQ", length, event, 0, row.priority, 300, 0, match_length, row.table, row.cookie)
        body += row.match + row.instructions
    return _reply(xid, wire.OFPMP_EXPERIMENTER, body, False)


def monitor_notice(kind: int) -> bytes:
    """A flow monitor has paused or resumed (``ONF_ET_FLOW_MONITOR_…``)."""
    return wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_EXPERIMENTER, 16, 0) + struct.pack(
        "!II", ONF_EXPERIMENTER_ID, kind
    )
