"""The protocol of a control socket, as bytes and words: pure, shared by every server and client.

A client connects to a Unix socket and sends one request: a line of shell-quoted words. The server answers with lines
and closes the connection. A line that begins with :data:`ERROR_MARK` is an error. A client that must detect a truncated
answer puts :data:`END_MARK` at the end of its line; the server then sends the same byte as the last byte of the answer,
and :data:`PAUSE_MARK` in between, where a search through many lines has found none. A request whose first word is
:data:`HELP` asks which words may stand in the place of its last word; each line of that answer is a word, a tab and a
help text.

A server feeds what it receives to a :class:`RequestReader` and sends :func:`encode_lines`, then :data:`END_MARK` if
:attr:`Request.wants_end`. A client sends :func:`encode_request` and feeds what it receives to an :class:`AnswerReader`.
Neither needs a particular kind of socket: the balancer uses eventlet, the lab's nodes asyncio, ``haslb`` plain sockets.
The listening socket of each server is a :class:`ryu_haslb.control.listener.ControlListener`; clients are
:class:`ryu_haslb.cli.client.ControlClient`. A server under asyncio is::

    async def serve(reader, writer):
        requests = RequestReader()
        while (request := requests.receive(await reader.read(4096))) is None:  # an empty read: the client has left
            ...
        for line in answer_to(request.words()):
            writer.write(encode_lines([line]))
        if request.wants_end:
            writer.write(END_MARK)

    await asyncio.start_unix_server(serve, sock=ControlListener(path, server="node").socket)
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from ryu_haslb.errors import HaslbError
from ryu_haslb.language.grammar import CommandError, Expectation
from ryu_haslb.language.wording import printable

CONTROL_VARIABLE = "HASLB_CONTROL"
DEFAULT_CONTROL = "/run/haslb.sock"
#: The control socket of the service that the Debian package installs, in the one folder that its user may write to.
SERVICE_CONTROL = "/run/haslb/haslb.sock"

#: Bytes of a request, the line feed included.
MAX_REQUEST_SIZE = 64 * 1024
ERROR_MARK = "% "
END_MARK = b"\x04"
#: No part of an answer: it shows a client that waits for one that the server is still at work.
PAUSE_MARK = b"\0"
HELP = "?"
JSON_FLAG = "--json"
#: Separates word and help in an answer to :data:`HELP`.
_TAB = "\t"
#: Words of a command: more than any needs, its filters included. Each filter is a generator within the next one.
MAX_WORDS = 256
#: A word of a command line as in a POSIX shell and the spaces around it, and a part of a word that is quoted.
_WORD = re.compile(r"""[ \t\r\n]*((?:[^ \t\r\n'"\\]+|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)[ \t\r\n]*""", re.DOTALL)
_QUOTED = re.compile(r"""\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')
#: Separates the configuration commands in the one argument of ``config``. No configuration command contains it.
SEPARATOR = "\x1f"


class RequestError(HaslbError):
    """A request that breaks the rules of the protocol: too long, not UTF-8, or with a line feed inside."""


@dataclass(frozen=True)
class Request:
    """One request as it was received: the bytes of its line without marks, and whether the client wants an end mark."""

    line: bytes
    wants_end: bool

    def words(self) -> list[str]:
        """The words of the line, unquoted as in a shell.

        Raises: RequestError if the line is not UTF-8, CommandError if a quotation is not closed.
        """
        try:
            text = self.line.decode("utf-8")
        except UnicodeDecodeError:
            raise RequestError("not UTF-8; expected text") from None
        return split_words(text)


class RequestReader:
    """Collects a request from the bytes that a server receives on one connection."""

    def __init__(self) -> None:
        self._received = b""

    def receive(self, data: bytes) -> Optional[Request]:
        """Add received bytes; return the request once its line feed is there, None before.

        Bytes behind the line feed are ignored: a connection carries one request. A connection that ends before the
        line feed carried none, since half a command may mean something else than the whole.

        Raises: RequestError for a line longer than :data:`MAX_REQUEST_SIZE`.
        """
        self._received += data
        line, feed, _ = self._received.partition(b"\n")
        if feed:
            return Request(line.removesuffix(END_MARK), line.endswith(END_MARK))
        if len(self._received) >= MAX_REQUEST_SIZE:
            raise RequestError(f"a command is one line of at most {MAX_REQUEST_SIZE} bytes")
        return None


class AnswerReader:
    """Splits the bytes that a client receives into pieces of whole lines, until the end mark."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def is_complete(self) -> bool:
        """Whether the end mark has come. A connection that closes before it has lost a part of the answer."""
        return self._rest == END_MARK

    def receive(self, data: bytes) -> bytes:
        """Add received bytes; return the lines that are complete now, perhaps none."""
        lines, feed, self._rest = (self._rest + data.replace(PAUSE_MARK, b"")).rpartition(b"\n")
        return lines + feed


def split_words(text: str) -> list[str]:
    """The words of a command line, unquoted as in a shell.

    They are those of :func:`shlex.split`, which takes 0.1 s for the longest request.

    Raises: CommandError if a quotation is not closed, or if there are more than :data:`MAX_WORDS`.
    """
    words: list[str] = []
    place, end = 0, len(text.rstrip(" \t\r\n"))
    while place < end:
        found = _WORD.match(text, place)
        if found is None:
            raise CommandError("a quotation is not closed; expected its closing quote", 0)
        if len(words) == MAX_WORDS:
            raise CommandError(f"too many words; expected at most {MAX_WORDS}", MAX_WORDS)
        words.append(_QUOTED.sub(_unquoted, found[1]))
        place = found.end()
    return words


def _unquoted(part: re.Match[str]) -> str:
    escaped, single, double = part.groups()
    return escaped or single or _ESCAPED.sub(r"\1", double or "")


def encode_request(words: Sequence[str]) -> bytes:
    """The bytes of a request that asks for an end mark.

    Raises: RequestError if the words contain a line feed or are longer than :data:`MAX_REQUEST_SIZE`.
    """
    line = shlex.join(words)
    if "\n" in line:
        raise RequestError("a command is one line; expected no line feed in it")
    request = line.encode("utf-8", "surrogateescape") + END_MARK + b"\n"
    if len(request) > MAX_REQUEST_SIZE:
        raise RequestError(
            f"the command has {len(request)} bytes; expected at most {MAX_REQUEST_SIZE}; "
            "a longer configuration goes into a file: configure FILE"
        )
    return request


def encode_lines(lines: Iterable[str]) -> bytes:
    """The bytes of some lines of an answer, which do no harm on a terminal: NAIs and names come from the network."""
    return "".join(f"{printable(line, kept=_TAB)}\n" for line in lines).encode("utf-8", "replace")


def error_lines(error: object) -> list[str]:
    """The lines of an answer that reports an error, one for each line of its text."""
    return [ERROR_MARK + line for line in str(error).splitlines()]


def is_error(piece: bytes) -> bool:
    """Whether a piece of an answer, made of whole lines, contains an error line."""
    mark = ERROR_MARK.encode()
    return piece.startswith(mark) or b"\n" + mark in piece


def help_answer(expectations: Iterable[Expectation]) -> list[str]:
    """The lines of an answer to :data:`HELP`; :func:`parse_help` reads them."""
    return [f"{each.word}\t{each.help}" for each in expectations]


def parse_help(answer: bytes) -> list[tuple[str, str]]:
    """The words and help texts of an answer to :data:`HELP`."""
    pairs = (line.partition("\t") for line in answer.decode("utf-8", "replace").splitlines())
    return [(word, text) for word, _, text in pairs]
