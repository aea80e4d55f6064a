"""Messages of the database's servers are read whole, however they arrive (RFC 7047, section 4; RFC 8259)."""

from __future__ import annotations

import json
from typing import Any

import ovs.json
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.cluster.json_stream import MAX_DEPTH, MessageParser

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
    "stream", ["}", "[1,]", '{"a" 1}', "[" * (MAX_DEPTH + 1), "true", "17 ", '"text"', "{]", '{"a":\n"\x01"}']
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
