"""The ports that a switch reports (OpenFlow 1.3.5, sections 7.2.1, 7.3.5.7 and 7.4.3)."""

from __future__ import annotations

import struct
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.engine import ofproto_parser, ofproto_protocol
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.errors import ProtocolError
from ryu_haslb.openflow.wire.ports import MAX_PORTS, PortChange, Ports


def port(number: int, name: bytes = b"eth0", config: int = 0, state: int = 0) -> bytes:
    return struct.pack("!I4x6s2x16s8I", number, bytes(6), name, config, state, *[0] * 6)


def description(*ports: bytes, more: bool = False) -> bytes:
    head = struct.pack("!HH4x", wire.OFPMP_PORT_DESC, more)
    return wire.HEADER.pack(4, wire.OFPT_MULTIPART_REPLY, (16 + 64 * len(ports)) & 0xFFFF, 1) + head + b"".join(ports)


def status(reason: int, changed: bytes) -> bytes:
    return wire.HEADER.pack(4, wire.OFPT_PORT_STATUS, 80, 1) + bytes([reason]) + bytes(7) + changed


def parsed(message: bytes) -> Any:
    kind, length = message[1], len(message)
    return ofproto_parser.msg(ofproto_protocol.ProtocolDesc(version=4), 4, kind, length, 1, bytearray(message))


@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=16)), max_size=9), st.booleans())
def test_a_description_is_read_as_the_engine_reads_it(rows: list[tuple[int, bytes]], more: bool) -> None:
    message = description(*(port(*row) for row in rows), more=more)
    ports = Ports()
    assert ports.read_description(message) is not more
    names = {each.port_no: each.name.partition(b"\0")[0].decode("ascii", "replace") for each in parsed(message).body}
    assert ports.names == names


@pytest.mark.parametrize(
    ("reason", "config", "state", "change"),
    [
        (0, 0, 0, PortChange(7, True)),
        (2, 0, 4, PortChange(7, True)),
        (2, 1, 0, PortChange(7, False)),
        (2, 0, 1, PortChange(7, False)),
        (1, 0, 0, PortChange(7, False)),
        (3, 0, 0, None),
    ],
)
def test_a_port_status_changes_one_port(reason: int, config: int, state: int, change: Optional[PortChange]) -> None:
    message = status(reason, port(7, b"fa3-15", config, state))
    assert parsed(message).desc.port_no == 7
    ports = Ports()
    ports.read_description(description(port(8)))
    assert ports.read_status(message) == change
    assert ports.names == ({8: "eth0"} if change is None or reason == 1 else {8: "eth0", 7: "fa3-15"})


def test_a_switch_with_more_ports_than_any_has_breaks_the_protocol() -> None:
    ports = Ports()
    for first in range(0, MAX_PORTS, 512):
        ports.read_description(description(*map(port, range(first, first + 512)), more=True))
    with pytest.raises(ProtocolError, match=f"more than {MAX_PORTS} ports"):
        ports.read_description(description(port(MAX_PORTS)))
    with pytest.raises(ProtocolError, match=f"more than {MAX_PORTS} ports"):
        ports.read_status(status(0, port(MAX_PORTS + 1)))


def test_a_port_is_usable_while_the_switch_has_it_and_it_is_up() -> None:
    ports = Ports()
    assert ports.is_usable(7), "a switch that reports no ports may have any"
    ports.read_description(description(port(7), port(8, state=1), port(9, config=1)))
    assert [each for each in range(7, 11) if ports.is_usable(each)] == [7]
    ports.read_status(status(2, port(8, state=4)))
    ports.read_status(status(2, port(7, state=1)))
    assert [each for each in range(7, 11) if ports.is_usable(each)] == [8]
    ports.read_status(status(1, port(8)))
    assert not any(map(ports.is_usable, range(7, 11)))
