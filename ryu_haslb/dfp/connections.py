"""The DFP manager's sockets, inside the application: they carry out the actions of each connection's state machine."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Any, Callable, Optional

import eventlet

from ryu_haslb.configuration.model import DfpAgent, DfpManager
from ryu_haslb.dfp.channel import Close, Send
from ryu_haslb.dfp.manager import Action, AgentConnection, Connect, SetWeight, State
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import ANY_BIND_ID, MAX_HOSTS, UDP, HostPreference, Load
from ryu_haslb.dfp.weight_table import AgentAddress, WeightTable
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

LOG = logging.getLogger(__name__)

#: Bytes of one read, enough for three messages of 128 hosts: between two reads other greenlets run.
_READ_SIZE = 1 << 12
#: Seconds that a write may wait for the agent to read. Messages have a few hundred bytes.
_SEND_TIMEOUT = 5.0

#: Takes the reports that arrived together, or None after an agent was lost.
WeightsChanged = Callable[[Optional[Sequence[SetWeight]]], None]


class DfpConnections:
    """The connections to all configured agents, and the weights that the agents have reported."""

    def __init__(self, configuration: DfpManager, weights_changed: WeightsChanged) -> None:
        self.weights = WeightTable()
        self.keys = KeyRing(configuration.password or "", configuration.password_timeout)
        self._password = configuration.password or ""
        self._weights_changed = weights_changed
        self._server_states: dict[IPv4Address, int] = {}
        self._reachable: frozenset[IPv4Address] = frozenset()
        self.links = [_Link(agent, self) for agent in configuration.agents]

    def start(self) -> None:
        """Start to connect to each agent."""
        for link in self.links:
            link.carry_out(link.connection.start())

    def configure(self, configuration: DfpManager, now: float) -> None:
        """Apply another configuration. Agents that are in both configurations stay connected."""
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
        """Close connections whose keep-alive time is over, and retry lost ones."""
        for link in self.links:
            link.carry_out(link.connection.tick(now))

    def send_server_states(self, weights: Mapping[IPv4Address, int], now: float) -> None:
        """Send to each agent which of its servers the balancer has taken out of service, or back (section 6.2).

        ``weights`` has the weight of each real server, 0 for one that is out of service.
        """
        before, self._server_states = self._server_states, dict(weights)
        changed = [address for address, weight in weights.items() if (weight == 0) != (before.get(address, 1) == 0)]
        for link in self.links if changed else ():
            hosts = [
                HostPreference(address, ANY_BIND_ID, weights[address])
                for address in changed
                if link.connection.has_reported_on(address)
            ]
            for first in range(0, len(hosts), MAX_HOSTS):
                load = Load(MOBILE_IP_PORT, UDP, tuple(hosts[first : first + MAX_HOSTS]))
                link.carry_out(link.connection.send_server_state((load,), now))

    def set_reachable(self, addresses: frozenset[IPv4Address], now: float) -> None:
        """Set the addresses that the switches have found. An agent on a new one of them is tried at once."""
        appeared, self._reachable = addresses - self._reachable, addresses
        for link in self.links if appeared else ():
            if link.connection.name.address in appeared:
                link.carry_out(link.connection.host_found(now))

    def set_weights(self, connection: AgentConnection, reports: list[SetWeight]) -> None:
        """Store the weights that an agent has reported."""
        now = time.monotonic()
        for report in reports:
            self.weights.set(report.server, report.weight, connection.name, now)
        self._weights_changed(reports)

    def withdraw_weights(self, connection: AgentConnection) -> None:
        """Remove the weights of an agent."""
        self.weights.withdraw(connection.name)
        self._weights_changed(None)


class _Link:
    """One agent: the state machine of its connection, and its present socket."""

    def __init__(self, agent: DfpAgent, owner: DfpConnections) -> None:
        self.connection = AgentConnection(agent, owner.keys)
        self._owner = owner
        self._socket: Any = None

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Carry out actions of the state machine in their order; weights reported together are set together."""
        reports = []
        for action in actions:
            if isinstance(action, Connect):
                eventlet.spawn(self._serve, action)
            elif isinstance(action, Send):
                self._send(action.data)
            elif isinstance(action, Close):
                LOG.warning("DFP agent %s disconnected: %s; %s", self.connection.name, action.reason, self._outlook())
                self._release_socket()
            elif isinstance(action, SetWeight):
                reports.append(action)
            else:
                reports.clear()
                self._owner.withdraw_weights(self.connection)
        if reports:
            self._owner.set_weights(self.connection, reports)

    def _serve(self, target: Connect) -> None:
        """Connect, and pass on what the agent sends, until the connection ends or another one replaces it."""
        try:
            with eventlet.Timeout(target.timeout, TimeoutError(f"no answer within {target.timeout:g} s")):
                stream = eventlet.connect((str(target.address), target.port))
        except OSError as error:
            self.carry_out(self.connection.closed(time.monotonic()))
            LOG.info("connection to DFP agent %s failed: %s; %s", self.connection.name, error, self._outlook())
            return
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with stream:
            self._socket = stream
            LOG.info("DFP agent %s connected", self.connection.name)
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
                LOG.warning("DFP agent %s disconnected: connection lost; %s", self.connection.name, self._outlook())
                return
            self.carry_out(self.connection.received(data, time.monotonic()))
            eventlet.sleep(0)  # let other greenlets run, however much the agent sends

    def _send(self, data: bytes) -> None:
        stream = self._socket
        if stream is None:
            return
        stream.settimeout(_SEND_TIMEOUT)
        try:
            stream.sendall(data)
        except OSError:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)  # the reader sees the end and reports it
        finally:
            stream.settimeout(None)

    def _outlook(self) -> str:
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
