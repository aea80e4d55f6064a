"""The control socket of a running balancer: one command line in, its output back, and the connection is closed.

Only the owner may connect, but no client, however clumsy, may keep the balancer from its work or other clients from
theirs: lines are limited in length and time, the silent make room for those who speak, and long outputs take turns.
"""

from __future__ import annotations

import logging
import os
import shlex
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Callable, Optional

import eventlet
import eventlet.semaphore

from ryu_haslb.control.commands import Output
from ryu_haslb.control.protocol import END_MARK, ERROR_MARK, LONGEST_REQUEST

LOG = logging.getLogger(__name__)

#: Seconds that a client may take to send its command, or to read a piece of the output.
PATIENCE = 10.0
#: Clients that have not said anything yet; one more, and the one that has been silent longest has to go.
MOST_SILENT = 64
MOST_AT_WORK = 32
#: Lines that one output makes before requests of mobiles have their turn: a fraction of a millisecond.
SLICE = 50
#: Seconds between two slices. Without, a long output would keep a processor busy that the switch may be waiting for.
PAUSE = 0.001
_BACKLOG = 128

Execute = Callable[[Sequence[str]], Output]


class ControlServer:
    """Serves ``execute(words)`` on a Unix socket that only its owner may use (mode 0600)."""

    def __init__(self, path: str, execute: Execute) -> None:
        """OSError when the socket cannot be made, or somebody serves it already."""
        self.path = path
        self._execute = execute
        self._silent: dict[Any, None] = {}
        self._at_work = 0
        self._turn = eventlet.semaphore.Semaphore()
        _remove_stale(path)
        previous = os.umask(0o177)
        try:
            self._listener: Any = eventlet.listen(path, family=socket.AF_UNIX, backlog=_BACKLOG)
        finally:
            os.umask(previous)
        self._inode = os.stat(path).st_ino

    def serve(self) -> None:
        """Answer clients until :meth:`close`."""
        while self._listener is not None:
            try:
                client, _ = self._listener.accept()
            except OSError as error:
                if self._listener is not None:  # too many open files, perhaps: that passes
                    LOG.warning("Control socket %s: %s", self.path, error)
                    eventlet.sleep(1)
                continue
            self._make_room()
            self._silent[client] = None
            eventlet.spawn_n(self._answer, client)
            eventlet.sleep(0)  # there may always be one more who wants to connect

    def close(self) -> None:
        """Stop listening and remove the socket's file, if it is still ours."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
            with suppress(FileNotFoundError):
                if os.stat(self.path).st_ino == self._inode:
                    os.unlink(self.path)

    def _make_room(self) -> None:
        if len(self._silent) >= MOST_SILENT:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)  # whoever waits for its line finds the end

    def _answer(self, client: Any) -> None:
        client.settimeout(PATIENCE)
        with client, suppress(OSError):
            try:
                line = _read_line(client)
            finally:
                self._silent.pop(client, None)
            if line is None:
                return
            command = line.removesuffix(END_MARK)
            self._carry_out(client, command)
            if command != line:
                client.sendall(END_MARK)

    def _carry_out(self, client: Any, line: bytes) -> None:
        if self._at_work >= MOST_AT_WORK:
            _send(client, [f"{ERROR_MARK}{MOST_AT_WORK} commands are at work; end a debug, or try again later"])
            return
        self._at_work += 1
        try:
            output = self._execute(_words(line))
            if output.live:
                _send_live(client, output.lines)
            else:
                self._send_in_turn(client, output.lines)
        except ValueError as error:
            _send(client, [f"{ERROR_MARK}{error}"])
        except OSError:
            raise
        except Exception:  # a fault in one command is no reason to take no further ones
            LOG.exception("Command failed: %r", line[:200])
            _send(client, [f"{ERROR_MARK}the command failed; the balancer's log says how"])
        finally:
            self._at_work -= 1

    def _send_in_turn(self, client: Any, lines: Iterator[Optional[str]]) -> None:
        """Send an output slice by slice. Of all outputs only one makes a slice before packets have their turn."""
        while True:
            with self._turn:
                piece = list(islice(lines, SLICE))
                if not piece:
                    return
                eventlet.sleep(PAUSE)
            _send(client, [line for line in piece if line is not None])


def _remove_stale(path: str) -> None:
    """Remove the socket of a server that is gone; OSError if one answers, or the file is none."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError("the file exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except (socket.timeout, BlockingIOError):  # it has no time for us
            pass
    raise OSError("another balancer serves it")


def _read_line(client: Any) -> Optional[bytes]:
    """The client's line; None if it leaves, or takes too long, before its end: half a command is none."""
    received = b""
    with eventlet.Timeout(PATIENCE, False):
        while b"\n" not in received:
            if len(received) >= LONGEST_REQUEST:
                _send(client, [f"{ERROR_MARK}a command is one line of at most {LONGEST_REQUEST} bytes"])
                return None
            chunk = client.recv(4096)
            if not chunk:
                return None
            received += chunk
        return received.partition(b"\n")[0]
    return None


def _words(line: bytes) -> list[str]:
    """The words of a line, quoted as in a shell; ValueError says what is wrong with it."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8; expected text") from None
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("a quotation is not closed; expected its closing quote") from None


def _send(client: Any, lines: Sequence[str]) -> None:
    client.sendall("".join(line + "\n" for line in lines).encode("utf-8", "replace"))


def _send_live(client: Any, lines: Iterator[Optional[str]]) -> None:
    """Send each line at once, until the client goes away or says anything."""
    client.settimeout(None)

    def send() -> None:
        with suppress(OSError):
            for line in lines:
                if line is not None:
                    _send(client, [line])

    sender = eventlet.spawn(send)
    try:
        client.recv(1)
    finally:
        sender.kill()
