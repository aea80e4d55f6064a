"""Reads the JSON messages of the database's servers. Pure.

The parser of the ``ovs`` package handles one character at a time: a configuration of 100 kB would stop the event loop
for half a second. This one looks for the end of a message by its quotes and brackets, and leaves the rest to the
standard library: the same takes some 10 ms. It has the methods of :class:`ovs.json.Parser`, in whose place it is put.
"""

from __future__ import annotations

import json
import re
from typing import Any, Union

import ovs.json

#: Characters of one message: far more than all shared rows have together.
MAX_MESSAGE_SIZE = 32 * 1024 * 1024
#: Brackets in one another; OVSDB's messages have a dozen.
MAX_DEPTH = 100

_OUTSIDE = re.compile(r'["{}\[\]]')
_IN_STRING = re.compile(r'["\\]')


class MessageParser:
    """Collects one message, an object or an array, from the pieces in which it arrives."""

    def __init__(self, check_trailer: bool = False) -> None:
        self._pieces: list[str] = []
        self._size = self._depth = 0
        self._is_in_string = self._is_escaped = self._is_done = False
        self._error = ""

    def feed(self, text: str) -> int:
        """Add characters; returns how many of them belong to the message."""
        end = self._end(text)
        self._pieces.append(text[:end])
        self._size += end
        if self._size > MAX_MESSAGE_SIZE:
            self._fail(f"a message of more than {MAX_MESSAGE_SIZE} characters")
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
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            return f"not JSON: {error}"

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


def install() -> None:
    """Let the ``ovs`` package read messages by :class:`MessageParser`, unless it has its parser in C."""
    if ovs.json.PARSER == ovs.json.PARSER_PY:
        ovs.json.Parser = MessageParser
