"""A Unix socket to a program that may hang: whoever waits for it waits a second in all, and no longer."""

from __future__ import annotations

import os
import socket
import time

#: Seconds that a conversation may take.
PATIENCE = 1.0
_LARGEST_PIECE = 64 * 1024


class Channel:
    """A socket that gives up when the other side's time is over; its methods are those that the vici package calls."""

    def __init__(self, path: str) -> None:
        self._end = time.monotonic() + PATIENCE
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._hurry()
            self._socket.connect(os.fsencode(path))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._hurry()
        self._socket.sendall(data)

    def recv(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        self._hurry()
        return self._socket.recv(min(size, _LARGEST_PIECE))

    def gettimeout(self) -> None:
        """No time-out of vici's choice."""

    def settimeout(self, _: object) -> None:
        """Only the end of our patience counts."""

    def _hurry(self) -> None:
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise socket.timeout
        self._socket.settimeout(remaining)
