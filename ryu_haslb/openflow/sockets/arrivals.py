"""Reads what has arrived at a socket, again and again, in one green thread.

For each wait eventlet tries to read, registers the socket at its event loop, sets a timer, and removes both. A
connection that gets a packet every 100 microseconds pays more for that than for the requests themselves. Here the
socket stays registered as long as its green thread waits whenever the loop finds bytes. It waits before each read, and
others have their turn then, also when there are always more bytes::

    read()         -> registered, and the green thread waits
    bytes arrive   -> it waits: it reads them
                   -> it does something else (it waits until the peer reads, say): registered no longer, since the loop
                      would find the same bytes again and again; the next read() registers it
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Optional

import eventlet
from eventlet import hubs


class Arrivals:
    """What arrives at a socket that does not block; ``size`` bytes are read at most."""

    def __init__(self, connection: Any, size: int) -> None:
        self._connection = connection
        self._size = size
        self._loop = hubs.get_hub()
        self._listener: Optional[Any] = None
        self._waiting: Optional[Any] = None

    def read(self) -> bytes:
        """Bytes that have arrived, as soon as there are some; none at the end of the stream. Raises: OSError."""
        while True:
            self._wait()
            with suppress(BlockingIOError):
                received: bytes = self._connection.recv(self._size)
                return received

    def end(self) -> None:
        """Read no more; to be called before the socket is closed."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            self._loop.remove(listener)

    def _wait(self) -> None:
        self._waiting = eventlet.getcurrent()
        try:
            if self._listener is None:
                add = self._loop.add
                self._listener = add(
                    *(self._loop.READ, self._connection.fileno()),
                    *(self._on_readable, self._waiting.throw, self._on_closed),
                )
            self._loop.switch()
        finally:
            self._waiting = None

    def _on_readable(self, _: int) -> None:
        if self._waiting is None:
            self.end()
        else:
            self._waiting.switch()

    def _on_closed(self) -> None:
        self._listener = None
