"""An answer that is read as it comes, however slowly it is taken."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event

import pytest

from ryu_haslb.cli.reading_ahead import read_ahead

#: Seconds that a thread has for what it does at once.
TIMEOUT = 60.0


def test_the_whole_answer_is_read_while_the_first_piece_is_looked_at() -> None:
    """As by ``less``: a server closes a connection that is not read for ten seconds."""
    is_read = Event()

    def answer() -> Generator[bytes, None, None]:
        yield b"1\n"
        yield b"2\n"
        is_read.set()

    pieces = read_ahead(answer())
    assert next(pieces) == b"1\n"
    assert is_read.wait(TIMEOUT)
    assert list(pieces) == [b"2\n"]


def test_an_answer_that_breaks_off_raises_behind_its_last_piece() -> None:
    def answer() -> Generator[bytes, None, None]:
        yield b"1\n"
        raise ConnectionError("no end mark")

    pieces = read_ahead(answer())
    assert next(pieces) == b"1\n"
    with pytest.raises(ConnectionError, match="no end mark"):
        next(pieces)


def test_who_stops_taking_ends_the_reading() -> None:
    """As Ctrl-C at the prompt: a million lines are not read in vain."""
    goes_on, is_closed = Event(), Event()

    def answer() -> Generator[bytes, None, None]:
        try:
            yield b"1\n"
            goes_on.wait(TIMEOUT)
            while True:
                yield b"further\n"
        finally:
            is_closed.set()

    pieces = read_ahead(answer())
    assert next(pieces) == b"1\n"
    pieces.close()  # type: ignore[attr-defined]
    goes_on.set()
    assert is_closed.wait(TIMEOUT)
