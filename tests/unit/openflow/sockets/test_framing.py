"""Where a flow-stats reply ends whose length does not fit into its length field (OpenFlow 1.3.5, section 7.3.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statistics_replies import FlowRow, flow_stats_reply, table_stats_reply

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.sockets import framing
from ryu_haslb.openflow.sockets.framing import MAX_REPLY, ReplyFraming
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
        assert ReplyFraming().length(stream, len(before), declared(stream, len(before))) == len(data)
    assert [each.cookie for each in flow_stats(data)] == list(range(count))


@given(st.integers(min_value=631, max_value=1400), st.data())
def test_a_reply_that_has_arrived_in_part_is_awaited(count: int, data: st.DataObject) -> None:
    stream = wrapped(count)
    arrived = data.draw(st.integers(min_value=max(declared(stream), 16) + 1, max_value=len(stream) - 1))
    assert ReplyFraming().length(stream[:arrived], 0, declared(stream)) > arrived


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
    assert ReplyFraming().length(message + behind, 0, declared(message)) == len(message)
    assert ReplyFraming().length(message[:20], 0, declared(message)) == declared(message)


@pytest.mark.parametrize("length", [0, 7, 57, 96, 0x0100, 0xFFF8])
def test_a_row_with_a_wrong_length_takes_no_message_behind_its_reply(length: int) -> None:
    message = flow_stats_reply(row(1), row(2))
    size = (len(message) - 16) // 2
    damaged = message[: 16 + size] + length.to_bytes(2, "big") + message[18 + size :]
    assert ReplyFraming().length(damaged + BEHIND, 0, len(message)) == len(message)


@given(st.integers(min_value=631, max_value=1400), st.lists(st.integers(min_value=1, max_value=70_000), max_size=9))
def test_a_reply_that_arrives_in_pieces_ends_where_one_does_that_arrives_at_once(count: int, cuts: list[int]) -> None:
    stream = wrapped(count) + BEHIND
    replies = ReplyFraming()
    for arrived in (*sorted(cut for cut in cuts if cut > 16), len(stream)):
        length = replies.length(stream[:arrived], 0, declared(stream))
        if length <= arrived:
            break
    assert length == len(stream) - len(BEHIND)


def test_the_rows_of_a_reply_are_read_once_however_small_its_pieces_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that sends 16 MB in pieces of 1 kB would otherwise have each row read thousands of times."""
    reads = 0
    row_length = framing._ROW_LENGTH

    class Counting:
        size = row_length.size

        def unpack_from(self, data: bytes, offset: int) -> tuple[int, ...]:
            nonlocal reads
            reads += 1
            return row_length.unpack_from(data, offset)

    monkeypatch.setattr(framing, "_ROW_LENGTH", Counting())
    stream, replies = wrapped(4096), ReplyFraming()
    for arrived in range(1024, len(stream), 1024):
        assert replies.length(stream[:arrived], 0, declared(stream)) > arrived
    assert replies.length(stream, 0, declared(stream)) == len(stream)
    assert reads == 4096


def test_a_row_with_a_wrong_length_waits_for_the_next_header_alone() -> None:
    """What follows shows whether the row or the length of the reply is wrong."""
    message = flow_stats_reply(row(1), row(2))
    size = (len(message) - 16) // 2
    damaged = message[: 16 + size] + (size + 8).to_bytes(2, "big") + message[18 + size :]
    replies = ReplyFraming()
    assert replies.length(damaged, 0, len(message)) == len(message) + 8
    assert replies.length(damaged + BEHIND, 0, len(message)) == len(message)


def test_a_reply_without_an_end_is_not_kept_for_ever() -> None:
    rows = flow_stats_reply(row(1))[16:]
    endless = flow_stats_reply()[:16] + rows * (MAX_REPLY // len(rows) + 2)
    assert ReplyFraming().length(endless, 0, 40) == 40


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=0xFFFF))
def test_any_bytes_have_a_length(data: bytes, length: int) -> None:
    assert length <= ReplyFraming().length(data, 0, length) <= MAX_REPLY + 0xFFFF
