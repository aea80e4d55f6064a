"""Messages of the database's servers are read whole, however they arrive (RFC 7047, section 4; RFC 8259)."""

from __future__ import annotations

import errno
import json
from typing import Any

import ovs.json
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.cluster.json_stream import (
    MAX_DEPTH,
    MAX_OBJECTS,
    MAX_SCHEMA_SIZE,
    MAX_UNSENT,
    MAX_VALUES,
    SLICE,
    MessageParser,
    SlicedConnection,
)

texts = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=12)  # the package refuses NUL
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 62), 1 << 62) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
messages = st.dictionaries(texts, values, max_size=4) | st.lists(values, max_size=4)


def read(stream: str, pieces: int) -> list[Any]:
    """The messages of a stream that arrives in pieces of a size, read as ``ovs.jsonrpc`` does."""
    found: list[Any] = []
    parser = MessageParser()
    for begin in range(0, len(stream), pieces):
        rest = stream[begin : begin + pieces]
        while rest:
            rest = rest[parser.feed(rest) :]
            if parser.is_done():
                found.append(parser.finish())
                parser = MessageParser()
    return found


@given(st.lists(messages, max_size=3), st.integers(1, 9), st.booleans())
def test_messages_are_read_whole_in_pieces_of_any_size(sent: list[Any], pieces: int, is_ascii: bool) -> None:
    stream = "".join(json.dumps(each, ensure_ascii=is_ascii) for each in sent)
    assert read(stream, pieces) == sent


@given(messages)
def test_it_reads_what_the_parser_of_the_package_reads(sent: Any) -> None:
    text = json.dumps(sent)
    assert read(text, 4096) == [ovs.json.from_string(text)]


@pytest.mark.parametrize(
    "stream",
    [
        "}",
        "[1,]",
        '{"a" 1}',
        "[" * (MAX_DEPTH + 1),
        "true",
        "17 ",
        '"text"',
        "{]",
        '{"a":\n"\x01"}',
        "[" + "1" * 100 + "]",
    ],
)
def test_what_is_no_message_is_an_error_in_words(stream: str) -> None:
    """``ovs.jsonrpc`` takes a text for an error, and ends the connection."""
    (error,) = read(stream, 4096)
    assert isinstance(error, str)


def test_a_message_without_an_end_is_an_error() -> None:
    parser = MessageParser()
    assert parser.feed('{"a": [') == 7
    assert not parser.is_done()
    assert parser.finish() == "the message has no end"


@pytest.mark.parametrize("value", ["[],", "0,", '"",'])
def test_a_message_has_no_more_values_than_the_rows_of_the_schema(value: str) -> None:
    """Each costs time and memory: 8 MB of brackets stopped the event loop for 2.3 s."""
    (error, *_) = read("[" + value * MAX_VALUES, 4096)
    assert "values" in error


def test_a_message_has_no_more_objects_than_the_rows_of_the_schema() -> None:
    """An update has two for each row; 80,000 rows stopped the event loop for 3 s."""
    (error, *_) = read("[" + '{"":0},' * (MAX_OBJECTS + 1), 4096)
    assert "objects" in error


class Stream:
    """A server that has sent so many bytes, as ``ovs.stream`` shows it. ``reads`` counts the calls; nothing is sent."""

    name = "tcp:192.0.2.1:6641"

    def __init__(self, sent: bytes) -> None:
        self.sent = sent
        self.reads = 0

    def recv(self, limit: int) -> tuple[int, bytes]:
        self.reads += 1
        piece, self.sent = self.sent[:limit], self.sent[limit:]
        return (0, piece) if piece else (errno.EAGAIN, b"")

    def send(self, _: str) -> int:
        return -errno.EAGAIN

    def close(self) -> None:
        self.sent = b""


def test_a_schema_is_no_longer_than_the_package_reads_in_milliseconds() -> None:
    """It is read in one go (RFC 7047, section 4.1.2). Other replies may be longer: a configuration has a million."""
    reply = {"id": 1, "error": None, "result": {"tables": {"Database": {}}, "name": "x" * MAX_SCHEMA_SIZE}}
    assert read(json.dumps(reply), 4096) == [f"a schema of more than {MAX_SCHEMA_SIZE} characters"]
    reply["result"] = {"Configuration": {"text": "x" * MAX_SCHEMA_SIZE}}
    assert read(json.dumps(reply), 4096) == [reply]


def test_a_long_message_is_read_in_slices() -> None:
    """Requests are served between two of them, also while the server sends as fast as it is read."""
    message = {"id": None, "method": "update3", "params": ["é" * 3 * SLICE]}
    stream = Stream(json.dumps(message, ensure_ascii=False).encode())
    connection = SlicedConnection(stream)
    slices = len(stream.sent) // SLICE + 1
    for number in range(1, slices):
        assert connection.recv() == (errno.EAGAIN, None)
        assert stream.reads == number
    error, found = connection.recv()
    assert (error, found.params) == (0, message["params"])
    assert connection.recv() == (errno.EAGAIN, None)


def test_messages_that_arrive_together_are_read_one_by_one() -> None:
    messages = [{"id": None, "method": "echo", "params": [number]} for number in range(3)]
    connection = SlicedConnection(Stream("".join(map(json.dumps, messages)).encode()))
    assert [connection.recv()[1].params for _ in messages] == [[0], [1], [2]]
    assert connection.recv() == (errno.EAGAIN, None)


def test_a_server_that_asks_and_never_reads_is_left() -> None:
    """Each question is answered: the answers would take all the memory."""
    connection = SlicedConnection(Stream(b""))
    connection.output = "x" * (MAX_UNSENT + 1)
    assert connection.recv() == (errno.ENOBUFS, None)
    assert not connection.output
