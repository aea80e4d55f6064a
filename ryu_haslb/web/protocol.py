"""The HTTP protocol of one connection under eventlet's server: reads requests strictly, each part within its time.

The head of a request has to be complete within :data:`HEAD_TIMEOUT`, its body within :data:`BODY_TIMEOUT`; an answer
lasts :data:`ANSWER_TIMEOUT` at most, and its reader takes at most :data:`SEND_TIMEOUT` for each piece of it. Which
connection goes when there are too many is decided in :mod:`ryu_haslb.web.connection_limit`.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from http import HTTPStatus
from io import BytesIO
from itertools import count
from typing import Any, Optional

import eventlet
import eventlet.wsgi

from ryu_haslb.web.connection_limit import Client, Clients
from ryu_haslb.web.request import MAX_FIELDS, MAX_HEAD_SIZE, BadRequestError, Head, body_length, parse_head
from ryu_haslb.web.route import MAX_BODY
from ryu_haslb.web.site import SECURITY_HEADERS

#: Seconds that a connection may be idle before its first request, and between two requests.
IDLE_TIMEOUT = 10.0
#: Seconds from the first byte of a request to the end of its header fields.
HEAD_TIMEOUT = 10.0
#: Seconds that the body of a request may take.
BODY_TIMEOUT = 10.0
#: Seconds that a client may take to read a piece of the answer.
SEND_TIMEOUT = 10.0
#: Seconds that an answer may take. A list of a million sessions takes some 30 s to make.
ANSWER_TIMEOUT = 300.0
#: Bytes of a body that nothing has read, which are discarded so that the client can read the answer (RFC 9112
#: section 9.6). After more the connection is closed at once.
MAX_DISCARDED = 8 * 1024 * 1024
#: The path that has places of its own.
SCRAPED = "/metrics"
_DISCARD_SIZE = 16 * 1024
#: Bytes of a line around a chunk: its length with extensions, or a trailer field.
_MAX_CHUNK_LINE = 1024
#: Chunks, which may have one byte each, after which other work has its turn.
_CHUNKS_PER_SLICE = 100
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r\n")


class BodyReader:
    """Reads the body of a request, all of which has to come within :data:`BODY_TIMEOUT`."""

    def __init__(self, stream: Any, length: Optional[int]) -> None:
        """``length`` is None for a body in chunks."""
        self._stream, self._left = stream, length
        self.is_at_end = length == 0

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes of the body, fewer only at its end. To be called once.

        Raises: BadRequestError if they do not come.
        """
        if self.is_at_end:
            return b""
        try:
            with eventlet.Timeout(BODY_TIMEOUT, BadRequestError(408, f"body incomplete after {BODY_TIMEOUT:g} s")):
                return self._read_chunks(size) if self._left is None else self._read_bytes(size, self._left)
        except OSError as error:
            raise BadRequestError(400, "the connection failed within the body") from error

    def discard(self) -> bool:
        """Read the rest of the body; False if it is in chunks, too large, or takes too long."""
        left = MAX_DISCARDED if self._left is None else self._left
        if left > MAX_DISCARDED:
            return False
        with suppress(OSError), eventlet.Timeout(BODY_TIMEOUT, False):
            while left > 0:
                data = self._stream.read1(min(left, _DISCARD_SIZE))
                if not data:
                    return False
                left -= len(data)
                eventlet.sleep(0)
            self.is_at_end = self._left is not None
        return self.is_at_end

    def _read_bytes(self, size: int, left: int) -> bytes:
        data: bytes = self._stream.read(min(size, left))
        self._left = left - len(data)
        if len(data) < min(size, left):
            raise BadRequestError(400, "body incomplete; expected as many bytes as Content-Length says")
        self.is_at_end = self._left == 0
        return data

    def _read_chunks(self, size: int) -> bytes:
        """RFC 9112 section 7.1. Extensions of chunks and trailer fields are ignored."""
        data = bytearray()
        for number in count(1):
            if len(data) >= size:
                break
            if not number % _CHUNKS_PER_SLICE:
                eventlet.sleep(0)
            line = self._stream.readline(_MAX_CHUNK_LINE)
            found = _CHUNK_LINE.fullmatch(line)
            if found is None:
                raise BadRequestError(400, "malformed chunk; expected its length in hexadecimal digits")
            length = int(found[1], 16)
            if length == 0:
                self._skip_trailers()
                self.is_at_end = True
                break
            piece = self._stream.read(min(length, size - len(data)))
            data += piece
            if len(piece) == length and self._stream.read(2) != b"\r\n":
                raise BadRequestError(400, "malformed chunk; expected a line end behind its bytes")
            if not piece:
                raise BadRequestError(400, "body incomplete; expected a last chunk of length 0")
        return bytes(data)

    def _skip_trailers(self) -> None:
        for _ in range(MAX_FIELDS):
            if self._stream.readline(_MAX_CHUNK_LINE) in (b"\r\n", b""):
                return
        raise BadRequestError(400, f"too many trailer fields; expected at most {MAX_FIELDS}")


