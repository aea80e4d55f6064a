"""Where a flow-stats reply ends whose length does not fit into its length field (OpenFlow 1.3.5, section 7.3.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statistics_replies import FlowRow, flow_stats_reply, table_stats_reply

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.sockets.framing import MAX_REPLY, reply_length
from ryu_haslb.openflow.wire_flow_mod import apply_actions, match
from ryu_haslb.openflow.wire_multipart import flow_stats

BEHIND = wire.barrier_request(7)
SESSION: dict[str, wire.Value] = {"eth_src": "02:00:00:00:00:01", "eth_type": 0x0800, "ip_proto": 17, "udp_dst": 434}


def row(number: int, outputs: int = 1) -> FlowRow:
    return FlowRow(number, match(SESSION), apply_actions(wire.output(3) * outputs))


def wrapped(count: int, outputs: int = 1) -> bytes:
    """One message with all rows, as CPqD's switch sends it: the length field has the lowest 16 bits."""
    rows = b"".join(flow_stats_reply(row(number, outputs))[16:] for number in range(count))
    head = flow_stats_reply()[:16]
    return head[:2] + (16 + len(rows) & 0xFFFF).to_bytes(2, "big") + head[4:] + rows


def declared(data: bytes, offset: int = 0) -> int:
    return int.from_bytes(data[offset + 2 : offset + 4], "big")


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("count", [630, 631, 700, 1260, 4096])
def test_all_rows_of_a_reply_whose_length_has_wrapped_are_read(count: int, outputs: int) -> None:
    """With 630 rows the declared length is 0."""
    data = wrapped(count, outputs)
    assert len(data) > 0xFFFF
    for before in (b"", BEHIND):
        stream = before + data + BEHIND
        assert reply_length(stream, len(before), declared(stream, len(before))) == len(data)
    assert [each.cookie for each in flow_stats(data)] == list(range(count))


@given(st.integers(min_value=631, max_value=1400), st.data())
def test_a_reply_that_has_arrived_in_part_is_awaited(count: int, data: st.DataObject) -> None:
    stream = wrapped(count)
    arrived = data.draw(st.integers(min_value=max(declared(stream), 16) + 1, max_value=len(stream) - 1))
    assert reply_length(stream[:arrived], 0, declared(stream)) > arrived


@pytest.mark.parametrize("behind", [b"", BEHIND])
@pytest.mark.parametrize(
    "message",
    [
        flow_stats_reply(),
        flow_stats_reply(row(1), row(2)),
        flow_stats_reply(row(1), more=True),
        table_stats_reply({0: 1, 1: 2}),
        flow_stats_reply(*(row(number) for number in range(600))),
    ],
)
def test_the_length_of_other_replies_stands(message: bytes, behind: bytes) -> None:
    assert reply_length(message + behind, 0, declared(message)) == len(message)
    assert reply_length(message[:20], 0, declared(message)) == declared(message)


@pytest.mark.parametrize("length", [0, 7, 57, 96, 0x0100, 0xFFF8])
def test_a_row_with_a_wrong_length_takes_no_message_behind_its_reply(length: int) -> None:
    message = flow_stats_reply(row(1), row(2))
    size = (len(message) - 16) // 2
    damaged = message[: 16 + size] + length.to_bytes(2, "big") + message[18 + size :]
    assert reply_length(damaged + BEHIND, 0, len(message)) == len(message)


def test_a_reply_without_an_end_is_not_kept_for_ever() -> None:
    rows = flow_stats_reply(row(1))[16:]
    endless = flow_stats_reply()[:16] + rows * (MAX_REPLY // len(rows) + 2)
    assert reply_length(endless, 0, 40) == 40


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=0xFFFF))
def test_any_bytes_have_a_length(data: bytes, length: int) -> None:
    assert length <= reply_length(data, 0, length) <= MAX_REPLY + 0xFFFF
