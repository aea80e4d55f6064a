"""Where a flow-stats reply ends whose length does not fit into its length field (OpenFlow 1.3.5, section 7.3.5)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statistics_replies import FlowRow, flow_stats_reply, table_stats_reply

from ryu_haslb.openflow.wire import framing, wire
from ryu_haslb.openflow.wire.errors import ProtocolError
from ryu_haslb.openflow.wire.flow_mod import apply_actions, match
from ryu_haslb.openflow.wire.framing import ReplyFraming
from ryu_haslb.openflow.wire.multipart import flow_stats, has_more

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


def read(stream: bytes, cuts: Iterable[int] = ()) -> tuple[list[bytes], bytes]:
    """The messages in a stream that arrives in pieces, which end at these places, and what is left of it."""
    replies, messages, offset = ReplyFraming(), [], 0
    for arrived in (*sorted(cuts), len(stream)):
        while arrived - offset >= 8:
            data = stream[:arrived]
            part, length = replies.next(data, offset, declared(data, offset))
            if offset + length > arrived:
                break
            messages.append(part or data[offset : offset + length])
            offset += length
    return messages, stream[offset:]


def cookies(messages: list[bytes]) -> list[int]:
    return [each.cookie for message in messages for each in flow_stats(message)]


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("count", [630, 631, 700, 1260, 4096])
def test_all_rows_of_a_reply_whose_length_has_wrapped_are_read(count: int, outputs: int) -> None:
    """With 630 rows the declared length is 0."""
    data = wrapped(count, outputs)
    assert len(data) > 0xFFFF
    for before in ([], [BEHIND]):
        messages, rest = read(b"".join((*before, data, BEHIND)))
        assert messages[: len(before)] == before
        parts = messages[len(before) : -1]
        assert (messages[-1], rest) == (BEHIND, b"")
        assert cookies(parts) == list(range(count))
        assert [has_more(each) for each in parts] == [True] * (len(parts) - 1) + [False]
        assert {(each[1], each[4:8]) for each in parts} == {(data[1], data[4:8])}


@given(st.integers(min_value=631, max_value=1400), st.lists(st.integers(min_value=1, max_value=140_000), max_size=9))
def test_a_reply_that_arrives_in_pieces_ends_where_one_does_that_arrives_at_once(count: int, cuts: list[int]) -> None:
    stream = wrapped(count) + BEHIND
    rows_end = {16 + number * (len(stream) - 16 - len(BEHIND)) // count for number in range(count + 1)}
    # between two rows at a place where the reply may end, it ends until more has arrived
    messages, rest = read(stream, (cut for cut in cuts if cut < len(stream) and cut not in rows_end))
    assert (messages[-1], rest) == (BEHIND, b"")
    assert cookies(messages[:-1]) == list(range(count))


def test_the_rows_of_a_reply_that_goes_on_for_ever_are_not_kept() -> None:
    """A peer may send the statistics of flows in one message without an end."""
    rows = flow_stats_reply(row(1))[16:]
    replies, rest, most = ReplyFraming(), flow_stats_reply()[:16] + rows * 2000, 0
    for _ in range(100):
        part, length = replies.next(rest, 0, 40)
        while length <= len(rest):
            most = max(most, len(part))
            rest = rest[length:]
            part, length = replies.next(rest, 0, 40)
        assert len(rest) < len(rows)
        rest += rows * 1000
    assert most <= 16 + (1 << 15) + len(rows)


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
    assert ReplyFraming().next(message + behind, 0, declared(message)) == (b"", len(message))
    assert ReplyFraming().next(message[:20], 0, declared(message)) == (b"", declared(message))


@pytest.mark.parametrize("length", [0, 7, 57, 96, 0x0100, 0xFFF8])
def test_a_row_with_a_wrong_length_takes_no_message_behind_its_reply(length: int) -> None:
    message = flow_stats_reply(row(1), row(2))
    size = (len(message) - 16) // 2
    damaged = message[: 16 + size] + length.to_bytes(2, "big") + message[18 + size :]
    assert ReplyFraming().next(damaged + BEHIND, 0, len(message)) == (b"", len(message))


@pytest.mark.parametrize("length", [0, 7, 57])
def test_a_row_with_a_wrong_length_within_a_reply_whose_length_has_wrapped_ends_it(length: int) -> None:
    data = wrapped(1400)
    damaged = data[: 16 + 104 * 900] + length.to_bytes(2, "big") + data[18 + 104 * 900 :]
    with pytest.raises(ProtocolError, match="a length that does not fit"):
        read(damaged)


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
    stream = wrapped(4096)
    messages, _ = read(stream, range(1024, len(stream), 1024))
    assert cookies(messages) == list(range(4096))
    assert reads <= 4096 + len(stream) // 1024 + len(messages), "beside the row that has arrived in part"


def test_a_row_with_a_wrong_length_waits_for_the_next_header_alone() -> None:
    """What follows shows whether the row or the length of the reply is wrong."""
    message = flow_stats_reply(row(1), row(2))
    size = (len(message) - 16) // 2
    damaged = message[: 16 + size] + (size + 8).to_bytes(2, "big") + message[18 + size :]
    replies = ReplyFraming()
    assert replies.next(damaged, 0, len(message)) == (b"", len(message) + 8)
    assert replies.next(damaged + BEHIND, 0, len(message)) == (b"", len(message))


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=0xFFFF))
def test_any_bytes_have_a_length(data: bytes, length: int) -> None:
    part, taken = ReplyFraming().next(data, 0, length)
    assert part or length <= taken <= length + 8
    assert len(part) <= max(taken, 16)
