"""A Unix socket to a program that may hang or lie, with one time-out for the whole exchange, and limits of its size."""

from __future__ import annotations

import os
import socket
import time
from typing import Optional

#: Seconds that an exchange may take in all, unless its caller sets another time-out.
EXCHANGE_TIMEOUT = 1.0
#: Bytes of one message at most; charon sends no larger one.
MAX_MESSAGE_SIZE = 512 * 1024
#: Bytes of all messages of an exchange at most; an association takes about 1 kB.
MAX_EXCHANGE_SIZE = 8 * 1024 * 1024
_MAX_READ_SIZE = 64 * 1024


class Channel:
    """A connected Unix socket whose calls raise ``socket.timeout`` once the time-out for the exchange is over.

    Its methods are those that the vici package calls on a socket.
    """

    def __init__(self, path: str, timeout: float = EXCHANGE_TIMEOUT) -> None:
        self._deadline = time.monotonic() + timeout
        self._room = MAX_EXCHANGE_SIZE
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
        """Receive at most ``size`` bytes, of the rest of a message; no bytes mean that the other end has closed.

        Other green threads run before: a program that always has more to say would keep them waiting.

        Raises: ValueError if the message or the exchange is too large.
        """
        if size > MAX_MESSAGE_SIZE:
            raise ValueError(f"a message of {size} bytes: expected {MAX_MESSAGE_SIZE} at most")
        if self._room < 0:
            raise ValueError(f"messages of more than {MAX_EXCHANGE_SIZE} bytes")
        time.sleep(0)
        self._limit_next_call()
        received = self._socket.recv(min(size, _MAX_READ_SIZE))
        self._room -= len(received)
        return received

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
