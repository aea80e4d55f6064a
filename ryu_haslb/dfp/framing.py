"""Cuts the byte stream of a TCP connection into DFP messages."""

from __future__ import annotations

from collections.abc import Iterator

from ryu_haslb.dfp.messages import HEADER, VERSION
from ryu_haslb.errors import HaslbError

#: Bytes of the longest message that is accepted. 128 hosts need 1.2 KiB, and a bind id table at most this.
MAX_MESSAGE_LENGTH = 65536


class FramingError(HaslbError, ValueError):
    """The stream cannot be cut into messages any more: close the connection."""


class FrameReader:
    """Collects the bytes of one connection and yields the messages. It holds at most one message and one segment."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add bytes that have arrived, and yield each message that is complete now, header included.

        :raises FramingError: the version is not 1, or the length is impossible; raised behind the messages before it.
        """
        self._buffer += data
        return self._complete()

    def _complete(self) -> Iterator[bytes]:
        while len(self._buffer) >= HEADER.size:
            version, _, length = HEADER.unpack_from(self._buffer)
            if version != VERSION:
                raise self._broken(f"DFP version is {version}; expected {VERSION}")
            if not HEADER.size <= length <= MAX_MESSAGE_LENGTH:
                raise self._broken(f"message length is {length}; expected {HEADER.size} to {MAX_MESSAGE_LENGTH}")
            if len(self._buffer) < length:
                return
            frame = bytes(self._buffer[:length])
            del self._buffer[:length]
            yield frame

    def _broken(self, reason: str) -> FramingError:
        """The error to raise. Only the bad header is kept: further bytes fail again and take no memory."""
        del self._buffer[HEADER.size :]
        return FramingError(reason)
