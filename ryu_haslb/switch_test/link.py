"""One connection to a switch: bytes in, messages out. It never blocks but in :meth:`Time.wait`."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple, Optional

from ryu_haslb.errors import HaslbError
from ryu_haslb.openflow.sockets import tls
from ryu_haslb.openflow.wire.errors import ProtocolError
from ryu_haslb.openflow.wire.framing import ReplyFraming
from ryu_haslb.openflow.wire.wire import HEADER, OFPT_MULTIPART_REPLY

#: Bytes that are read at once, and reads after which the messages of a stranger, or of a switch, are handled. A switch
#: gets as many as its socket can hold: what is not read counts as late.
_READ_SIZE, _READS_OF_STRANGER, _READS = 1 << 16, 16, 256
#: Bytes that the switch may leave unread: far more than one step of a test sends. It is answered each echo request.
MAX_UNSENT = 64 << 20
#: The same until a connection's handshake is complete: two messages of the greatest length.
MAX_UNSENT_OF_STRANGER = 1 << 17
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class LinkClosedError(HaslbError):
    """The connection has ended; the text says how."""


class Frame(NamedTuple):
    """A message with the fields of its header."""

    version: int
    kind: int
    xid: int
    data: bytes


class Link:
    """A connection that was accepted; with a ``context`` over TLS, whose handshake :meth:`receive` does first.

    Until :meth:`trust` the peer is a stranger: of its messages only an incomplete one is kept, and few unread answers.
    """

    def __init__(self, connection: socket.socket, address: str, context: Optional[ssl.SSLContext]) -> None:
        connection.setblocking(False)
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = address
        self.is_tls = context is not None
        self._needs_handshake = self.is_tls
        self._socket = connection
        if context is not None:
            self._socket = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._unsent = bytearray()
        self._received = b""
        self._replies: Optional[ReplyFraming] = None
        self._max_unsent = MAX_UNSENT_OF_STRANGER
        self._reads = _READS_OF_STRANGER

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()

    def trust(self) -> None:
        """The OpenFlow handshake is complete: the peer is a switch, whose answers may be long."""
        self._replies = ReplyFraming()
        self._max_unsent = MAX_UNSENT
        self._reads = _READS

    @property
    def has_unsent(self) -> bool:
        """Whether bytes wait until the switch reads."""
        return bool(self._unsent) and not self._needs_handshake

    def send(self, data: bytes) -> None:
        """Send bytes as soon as the switch takes them. Raises: LinkClosedError, also if it does not read."""
        self._unsent += data
        if not self._needs_handshake:
            self._flush()
        if len(self._unsent) > self._max_unsent:
            raise LinkClosedError(f"the switch has left {self._max_unsent >> 10} KiB unread")

    def receive(self) -> list[Frame]:
        """The whole messages that have arrived.

        Raises:
            LinkClosedError: the connection has ended, or what arrives is no OpenFlow message.
        """
        if self._needs_handshake and not self._does_handshake():
            return []
        self._flush()
        pieces = [self._received]
        reason = ""
        try:
            for _ in range(self._reads):
                piece = self._socket.recv(_READ_SIZE)
                if not piece:
                    reason = "the switch closed it"
                    break
                pieces.append(piece)
        except _WOULD_BLOCK:
            pass
        except OSError as error:
            reason = tls.reason(error)
        frames = self._split(b"".join(pieces))
        if reason and not frames:
            raise LinkClosedError(reason)
        return frames

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _does_handshake(self) -> bool:
        assert isinstance(self._socket, ssl.SSLSocket)
        try:
            self._socket.do_handshake()
        except _WOULD_BLOCK:
            return False
        except OSError as error:
            raise LinkClosedError(f"TLS handshake failed: {tls.reason(error)}") from error
        self._needs_handshake = False
        return True

    def _flush(self) -> None:
        try:
            while self._unsent:
                sent = self._socket.send(self._unsent)
                del self._unsent[:sent]
        except _WOULD_BLOCK:
            pass
        except OSError as error:
            raise LinkClosedError(f"sending failed: {tls.reason(error)}") from error

    def _split(self, received: bytes) -> list[Frame]:
        frames = []
        offset = 0
        while len(received) - offset >= HEADER.size:
            version, kind, length, xid = HEADER.unpack_from(received, offset)
            part = b""
            if self._replies is not None and (kind == OFPT_MULTIPART_REPLY or self._replies.is_within):
                part, length = self._part(self._replies, received, offset, length)
            if length < HEADER.size:
                raise LinkClosedError(f"a message of {length} bytes arrived: expected {HEADER.size} or more")
            if offset + length > len(received):
                break
            if part:
                version, kind, _, xid = HEADER.unpack_from(part)
            frames.append(Frame(version, kind, xid, part or received[offset : offset + length]))
            offset += length
        self._received = received[offset:]
        return frames

    @staticmethod
    def _part(replies: ReplyFraming, received: bytes, offset: int, declared: int) -> tuple[bytes, int]:
        try:
            return replies.next(received, offset, declared)
        except ProtocolError as error:
            raise LinkClosedError(f"{error} arrived") from error


class Time:
    """What the time is, and waiting for connections. Tests have a virtual one."""

    def now(self) -> float:
        """Seconds of a monotonic clock."""
        return time.monotonic()

    def wait(self, readable: Iterable[object], writable: Iterable[object], seconds: float) -> None:
        """Wait until one of these is ready, or until the time is over."""
        poll = select.poll()
        for each in readable:
            poll.register(each, select.POLLIN)  # type: ignore[arg-type]
        for each in writable:
            poll.register(each, select.POLLIN | select.POLLOUT)  # type: ignore[arg-type]
        poll.poll(max(0.0, seconds) * 1000)
