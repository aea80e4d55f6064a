"""The protocol of a control socket as bytes: requests, answers and their ends, in pieces of any size."""

from __future__ import annotations

import shlex
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.control.protocol import (
    END_MARK,
    MAX_REQUEST_SIZE,
    MAX_WORDS,
    PAUSE_MARK,
    AnswerReader,
    RequestError,
    RequestReader,
    encode_lines,
    encode_request,
    error_lines,
    help_answer,
    is_error,
    parse_help,
    split_words,
)
from ryu_haslb.language.grammar import CommandError, Expectation

WORDS = st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), min_size=1, max_size=6)


@given(WORDS, st.data())
def test_a_request_arrives_as_it_was_sent_in_any_pieces(words: list[str], data: st.DataObject) -> None:
    sent = encode_request(words)
    cut = data.draw(st.integers(0, len(sent) - 1))
    reader = RequestReader()
    assert reader.receive(sent[:cut]) is None
    request = reader.receive(sent[cut:])
    assert request is not None
    assert request.words() == words
    assert request.wants_end


def test_a_request_without_an_end_mark_wants_none() -> None:
    request = RequestReader().receive(b"show ip slb reals\n")
    assert request is not None
    assert not request.wants_end
    assert request.words() == ["show", "ip", "slb", "reals"]


def test_a_connection_carries_one_request() -> None:
    request = RequestReader().receive(b"show version\nclear ip slb sessions\n")
    assert request is not None
    assert request.words() == ["show", "version"]


def test_a_request_that_is_too_long_is_refused_on_both_sides() -> None:
    with pytest.raises(RequestError, match=f"one line of at most {MAX_REQUEST_SIZE} bytes"):
        RequestReader().receive(b"x" * MAX_REQUEST_SIZE)
    with pytest.raises(RequestError, match=f"expected at most {MAX_REQUEST_SIZE}"):
        encode_request(["x" * MAX_REQUEST_SIZE])


def test_a_line_feed_within_a_word_is_refused() -> None:
    with pytest.raises(RequestError, match="expected no line feed"):
        encode_request(["show", "a\nb"])


def test_words_that_are_no_text_or_not_closed_are_refused() -> None:
    request = RequestReader().receive(b"\xff\n")
    assert request is not None
    with pytest.raises(RequestError, match="not UTF-8"):
        request.words()
    with pytest.raises(CommandError, match="a quotation is not closed"):
        split_words("show 'ip")


@given(st.text(st.sampled_from("ab '\"\\\t\n\r\v\u2003|#é")))
def test_the_words_of_a_line_are_those_of_a_shell(line: str) -> None:
    words = None
    with suppress(ValueError):
        words = shlex.split(line)
    if words is None:
        with pytest.raises(CommandError, match="a quotation is not closed"):
            split_words(line)
    else:
        assert split_words(line) == words


def test_a_line_with_more_words_than_any_command_has_is_refused() -> None:
    assert len(split_words("a " * MAX_WORDS)) == MAX_WORDS
    with pytest.raises(CommandError, match=f"too many words; expected at most {MAX_WORDS}"):
        split_words("a " * (MAX_WORDS + 1))


@given(st.lists(st.text(st.characters(exclude_characters="\n\x04", exclude_categories=["Cs"]))), st.integers(1, 9))
def test_an_answer_comes_in_whole_lines_and_is_complete_with_its_end_mark(lines: list[str], size: int) -> None:
    sent = encode_lines(lines) + END_MARK
    reader = AnswerReader()
    received = b""
    for start in range(0, len(sent), size):
        assert not reader.is_complete
        piece = reader.receive(sent[start : start + size])
        assert piece[-1:] in (b"", b"\n")
        received += piece
    assert reader.is_complete
    assert received == encode_lines(lines)


@given(st.lists(st.sampled_from([PAUSE_MARK, b"one\n", b"two\n"])), st.integers(1, 9))
def test_pauses_are_no_part_of_an_answer(pieces: list[bytes], size: int) -> None:
    sent = b"".join(pieces) + END_MARK
    reader = AnswerReader()
    received = b"".join(reader.receive(sent[start : start + size]) for start in range(0, len(sent), size))
    assert reader.is_complete
    assert received == b"".join(piece for piece in pieces if piece != PAUSE_MARK)


def test_an_answer_that_is_cut_off_is_not_complete() -> None:
    reader = AnswerReader()
    reader.receive(b"one\ntwo\nthr")
    assert not reader.is_complete


def test_an_error_is_marked_on_each_of_its_lines() -> None:
    assert error_lines("no such file\nnothing was changed") == ["% no such file", "% nothing was changed"]
    assert is_error(b"one\n% two\n")
    assert not is_error(b"50 % of all\n")


def test_help_is_a_word_and_a_text_on_each_line() -> None:
    offered = [Expectation("reals", "Real servers"), Expectation("<cr>", "")]
    assert parse_help(encode_lines(help_answer(offered))) == [("reals", "Real servers"), ("<cr>", "")]
