"""Reads the JSON messages of the database's servers, in slices between which requests are served.

The parser of the ``ovs`` package handles one character at a time: a configuration of 100 kB would stop the event loop
for half a second. This one looks for the end of a message by its quotes and brackets, and leaves the rest to the
standard library: the same takes some 10 ms. The package also reads for as long as there is something to read, and keeps
what its peer does not read. :class:`SlicedConnection` does neither.
"""

from __future__ import annotations

import codecs
import errno
import json
import re
from typing import Any, Optional, Union

import ovs.jsonrpc

#: Bytes that are read in one slice.
SLICE = 1 << 16
#: Characters of one message. The schema allows 24,640 rows of some 300, and a configuration of a million.
MAX_MESSAGE_SIZE = 16 * 1024 * 1024
#: Values of one message, which cost more time and memory than its characters: 10 for each of those rows.
MAX_VALUES = 250_000
#: Objects of one message: two for each of those rows, and some more for their deletion.
MAX_OBJECTS = 1 << 16
#: Characters of a schema, which the ``ovs`` package reads in one go; servers' own have 5,000 at most.
MAX_SCHEMA_SIZE = 1 << 17
#: Brackets in one another; OVSDB's messages have a dozen.
MAX_DEPTH = 100
#: Digits of a number; OVSDB's have 64 bits. Python before 3.9.14 takes minutes for a million of them.
MAX_DIGITS = 20
#: Characters that a server may leave unread, of transactions and of answers to its questions.
MAX_UNSENT = 8 * 1024 * 1024

_OUTSIDE = re.compile(r'["{}\[\]]')
_IN_STRING = re.compile(r'["\\]')


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    return int(text)


def _is_schema(message: Any) -> bool:
    """Whether a message is a reply to ``get_schema`` (RFC 7047, section 4.1.2)."""
    result = message.get("result") if isinstance(message, dict) else None
    return isinstance(result, dict) and "tables" in result


class MessageParser:
    """Collects one message, an object or an array, from the pieces in which it arrives."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = self._depth = self._values = self._objects = 0
        self._is_in_string = self._is_escaped = self._is_done = False
        self._error = ""

    def feed(self, text: str) -> int:
        """Add characters; returns how many of them belong to the message."""
        end = self._end(text)
        self._pieces.append(text[:end])
        self._size += end
        objects = text.count("{", 0, end)  # those in texts as well
        self._objects += objects
        self._values += objects + sum(text.count(mark, 0, end) for mark in "[,")
        if self._size > MAX_MESSAGE_SIZE:
            self._fail(f"a message of more than {MAX_MESSAGE_SIZE} characters")
        elif self._values > MAX_VALUES:
            self._fail(f"a message of more than {MAX_VALUES} values")
        elif self._objects > MAX_OBJECTS:
            self._fail(f"a message of more than {MAX_OBJECTS} objects")
        return end

    def is_done(self) -> bool:
        """Whether the message is complete, or wrong."""
        return self._is_done

    def finish(self) -> Union[str, Any]:
        """The message; a text that says what is wrong if it is none."""
        text, self._pieces = "".join(self._pieces), []
        if not self._error and not self._is_done:
            self._error = "the message has no end"
        if self._error:
            return self._error
        try:
            message = json.loads(text, parse_int=_integer)
        except (ValueError, RecursionError) as error:
            return f"not JSON: {error}"
        if len(text) > MAX_SCHEMA_SIZE and _is_schema(message):
            return f"a schema of more than {MAX_SCHEMA_SIZE} characters"
        return message

    def _end(self, text: str) -> int:
        """Where the message ends in this text; the length of the text if it goes on."""
        position = 0
        while not self._is_done:
            if self._is_escaped:
                if position == len(text):
                    return position
                self._is_escaped, position = False, position + 1
            found = (_IN_STRING if self._is_in_string else _OUTSIDE).search(text, position)
            if found is None:
                if self._depth == 0 and text[position:].strip():
                    self._fail("neither an object nor an array")
                return len(text)
            position = found.end()
            self._on_mark(found.group())
        return position

    def _on_mark(self, mark: str) -> None:
        if mark == "\\":
            self._is_escaped = True
        elif mark == '"':
            self._is_in_string = not self._is_in_string
        else:
            self._depth += 1 if mark in "{[" else -1
        if self._depth > MAX_DEPTH:
            self._fail(f"more than {MAX_DEPTH} brackets in one another")
        elif self._depth <= 0 and not self._is_in_string:
            self._is_done = True

    def _fail(self, error: str) -> None:
        self._error, self._is_done = error, True


class SlicedConnection(ovs.jsonrpc.Connection):  # type: ignore[misc]
    """A connection to a server that reads :data:`SLICE` bytes at a time; the poller wakes if there is more."""

    input: str
    parser: Optional[MessageParser]

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def recv(self) -> tuple[int, Any]:
        """An error number and a message, of which one counts; ``EAGAIN``: the next message is not complete."""
        if not self.status and len(self.output) > MAX_UNSENT:
            self.error(errno.ENOBUFS)
        if not self.status and not self.input:
            self._read()
        if self.status or not self.input:
            return self.status or errno.EAGAIN, None
        if self.parser is None:
            self.parser = MessageParser()
        self.input = self.input[self.parser.feed(self.input) :]
        if not self.parser.is_done():
            return errno.EAGAIN, None
        message: Optional[Any] = self._Connection__process_msg()
        return (self.status, None) if message is None else (0, message)

    def _read(self) -> None:
        error, received = self.stream.recv(SLICE)
        if error == errno.EAGAIN:
            return
        if error or not received:
            self.error(error or ovs.jsonrpc.EOF)
            return
        self.received_bytes += len(received)
        try:
            self.input = self._decoder.decode(received)
        except UnicodeDecodeError:
            self.error(errno.EILSEQ)


def install() -> None:
    """Let the ``ovs`` package use this connection."""
    ovs.jsonrpc.Connection = SlicedConnection