class Protocol(eventlet.wsgi.HttpProtocol):  # type: ignore[misc]
    """One connection. ``conn_state`` is eventlet's: address, socket, state; at its end are our clients, and this one.

    Eventlet needs a class here, and no other arguments: its version of Debian 12 makes the object before it calls this.
    """

    def __init__(self, conn_state: Any, server: Any) -> None:
        self._clients: Clients
        self._client: Client
        self._clients, self._client = conn_state.pop()
        super().__init__(conn_state, server)

    def handle_one_request(self) -> None:
        """Read a request and answer it. ``close_connection`` says afterwards whether the connection ends."""
        self.close_connection = True
        try:
            head = self._read_head()
            if head is None:
                return
            self._take(head)
            body = BodyReader(self.rfile, body_length(head))
            content = self._read_body(head, body)
            if not self._clients.begin(self._client, head.target.partition("?")[0] == SCRAPED, time.monotonic()):
                raise BadRequestError(503, "too many requests at the same time; try again")
        except BadRequestError as error:
            self._refuse(error)
            return
        with eventlet.Timeout(ANSWER_TIMEOUT, False):
            self._answer(content)
        eventlet.sleep(0)  # the next request may be there already, and so on
        self._clients.wait(self._client, time.monotonic())
        if not body.is_at_end:
            self.connection.settimeout(None)
            self.close_connection |= not body.discard()

    def finish(self) -> None:
        """Close the connection. The base class leaves it open when a client has left with bytes on their way to it: a
        socket is open as long as what reads from it is."""
        self.environ: dict[str, Any] = {}  # the old one leads back here: no collection of cycles is needed
        for stream in (self.wfile, self.rfile):
            with suppress(OSError):
                stream.close()
        super().finish()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: the base class writes a line on standard error for each request that it refuses."""

    def _read_head(self) -> Optional[Head]:
        """The head of the next request; None if the client leaves, or sends nothing.

        Raises: BadRequestError if it is malformed, too large or too slow.
        """
        self.connection.settimeout(None)  # eventlet's timeouts hold for the whole, not for each read
        has_begun = False
        with suppress(OSError), eventlet.Timeout(IDLE_TIMEOUT, False):
            has_begun = bool(self.rfile.peek(1))
        with suppress(OSError):
            return self._read_lines() if has_begun else None
        return None

    def _read_lines(self) -> Optional[Head]:
        lines: list[bytes] = []
        left = MAX_HEAD_SIZE
        with eventlet.Timeout(HEAD_TIMEOUT, BadRequestError(408, f"header incomplete after {HEAD_TIMEOUT:g} s")):
            while True:
                line = self.rfile.readline(left + 1)
                if not line.endswith(b"\n"):
                    if len(line) <= left:
                        return None  # the client has left
                    raise BadRequestError(431, f"header too large; expected at most {MAX_HEAD_SIZE} bytes")
                left -= len(line)
                if line != b"\r\n":
                    lines.append(line)
                elif lines:
                    return parse_head(lines)
                if len(lines) > 1 + MAX_FIELDS:
                    raise BadRequestError(431, f"too many header fields; expected at most {MAX_FIELDS}")

    def _take(self, head: Head) -> None:
        """Set what eventlet's handler reads."""
        self.command, self.path, self.headers = head.method, head.target, head.fields
        self.request_version = f"HTTP/1.{head.minor}"
        self.requestline = f"{head.method} {head.target} {self.request_version}"
        self.close_connection = not head.keeps_alive or body_length(head) is None

    def _read_body(self, head: Head, body: BodyReader) -> bytes:
        """The body, if it is not longer than any request may have; else the site refuses it by its length."""
        if (body_length(head) or 0) > MAX_BODY:
            return b""
        if head.minor == 1 and head.fields.get("Expect", "").lower() == "100-continue" and not body.is_at_end:
            with suppress(OSError):  # RFC 9110 section 10.1.1
                self.connection.settimeout(SEND_TIMEOUT)
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.wfile.flush()
        self.connection.settimeout(None)
        return body.read(MAX_BODY + 1)

    def _answer(self, content: bytes) -> None:
        self.connection.settimeout(SEND_TIMEOUT)
        self.environ = self.get_environ()
        self.environ["wsgi.input"] = BytesIO(content)
        self.environ["eventlet.input"] = eventlet.wsgi.Input(self.rfile, 0, self.connection)  # all of it is read
        self.application = self.server.app
        try:
            self.handle_one_response()
        except OSError:  # the client has left
            self.close_connection = True

    def _refuse(self, error: BadRequestError) -> None:
        """Answer a request that is not carried out, and close the connection."""
        status = HTTPStatus(error.status)
        body = json.dumps({"error": str(error)}).encode()
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **({"Retry-After": "1"} if error.status == 503 else {}),
            **SECURITY_HEADERS,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.connection.settimeout(SEND_TIMEOUT)
        with suppress(OSError):
            self.wfile.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + body)
            self.wfile.flush()
        self.close_connection = True
