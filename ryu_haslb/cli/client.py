"""The client of a control socket: sends one command and reads its answer as it comes.

Plain sockets, without the engine and eventlet: ``haslb`` starts fast.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from typing import Optional

from ryu_haslb.control.listener import process_of
from ryu_haslb.control.protocol import (
    CONTROL_VARIABLE,
    DEFAULT_CONTROL,
    ERROR_MARK,
    HELP,
    SERVICE_CONTROL,
    AnswerReader,
    RequestError,
    encode_request,
    is_error,
    parse_help,
)
from ryu_haslb.errors import HaslbError
from ryu_haslb.language.wording import printable
from ryu_haslb.watchdog_process import is_suspended

#: Seconds that a server may take to begin its answer, and between two pieces of it.
ANSWER_TIMEOUT = 30.0
#: Seconds between two looks whether the server is suspended, while it does not answer.
LOOK_INTERVAL = 1.0
_READ_SIZE = 1 << 16
#: Control characters that an answer may have; without them it is printable.
_CONTROLS = "\n\t"
_WITHOUT_CONTROLS = dict.fromkeys(map(ord, _CONTROLS))


class ControlError(HaslbError):
    """The server cannot be reached, did not answer, or refused; one line says why and what to do."""


def control_path() -> str:
    """The balancer's control socket: from the environment, else of the service if it runs, else the default one."""
    return os.environ.get(CONTROL_VARIABLE) or (SERVICE_CONTROL if os.path.exists(SERVICE_CONTROL) else DEFAULT_CONTROL)


class ControlClient:
    """Asks the server of a control socket. Each command uses a connection of its own.

    ``server`` names the program in error texts, ``option`` the ways in which an operator can name another socket.
    """

    def __init__(
        self, path: str, server: str = "balancer", option: str = f"--control PATH or {CONTROL_VARIABLE}"
    ) -> None:
        self.path = path
        self._server = server
        self._option = option

    def ask(self, words: Sequence[str], timeout: Optional[float] = ANSWER_TIMEOUT) -> Generator[bytes, None, None]:
        """Send a command and generate its answer as it comes, in pieces of whole lines.

        ``timeout`` is in seconds for each piece; None for a command that waits for events.

        Raises: ControlError, also when the answer is cut off before its end.
        """
        try:
            request = encode_request(words)
        except RequestError as error:
            raise ControlError(str(error)) from None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            # SO_SNDTIMEO instead of settimeout(): connect() on a non-blocking socket fails at once while the backlog
            # is full, instead of waiting for a place in it.
            sent_within = struct.pack("ll", int(ANSWER_TIMEOUT), 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, sent_within)
            try:
                connection.connect(self.path)
                with suppress(BrokenPipeError):  # a server that refuses a request before its end has said why
                    connection.sendall(request)
                yield from self._read_answer(connection, timeout)
            except OSError as error:
                raise ControlError(self._explain(error)) from error

    def lines(self, words: Sequence[str], timeout: Optional[float] = ANSWER_TIMEOUT) -> Iterator[str]:
        """What :meth:`ask` generates, as single lines of text without line feeds."""
        for piece in self.ask(words, timeout):
            yield from piece.decode("utf-8", "replace").removesuffix("\n").split("\n")

    def expectations(self, words: Sequence[str], prefix: str, timeout: float = ANSWER_TIMEOUT) -> list[tuple[str, str]]:
        """The words that may follow ``words`` and begin with ``prefix``, each with its help text.

        Raises: ControlError, also when ``words`` begin no command.
        """
        answer = b"".join(self.ask([HELP, *words, prefix], timeout))
        if is_error(answer):
            raise ControlError(answer.decode("utf-8", "replace").strip().removeprefix(ERROR_MARK))
        return parse_help(answer)

    def _read_answer(self, connection: socket.socket, timeout: Optional[float]) -> Iterator[bytes]:
        """Pieces of whole lines until the end mark.

        Raises: OSError; ConnectionError if the end mark is missing; ControlError if the server is suspended.
        """
        reader = AnswerReader()
        while not reader.is_complete:
            received = self._receive(connection, timeout)
            if not received:
                raise ConnectionError("no end mark")
            lines = reader.receive(received)
            if lines:
                yield _harmless(lines)

    def _receive(self, connection: socket.socket, timeout: Optional[float]) -> bytes:
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LOOK_INTERVAL if until is None else max(0.001, until - time.monotonic())
            connection.settimeout(min(LOOK_INTERVAL, left))
            try:
                return connection.recv(_READ_SIZE)
            except socket.timeout:
                process = process_of(connection)  # 0 if it is in another namespace
                if is_suspended(process):
                    raise ControlError(
                        f"the {self._server} at {self.path} is suspended (process {process}); resume it with kill "
                        f"-CONT {process}"
                    ) from None
                if left <= LOOK_INTERVAL and until is not None:
                    raise

    def _explain(self, error: OSError) -> str:
        text = next(text for kind, text in _EXPLANATIONS if isinstance(error, kind))
        if isinstance(error, ConnectionRefusedError) and self._is_other_file():
            text = "{path} is no socket; name the control socket of the {server} with {option}"
        reason = error.strerror or error
        return text.format(path=self.path, server=self._server, option=self._option, reason=reason)

    def _is_other_file(self) -> bool:
        """Whether something else than a socket is at the path; a server that starts may just remove what it finds."""
        try:
            return not stat.S_ISSOCK(os.stat(self.path).st_mode)
        except OSError:
            return False


def _harmless(lines: bytes) -> bytes:
    """Lines that do no harm on a terminal. The balancer escapes what strangers write; but another program may serve the
    socket, as another user."""
    text = lines.decode("utf-8", "replace")
    is_harmless = text.translate(_WITHOUT_CONTROLS).isprintable()
    return (text if is_harmless else printable(text, kept=_CONTROLS)).encode()


_EXPLANATIONS = (
    (FileNotFoundError, "no {server} serves {path}; start it, or name its socket with {option}"),
    (
        PermissionError,
        "{path} may be used by the owner of the {server} alone; try sudo, or name another socket with {option}",
    ),
    (
        ConnectionRefusedError,
        "the {server} that served {path} has ended; start it again, or name another socket with {option}",
    ),
    (ConnectionError, "the {server} at {path} closed the connection before the end of its answer; see its log"),
    ((socket.timeout, BlockingIOError), "the {server} at {path} did not answer in time; see its log"),
    (OSError, "cannot connect to a {server} at {path}: {reason}; name its socket with {option}"),
)
