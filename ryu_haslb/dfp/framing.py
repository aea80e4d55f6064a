"""Cut a TCP byte stream into DFP messages, however it was segmented."""

from __future__ import annotations

from collections.abc import Iterator

from ryu_haslb.dfp.messages import HEADER, VERSION

MAX_MESSAGE_LENGTH = 65536
"""The longest message that is accepted, in bytes. 128 hosts need 1.2 KiB; a bind id table fills at most this."""


class FramingError(ValueError):
    """The stream can no longer be cut into messages: close the connection."""


class FrameReader:
    """Collects bytes of one connection and yields the messages in them. Holds at most one message and one segment."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what has arrived; the result yields each message that is now complete, header included.

        :raises FramingError: (after the messages before it) the version is not 1, or the length cannot be.
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
        """Keep the bad header only, so that a stream that is fed on keeps failing and takes no memory."""
        del self._buffer[HEADER.size :]
        return FramingError(reason)
