"""The DFP manager's sockets, inside the application: carries out what the state machine of each connection says."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Any, Callable, Optional

import eventlet

from ryu_haslb.configuration.model import MOBILE_IP_PORT, DfpAgent, DfpManager
from ryu_haslb.dfp.channel import Close, Send
from ryu_haslb.dfp.manager import Action, AgentConnection, Connect, SetWeight
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import ANY_BIND_ID, MAX_HOSTS, UDP, HostPreference, Load
from ryu_haslb.dfp.weight_table import AgentAddress, WeightTable

LOG = logging.getLogger(__name__)

#: Bytes, three messages of the largest kind: others have their turn between two reads.
_READ_SIZE = 1 << 12
#: Seconds that an agent may take to make room for a message; messages are a few hundred bytes.
_SEND_TIMEOUT = 5.0

WeightsChanged = Callable[[Optional[Sequence[SetWeight]]], None]


class DfpConnections:
    """The connections to all configured agents.

    ``weights_changed`` is called with the reports that came together, and after a loss with None.
    """

    def __init__(self, configuration: DfpManager, weights_changed: WeightsChanged) -> None:
        self.weights = WeightTable()
        self.keys = KeyRing(configuration.password or "", configuration.password_timeout)
        self._password = configuration.password or ""
        self._weights_changed = weights_changed
        self._told: dict[IPv4Address, int] = {}
        self._found: frozenset[IPv4Address] = frozenset()
        self.links = [_Link(agent, self) for agent in configuration.agents]

    def start(self) -> None:
        """Begin to connect to every agent."""
        for link in self.links:
            link.carry_out(link.connection.start())

    def configure(self, configuration: DfpManager, now: float) -> None:
        """Go by another configuration: agents that both have stay connected."""
        self.keys.timeout = configuration.password_timeout
        password, self._password = self._password, configuration.password or ""
        if self._password and self._password != password:
            self.keys.replace(self._password, now)
        elif password and not self._password:
            self.keys.remove(password, now)
        known = {link.connection.name: link for link in self.links}
        self.links = []
        for agent in configuration.agents:
            link = known.pop(AgentAddress(agent.address, agent.port), None) or _Link(agent, self)
            self.links.append(link)
            link.carry_out(link.connection.configure(agent, now) + link.connection.start())
        for link in known.values():
            link.carry_out(link.connection.stop())

    def tick(self, now: float) -> None:
        """Time has passed: silent agents are given up, lost ones are tried again."""
        for link in self.links:
            link.carry_out(link.connection.tick(now))

    def tell_states(self, weights: Mapping[IPv4Address, int], now: float) -> None:
        """Tell agents which of their servers the balancer takes out of service by itself, and which come back (6.2).

        ``weights`` has every real server's weight, 0 for one that is out of service.
        """
        before, self._told = self._told, dict(weights)
        changed = [each for each, weight in weights.items() if (weight == 0) != (before.get(each, 1) == 0)]
        for link in self.links if changed else ():
            hosts = [
                HostPreference(each, ANY_BIND_ID, weights[each]) for each in changed if link.connection.speaks_for(each)
            ]
            for first in range(0, len(hosts), MAX_HOSTS):
                load = Load(MOBILE_IP_PORT, UDP, tuple(hosts[first : first + MAX_HOSTS]))
                link.carry_out(link.connection.send_server_state((load,), now))

    def tell_found(self, addresses: frozenset[IPv4Address], now: float) -> None:
        """Tell which addresses the switches have found on the network: agents that appear there are tried at once."""
        appeared, self._found = addresses - self._found, addresses
        for link in self.links if appeared else ():
            if link.connection.name.address in appeared:
                link.carry_out(link.connection.found(now))

    def take(self, connection: AgentConnection, reports: list[SetWeight]) -> None:
        """Take the weights that an agent reported."""
        now = time.monotonic()
        for report in reports:
            self.weights.set(report.server, report.weight, connection.name, now)
        self._weights_changed(reports)

    def withdraw(self, connection: AgentConnection) -> None:
        """Take back all that an agent said."""
        self.weights.withdraw(connection.name)
        self._weights_changed(None)


class _Link:
    """One agent: the state machine of its connection, and the socket that belongs to it at the moment."""

    def __init__(self, agent: DfpAgent, owner: DfpConnections) -> None:
        self.connection = AgentConnection(agent, owner.keys)
        self._owner = owner
        self._socket: Any = None

    def carry_out(self, actions: Iterable[Action]) -> None:
        reports = []
        for action in actions:
            if isinstance(action, Connect):
                eventlet.spawn(self._serve, action)
            elif isinstance(action, Send):
                self._send(action.data)
            elif isinstance(action, Close):
                LOG.warning("DFP agent %s: %s; closing the connection", self.connection.name, action.reason)
                self._end_socket()
            elif isinstance(action, SetWeight):
                reports.append(action)
            else:
                reports.clear()
                self._owner.withdraw(self.connection)
        if reports:
            self._owner.take(self.connection, reports)

    def _serve(self, target: Connect) -> None:
        """Connect, and hand on what comes until the connection ends or is another one's turn."""
        try:
            with eventlet.Timeout(target.timeout, TimeoutError("no answer")):
                stream = eventlet.connect((str(target.address), target.port))
        except OSError as error:
            LOG.info("DFP agent %s cannot be reached: %s", self.connection.name, error)
            self.carry_out(self.connection.closed(time.monotonic()))
            return
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with stream:
            self._socket = stream
            LOG.info("DFP agent %s: connected", self.connection.name)
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
                self._end_socket()
                LOG.warning("DFP agent %s: connection lost", self.connection.name)
                self.carry_out(self.connection.closed(time.monotonic()))
                return
            self.carry_out(self.connection.received(data, time.monotonic()))
            eventlet.sleep(0)  # an agent that never stops talking must not keep others from their turn

    def _send(self, data: bytes) -> None:
        stream = self._socket
        if stream is None:
            return
        stream.settimeout(_SEND_TIMEOUT)
        try:
            stream.sendall(data)
        except OSError:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)  # the reader finds the end and reports it
        finally:
            stream.settimeout(None)

    def _end_socket(self) -> None:
        """Let go of the socket. Its reader finds the end and closes it: nobody else may, while it waits for bytes."""
        stream, self._socket = self._socket, None
        if stream is not None:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
