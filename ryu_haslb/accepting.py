"""Accepts connections for as long as a server runs: no error of ``accept`` ends a server but the close of its socket.

The kernel reports two kinds of errors there that pass by themselves (accept(2)). A connection has ended before it was
accepted; the next one is accepted at once. Or descriptors or memory are short, of this process or of the machine; then
connections wait in the kernel's queue, and are accepted after a pause.
"""

from __future__ import annotations

import errno
import logging
from typing import Any, Callable

import eventlet

LOG = logging.getLogger(__name__)

#: Seconds before the next attempt after an error. Connections wait in the kernel's queue meanwhile.
RETRY_INTERVAL = 0.1
#: Seconds that a connection which was ended to make room has to close.
CLOSE_INTERVAL = 0.005

#: The listening socket is closed, or does not listen.
_CLOSED = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTCONN, errno.ENOTSOCK})
#: The connection has ended before it was accepted; Linux reports errors of its network here.
_ENDED = frozenset(
    {
        *(errno.ECONNABORTED, errno.ECONNRESET, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENETUNREACH),
        *(errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENONET, errno.ETIMEDOUT),
    }
)


def _no_room() -> bool:
    return False


class Acceptor:
    """A listening socket whose ``accept`` raises OSError only if the socket is closed.

    ``name`` is the server's, for the log. ``make_room`` is called when descriptors or memory are short; it returns
    whether it has closed a connection.
    """

    def __init__(self, listener: Any, name: str, make_room: Callable[[], bool] = _no_room) -> None:
        self._listener = listener
        self._name = name
        self._make_room = make_room
        self._is_failing = False

    def accept(self) -> tuple[Any, Any]:
        """The next connection, and the address of its other end."""
        while True:
            try:
                accepted = self._listener.accept()
            except OSError as error:
                if error.errno in _CLOSED:
                    raise
                if error.errno in _ENDED:
                    eventlet.sleep(0)
                    continue
                self._report(error)
                eventlet.sleep(CLOSE_INTERVAL if self._make_room() else RETRY_INTERVAL)
                continue
            if self._is_failing:
                self._is_failing = False
                LOG.warning("%s: accepts connections again", self._name)
            return accepted[0], accepted[1]

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def getsockname(self) -> Any:
        """The address that the socket listens on."""
        return self._listener.getsockname()

    @property
    def family(self) -> int:
        """The address family of the socket."""
        return int(self._listener.family)

    def _report(self, error: OSError) -> None:
        """Log the first of a series of errors."""
        if not self._is_failing:
            self._is_failing = True
            LOG.error(
                "%s: cannot accept connections: %s; trying again every %g s; raise the limit of open files",
                *(self._name, error.strerror, RETRY_INTERVAL),
            )
