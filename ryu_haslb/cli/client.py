"""Asking a running balancer over its control socket. Without Ryu and eventlet, ``haslb`` starts fast."""

from __future__ import annotations

import os
import shlex
import socket
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Optional

from ryu_haslb.control.protocol import CONTROL_VARIABLE, DEFAULT_CONTROL, END_MARK, ERROR_MARK, HELP, LONGEST_REQUEST

#: Seconds within which a balancer that is well begins to answer, and goes on.
SILENCE = 30.0
_READ_SIZE = 1 << 16


class ControlError(Exception):
    """The balancer cannot be asked, or did not answer; the text says why and what to do, in one line."""


def control_path() -> str:
    """Where the environment says the control socket is."""
    return os.environ.get(CONTROL_VARIABLE) or DEFAULT_CONTROL


def ask(path: str, words: Sequence[str], silence: Optional[float] = SILENCE) -> Iterator[bytes]:
    """Send a command and generate its output as it comes, in pieces of whole lines.

    ``silence`` is how many seconds the balancer may take before each piece; None for a command that waits for events.
    Raises ControlError, also when the output breaks off before its end.
    """
    request = _encode(words)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        # Not settimeout(): a socket that does not block would not wait for its turn to connect either.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(SILENCE), 0))
        try:
            connection.connect(path)
            with suppress(BrokenPipeError):  # a balancer that refuses before it has read everything says why
                connection.sendall(request)
            connection.settimeout(silence)
            yield from _whole_lines(connection)
        except OSError as error:
            raise ControlError(_explain(path, error)) from error


def is_error(piece: bytes) -> bool:
    """Whether a piece of output has a line that is an error."""
    mark = ERROR_MARK.encode()
    return piece.startswith(mark) or b"\n" + mark in piece


def expectations(path: str, words: Sequence[str], prefix: str, silence: float = SILENCE) -> list[tuple[str, str]]:
    """What may follow these words and begins with ``prefix``: each word and its help. Raises ControlError."""
    answer = b"".join(ask(path, [HELP, *words, prefix], silence))
    if is_error(answer):
        raise ControlError(answer.decode("utf-8", "replace").strip().removeprefix(ERROR_MARK))
    pairs = (line.partition("\t") for line in answer.decode("utf-8", "replace").splitlines())
    return [(word, text) for word, _, text in pairs]


def _encode(words: Sequence[str]) -> bytes:
    line = shlex.join(words)
    if "\n" in line:
        raise ControlError("a command is one line; expected no line feed in it")
    request = line.encode("utf-8", "surrogateescape") + END_MARK + b"\n"
    if len(request) > LONGEST_REQUEST:
        raise ControlError(f"the command is too long; put it into a file and use {shlex.quote('haslb configure FILE')}")
    return request


def _whole_lines(connection: socket.socket) -> Iterator[bytes]:
    rest = b""
    while True:
        received = connection.recv(_READ_SIZE)
        if not received:
            raise ConnectionError("no end mark")
        lines, feed, rest = (rest + received).rpartition(b"\n")
        if feed:
            yield lines + feed
        if rest == END_MARK:
            return


_TROUBLE = (
    (FileNotFoundError, "no balancer serves {path}; start it, or name its socket with {elsewhere}"),
    (PermissionError, "{path} is for the user who runs the balancer; try sudo, or name another with {elsewhere}"),
    (
        ConnectionRefusedError,
        "the balancer that served {path} is gone; start it again, or name another with {elsewhere}",
    ),
    (ConnectionError, "the balancer at {path} broke off; look at its log"),
    ((socket.timeout, BlockingIOError), "the balancer at {path} does not answer; look at its log"),
    (OSError, "cannot reach a balancer at {path}: {reason}; name its socket with {elsewhere}"),
)


def _explain(path: str, error: OSError) -> str:
    text = next(text for kind, text in _TROUBLE if isinstance(error, kind))
    if isinstance(error, ConnectionRefusedError) and not stat.S_ISSOCK(os.stat(path).st_mode):
        text = "{path} is no socket; name the balancer's with {elsewhere}"
    elsewhere = f"--control PATH or {CONTROL_VARIABLE}"
    return text.format(path=path, elsewhere=elsewhere, reason=error.strerror or error)
