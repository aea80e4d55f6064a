"""The listening Unix socket of a control server, of any kind of socket: made, protected, and removed again."""

from __future__ import annotations

import os
import socket
import stat
import struct
from contextlib import suppress
from typing import Any, Callable

#: Connections that may wait to be accepted.
_BACKLOG = 128
#: Seconds that the process which may already serve the path has to accept a connection.
_PROBE_TIMEOUT = 1.0
#: The process at the other end, its user and its group (unix(7), SO_PEERCRED).
_CREDENTIALS = struct.Struct("3i")

#: Makes a Unix stream socket: ``socket.socket``, or eventlet's.
SocketFactory = Callable[[int, int], Any]


class ControlListener:
    """Listens on a Unix socket that only its owner may use (mode 0600).

    :attr:`socket` is the listening socket, for ``asyncio.start_unix_server(sock=...)`` or ``accept``. The socket file
    of a process that was killed is replaced. One that is still served is not, and neither is another kind of file.
    """

    def __init__(self, path: str, server: str = "balancer", new_socket: SocketFactory = socket.socket) -> None:
        """``server`` names the program in error texts. Raises: OSError if the socket cannot be made."""
        self.path = path
        _remove_leftover(path, server, new_socket)
        self.socket = new_socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o177)
        try:
            self.socket.bind(path)
            self.socket.listen(_BACKLOG)
        except OSError:
            self.socket.close()
            raise
        finally:
            os.umask(previous)
        self._inode = os.stat(path).st_ino

    def close(self) -> None:
        """Stop listening and remove the socket's file, unless another server has replaced it."""
        self.socket.close()
        with suppress(FileNotFoundError):
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)


def _remove_leftover(path: str, server: str, new_socket: SocketFactory) -> None:
    """Remove the socket file of a server that no longer runs. Raises: OSError if one answers, or it is no socket."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError("the file exists and is no socket")
    with new_socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except (socket.timeout, BlockingIOError):  # its backlog is full: it runs
            pass
    raise OSError(f"another {server} serves it")


def process_of(connection: Any) -> int:
    """The number of the process at the other end. Raises: OSError if it is gone."""
    return _credentials(connection)[0]


def user_of(connection: Any) -> int:
    """The user id of the process at the other end. Raises: OSError if it is gone."""
    return _credentials(connection)[1]


def _credentials(connection: Any) -> tuple[int, int, int]:
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, group = _CREDENTIALS.unpack(found)
    return process, user, group
