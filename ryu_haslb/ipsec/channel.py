"""A Unix socket to a program that may hang: whoever waits for it waits a second in all, or so long as he has said."""

from __future__ import annotations

import os
import socket
import time
from typing import Optional

#: Seconds that a conversation may take, unless its caller has more time.
PATIENCE = 1.0
_LARGEST_PIECE = 64 * 1024


class Channel:
    """A socket that gives up when the other side's time is over; its methods are those that the vici package calls."""

    def __init__(self, path: str, patience: float = PATIENCE) -> None:
        self._end = time.monotonic() + patience
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

    def settimeout(self, seconds: Optional[float]) -> None:
        """Be patient for so long from now on: vici asks for it before each event that it waits for. None, after the
        first bytes of every message, would be for ever, and changes nothing."""
        if seconds is not None:
            self._end = time.monotonic() + seconds

    def _hurry(self) -> None:
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise socket.timeout
        self._socket.settimeout(remaining)
