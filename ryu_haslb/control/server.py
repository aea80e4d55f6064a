"""The control server of a running balancer, under eventlet: one command in, its output back, connection closed.

Only root and the owner of the balancer may connect. No client can keep the balancer from its work, or other clients
from theirs: requests are limited in size and time, clients that send nothing are closed when others need their place,
and long outputs give way to Registration Requests after each slice of lines.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Callable, Optional

import eventlet
import eventlet.semaphore
from eventlet.green import socket as green_socket

from ryu_haslb.accepting import Acceptor
from ryu_haslb.control.execution import Output
from ryu_haslb.control.listener import ControlListener, process_of, user_of
from ryu_haslb.control.protocol import (
    END_MARK,
    PAUSE_MARK,
    Request,
    RequestError,
    RequestReader,
    encode_lines,
    error_lines,
)
from ryu_haslb.errors import HaslbError

LOG = logging.getLogger(__name__)

#: Seconds that a client may take to send its command, or to read a piece of the output.
CLIENT_TIMEOUT = 10.0
#: Clients that have not sent their command yet. When one more connects, the one that has waited longest is closed.
MAX_PENDING_CLIENTS = 64
#: Commands that are carried out at the same time, ``debug`` included.
MAX_RUNNING_COMMANDS = 32
#: Seconds for which a client has not read a piece of its output, after which its place may be given to a new command.
STALLED_TIMEOUT = 1.0
#: Lines of one output that are made before other work has its turn: a fraction of a millisecond.
LINES_PER_SLICE = 50
#: Seconds between two slices, and in front of each command. Without a pause a long output, or many commands, would keep
#: a processor busy that Open vSwitch may need.
SLICE_INTERVAL = 0.001
#: The user id of root.
ROOT = 0
_READ_SIZE = 4096
#: Bytes of a failed command that are logged.
_MAX_LOGGED = 200

Execute = Callable[[Sequence[str]], Output]


class ControlServer:
    """Serves ``execute(words)`` on a Unix socket that only its owner may use (mode 0600)."""

    def __init__(self, path: str, execute: Execute, execute_for_root: Optional[Execute] = None) -> None:
        """Listen at ``path``. ``execute_for_root`` carries out the commands of root, by default as those of the owner.

        Raises: OSError if the socket cannot be made, or another process serves it.
        """
        self.path = path
        self._execute = execute
        self._execute_for_root = execute_for_root or execute
        self._pending: dict[Any, None] = {}
        #: The clients whose command is carried out, oldest first, and the process of each.
        self._running: dict[Any, int] = {}
        #: The clients that are being sent a piece of their output, and since when; those that read have none waiting.
        self._sending: dict[Any, float] = {}
        self._turn = eventlet.semaphore.Semaphore()
        self._listener: Optional[ControlListener] = ControlListener(path, new_socket=green_socket.socket)

    def serve(self) -> None:
        """Answer clients until :meth:`close`."""
        if self._listener is None:
            return
        acceptor = Acceptor(self._listener.socket, f"control socket {self.path}", self._close_oldest_pending)
        while self._listener is not None:
            try:
                client, _ = acceptor.accept()
            except OSError:  # closed
                return
            if len(self._pending) >= MAX_PENDING_CLIENTS:
                self._close_oldest_pending()
            self._pending[client] = None
            eventlet.spawn_n(self._answer, client)
            eventlet.sleep(0)  # accept() may never have to wait; other work needs its turn

    def close(self) -> None:
        """Stop listening and remove the socket's file, if it is still this server's."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _close_oldest_pending(self) -> bool:
        """Close the client that has waited longest without a command; False if there is none."""
        oldest = next(iter(self._pending), None)
        if oldest is None:
            return False
        del self._pending[oldest]
        with suppress(OSError):
            oldest.shutdown(socket.SHUT_RDWR)  # the greenlet that reads its command sees the end
        return True

    def _answer(self, client: Any) -> None:
        client.settimeout(CLIENT_TIMEOUT)
        with client, suppress(OSError):
            try:
                process, user = process_of(client), user_of(client)
                if user not in (ROOT, os.geteuid()):  # the mode of the socket was changed
                    raise RequestError("only root and the owner of the balancer may use the control socket")
                request = _receive(client)
            except RequestError as error:
                self._send(client, error_lines(error))
                return
            finally:
                self._pending.pop(client, None)
            if request is None:
                return
            self._carry_out(client, process, request, self._execute_for_root if user == ROOT else self._execute)
            if request.wants_end:
                client.sendall(END_MARK)

    def _carry_out(self, client: Any, process: int, request: Request, execute: Execute) -> None:
        if len(self._running) >= MAX_RUNNING_COMMANDS and not self._make_place(process):
            self._send(
                client, error_lines(f"{MAX_RUNNING_COMMANDS} commands are running; end a debug, or try again later")
            )
            return
        self._running[client] = process
        try:
            with self._turn:
                eventlet.sleep(SLICE_INTERVAL)
            if client not in self._running:
                return
            output = execute(request.words())
            if output.live:
                self._send_live(client, output.lines)
            else:
                self._send_in_slices(client, output.lines, PAUSE_MARK if request.wants_end else b"")
        except HaslbError as error:
            self._send(client, error_lines(error))
        except OSError:
            raise
        except Exception:  # a fault in one command must not end the server
            LOG.exception("command failed: %s", _loggable(request))
            self._send(client, error_lines("the command failed; see the balancer's log"))
        finally:
            self._running.pop(client, None)

    def _send_in_slices(self, client: Any, lines: Iterator[Optional[str]], pause: bytes) -> None:
        """Send an output slice by slice; ``pause`` is sent for a slice without lines.

        Of all outputs only one makes a slice before packets have their turn.
        """
        while client in self._running:
            with self._turn:
                piece = list(islice(lines, LINES_PER_SLICE))
                if not piece:
                    return
                eventlet.sleep(SLICE_INTERVAL)
            self._send(client, [line for line in piece if line is not None], pause)

    def _send(self, client: Any, lines: Sequence[str], pause: bytes = b"") -> None:
        self._sending[client] = time.monotonic()
        try:
            client.sendall(encode_lines(lines) or pause)
        finally:
            self._sending.pop(client, None)

    def _send_live(self, client: Any, lines: Iterator[Optional[str]]) -> None:
        """Send each line at once, until the client leaves or sends anything."""
        client.settimeout(None)

        def send() -> None:
            with suppress(OSError):
                for line in lines:
                    if line is not None:
                        self._send(client, [line])

        sender = eventlet.spawn_n(send)  # which keeps no result: a killed GreenThread would keep its frames in a cycle
        try:
            client.recv(1)
        finally:
            eventlet.kill(sender)

    def _make_place(self, process: int) -> bool:
        """End a command to make place for one of this process. False if there is none that may be ended.

        The first choice is a command whose output has not been read for long, such as a suspended ``debug``. The second
        is the oldest command of the process with the most commands, if that has more than this process: so a program
        that sends command after command keeps no other one out.
        """
        stalled, since = min(self._sending.items(), key=lambda each: each[1], default=(None, math.inf))
        if time.monotonic() - since >= STALLED_TIMEOUT:
            return self._end_command(stalled)
        held = Counter(self._running.values())
        busiest = max(held, key=lambda each: held[each])
        if held[busiest] <= held[process] + 1:
            return False
        return self._end_command(next(client for client, each in self._running.items() if each == busiest))

    def _end_command(self, client: Any) -> bool:
        self._running.pop(client, None)
        self._sending.pop(client, None)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)  # the greenlet that carries it out sees the end
        return True


def _loggable(request: Request) -> str:
    """A request for the log. Of commands that may hold a password only the first word is left."""
    words = request.line[:_MAX_LOGGED].decode("utf-8", "replace").split()
    return " ".join(words if words[:1] in (["show"], ["clear"], ["debug"]) else words[:1])


def _receive(client: Any) -> Optional[Request]:
    """The client's request; None if the client leaves, or takes too long, before its end."""
    reader = RequestReader()
    with eventlet.Timeout(CLIENT_TIMEOUT, False):
        while data := client.recv(_READ_SIZE):
            request = reader.receive(data)
            if request is not None:
                return request
    return None
