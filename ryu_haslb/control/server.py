"""The control socket of a running balancer: one command line in, its output back, and the connection is closed."""

from __future__ import annotations

import logging
import os
import shlex
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Callable

import eventlet

from ryu_haslb.control.commands import Output
from ryu_haslb.ios.grammar import CommandError

LOG = logging.getLogger(__name__)

LONGEST_COMMAND = 64 * 1024
#: Seconds that a client may take to send its command, or to read a chunk of the answer.
PATIENCE = 10
CLIENTS_AT_ONCE = 16
_LINES_PER_CHUNK = 100

Execute = Callable[[Sequence[str]], Output]


class ControlServer:
    """Serves ``execute(words)`` on a Unix socket that only its owner may use (mode 0600)."""

    def __init__(self, path: str, execute: Execute) -> None:
        """OSError when the socket cannot be made, or somebody serves it already."""
        self.path = path
        self._execute = execute
        _remove_stale(path)
        previous = os.umask(0o177)
        try:
            self._listener = eventlet.listen(path, family=socket.AF_UNIX)
        finally:
            os.umask(previous)

    def serve(self) -> None:
        """Answer clients until :meth:`close`."""
        pool = eventlet.GreenPool(CLIENTS_AT_ONCE)
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                pool.spawn_n(self._answer, client)

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        self._listener.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def _answer(self, client: Any) -> None:
        client.settimeout(PATIENCE)
        with client, suppress(OSError):
            line = _read_line(client)
            try:
                output = self._execute(shlex.split(line.decode("utf-8")))
            except (CommandError, ValueError) as error:
                output = Output(iter([f"% {error}"]))
            if output.live:
                _send_live(client, output.lines)
            else:
                _send(client, output.lines)


def _remove_stale(path: str) -> None:
    """Remove the file of a server that is gone; OSError if one answers."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except FileNotFoundError:
            pass
        else:
            raise OSError(f"another balancer serves {path}")


def _read_line(client: Any) -> bytes:
    received = b""
    while b"\n" not in received and len(received) < LONGEST_COMMAND:
        chunk = client.recv(4096)
        if not chunk:
            break
        received += chunk
    return received.partition(b"\n")[0]


def _send(client: Any, lines: Iterator[str]) -> None:
    chunk: list[str] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == _LINES_PER_CHUNK:
            client.sendall(("\n".join(chunk) + "\n").encode())
            chunk.clear()
            eventlet.sleep(0)  # requests of mobiles come between the chunks
    client.sendall("".join(line + "\n" for line in chunk).encode())


def _send_live(client: Any, lines: Iterator[str]) -> None:
    """Send each line at once, until the client goes away."""
    client.settimeout(None)

    def send() -> None:
        with suppress(OSError):
            for line in lines:
                client.sendall(line.encode() + b"\n")

    sender = eventlet.spawn(send)
    while client.recv(4096):
        pass
    sender.kill()
