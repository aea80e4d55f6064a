"""The DFP manager's TCP connections, inside the application."""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import eventlet

from ryu_haslb.configuration.model import DfpAgent, DfpManager
from ryu_haslb.dfp.agent_connection import Connect, State
from ryu_haslb.dfp.channel import Counters
from ryu_haslb.dfp.configured_agents import DfpAgents, Link, WeightsChanged

LOG = logging.getLogger(__name__)

#: Bytes of one read, enough for three messages of 128 hosts.
_READ_SIZE = 1 << 12
#: Seconds between two reads. However much an agent sends, it gets a small part of the processor, and TCP slows it down.
_READ_INTERVAL = 0.01
#: Seconds that a connection must last to be seen where states are compared (:mod:`ryu_haslb.show.state_log`). The end
#: of a shorter one has a line here.
_MIN_SEEN_TIME = 0.2


class DfpConnections(DfpAgents):
    """All configured DFP agents, connected over TCP."""

    def __init__(self, configuration: DfpManager, weights_changed: WeightsChanged) -> None:
        super().__init__(configuration, weights_changed, SocketLink, time.monotonic)


class SocketLink(Link):
    """A link over TCP, served by a greenlet while it is connected."""

    def __init__(self, agent: DfpAgent, agents: DfpAgents) -> None:
        super().__init__(agent, agents)
        self._socket: Any = None
        self._connected_at = 0.0
        #: Why the reader of the connection sees its end.
        self._end = ""
        #: The faults that were warned of since the agent has connected.
        self._warned: set[str] = set()

    def connect(self, target: Connect) -> None:
        eventlet.spawn(self._serve, target)

    def disconnect(self, reason: str) -> None:
        self._record_loss(reason)
        self._release_socket()

    def _serve(self, target: Connect) -> None:
        """Connect, and pass on what the agent sends, until the connection ends or another one replaces it."""
        try:
            with eventlet.Timeout(target.timeout, TimeoutError(f"no answer within {target.timeout:g} s")):
                stream = eventlet.connect((str(target.address), target.port))
        except OSError as error:
            self.carry_out(self.connection.closed(time.monotonic()))
            reason = os.strerror(error.errno) if error.errno else error  # eventlet gives a token
            why = f"{reason}; {self._next_attempt()}"
            if not self.connection.counters.connections:
                self.lost_because = why
            self._log_failure(why)
            return
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with stream:
            self._socket, self._connected_at, self._end = stream, time.monotonic(), "connection lost"
            self._warned.clear()
            self.carry_out(self.connection.connected(time.monotonic()))
            self._read(stream)

    def _read(self, stream: Any) -> None:
        while self._socket is stream:
            data = b""
            with suppress(OSError):
                data = stream.recv(_READ_SIZE)
            if self._socket is not stream:
                return
            if not data:
                self._release_socket()
                self.carry_out(self.connection.closed(time.monotonic()))
                self._record_loss(self._end)
                return
            before = replace(self.connection.counters)
            self.carry_out(self.connection.received(data, time.monotonic()))
            self._log_refused(before, self.connection.counters)
            eventlet.sleep(_READ_INTERVAL)

    def _record_loss(self, reason: str) -> None:
        """Keep the reason for the line about the change of state (:mod:`ryu_haslb.show.state_log`)."""
        self.lost_because = f"{reason}; {self._next_attempt()}"
        if time.monotonic() - self._connected_at < _MIN_SEEN_TIME:
            self._log_failure(self.lost_because)

    def _log_failure(self, why: str) -> None:
        LOG.info("connection to DFP agent %s failed: %s", self.connection.name, why)

    def _log_refused(self, before: Counters, after: Counters) -> None:
        """One line for a connection and a fault; ``show ip slb dfp agent`` counts each message."""
        if after.unauthorized_weights != before.unauthorized_weights and self._is_first("unauthorized_weights"):
            LOG.warning(
                "DFP agent %s reported weights of real servers that it may not set; ignored, add 'real A.B.C.D' to its "
                "agent command if it is to set them",
                self.connection.name,
            )
        if after.authentication_failures != before.authentication_failures and self._is_first(
            "authentication_failures"
        ):
            LOG.warning(
                "DFP agent %s sent a message without a valid signature; ignored, check the password at both ends",
                self.connection.name,
            )

    def _is_first(self, fault: str) -> bool:
        """Whether this fault has not been warned of since the agent has connected; it is, from now on."""
        is_first = fault not in self._warned
        self._warned.add(fault)
        return is_first

    def send(self, data: bytes) -> None:
        """Send a message without waiting: timers and commands call this, and no agent may stop them.

        The kernel has room for all that an agent is due. One that has left so much of it unread is disconnected.
        """
        with suppress(OSError):  # the reader sees the end of a connection and reports it
            if self._socket is not None and not _takes(self._socket, data):
                self._end = "the agent does not read what it is sent"
                self._socket.shutdown(socket.SHUT_RDWR)

    def _next_attempt(self) -> str:
        """The end of a log line: when the next attempt to connect follows."""
        deadline = self.connection.next_deadline()
        if self.connection.state is State.WAITING and deadline is not None:
            return f"next attempt in {max(0.0, deadline - time.monotonic()):.0f} s"
        if self.connection.state is State.FAILED:
            return "no retry left; 'configure' starts the retries anew"
        return "no further attempt"

    def _release_socket(self) -> None:
        """Shut the socket down. Its reader sees the end and closes it; no other greenlet may close it meanwhile."""
        stream, self._socket = self._socket, None
        if stream is not None:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)


def _takes(stream: Any, data: bytes) -> bool:
    """Whether the kernel has taken a whole message to send. Raises: OSError if the connection has ended."""
    try:
        return bool(stream.fd.send(data) == len(data))  # the non-blocking socket within eventlet's
    except BlockingIOError:
        return False
