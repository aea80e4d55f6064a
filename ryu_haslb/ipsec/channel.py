"""A Unix socket to a program that may hang, with one time-out for the whole exchange."""

from __future__ import annotations

import os
import socket
import time
from typing import Optional

#: Seconds that an exchange may take in all, unless its caller sets another time-out.
EXCHANGE_TIMEOUT = 1.0
_MAX_READ_SIZE = 64 * 1024


class Channel:
    """A connected Unix socket whose calls raise ``socket.timeout`` once the time-out for the exchange is over.

    Its methods are those that the vici package calls on a socket.
    """

    def __init__(self, path: str, timeout: float = EXCHANGE_TIMEOUT) -> None:
        self._deadline = time.monotonic() + timeout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._limit_next_call()
            self._socket.connect(os.fsencode(path))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def sendall(self, data: bytes) -> None:
        """Send ``data`` completely."""
        self._limit_next_call()
        self._socket.sendall(data)

    def recv(self, size: int) -> bytes:
        """Receive at most ``size`` bytes; no bytes mean that the other end has closed."""
        self._limit_next_call()
        return self._socket.recv(min(size, _MAX_READ_SIZE))

    def gettimeout(self) -> None:
        """None: the time-out of single calls, which vici saves and restores, does not exist here."""

    def settimeout(self, seconds: Optional[float]) -> None:
        """Set the time-out anew: vici does so before each event that it waits for.

        None, which vici sets after the first bytes of each message, would mean no time-out. It is ignored.
        """
        if seconds is not None:
            self._deadline = time.monotonic() + seconds

    def _limit_next_call(self) -> None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise socket.timeout
        self._socket.settimeout(remaining)
