"""The balancer's end of one DFP connection (draft-eck-dfp-01, section 7), without I/O.

Events go in (:meth:`AgentConnection.start`, ``connected``, ``received``, ``closed``, ``tick``), actions come out, to be
carried out in their order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Optional, Union

from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp.channel import Close, Counters, MessageChannel, Send
from ryu_haslb.dfp.framing import FramingError
from ryu_haslb.dfp.messages import (
    BindIdChangeNotify,
    BindIdReport,
    BindIdRequest,
    DfpParameters,
    Message,
    PreferenceInformation,
    ServerState,
)
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import END_OF_BINDIDS, BindIdTable, KeepAlive, Load
from ryu_haslb.dfp.weight_table import AgentAddress, Server
from ryu_haslb.errors import InvalidValueError

#: Seconds that a TCP connection to an agent may take to be established.
CONNECT_TIMEOUT = 10.0
#: What the manager adds to the keep-alive time before it closes a connection: this share of it, and at least these
#: seconds. An agent may use all of the keep-alive time for each report, as Cisco's own does; the next report is then on
#: its way when the time is over.
KEEP_ALIVE_GRACE = 0.25
MIN_KEEP_ALIVE_GRACE = 1.0
#: Servers that one agent may report on. The limit keeps a hostile agent from filling the memory.
MAX_SERVERS = 1024
#: Ports, protocols and bind ids of one address that count as servers. A home agent reports one, or one for each of its
#: ports; in a cluster each is a row of the database.
MAX_SERVERS_OF_ADDRESS = 16
#: Bind id tables and bind ids together that one agent may report, for the same reason.
MAX_BINDID_ENTRIES = 16384


class State(Enum):
    """The state of the connection to an agent. The value is what ``show ip slb dfp`` prints."""

    IDLE = "not started"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting to reconnect"
    FAILED = "out of retries"


class Event(Enum):
    """The events that change the state."""

    START = "start"
    CONNECT = "TCP connects"
    LOSE = "connection fails, ends, breaks the protocol or falls silent"
    EXHAUST = "connection fails with no retry left"
    RETRY = "retry interval over"
    STOP = "stop"


#: The state machine. An event that a state does not list changes nothing there.
TRANSITIONS: dict[State, dict[Event, State]] = {
    State.IDLE: {Event.START: State.CONNECTING},
    State.CONNECTING: {
        Event.CONNECT: State.CONNECTED,
        Event.LOSE: State.WAITING,
        Event.EXHAUST: State.FAILED,
        Event.STOP: State.IDLE,
    },
    State.CONNECTED: {Event.LOSE: State.WAITING, Event.STOP: State.IDLE},
    State.WAITING: {Event.RETRY: State.CONNECTING, Event.STOP: State.IDLE},
    State.FAILED: {Event.START: State.CONNECTING, Event.STOP: State.IDLE},
}


@dataclass(frozen=True)
class Connect:
    """Open a TCP connection, then call ``connected``; call ``closed`` if it fails or takes ``timeout`` seconds."""

    address: IPv4Address
    port: int
    timeout: float = CONNECT_TIMEOUT


@dataclass(frozen=True)
class SetWeight:
    """The agent has reported a weight, changed or not. Each report on a server shows that the server is alive."""

    server: Server
    weight: int


@dataclass(frozen=True)
class WithdrawWeights:
    """The weights that this agent has reported are void."""


Action = Union[Connect, Send, Close, SetWeight, WithdrawWeights]


class AgentConnection:
    """The connection to one configured agent.

    ``agent`` has its time-out, retry count and retry interval, and the real servers whose weight it may set.
    """

    def __init__(self, agent: DfpAgent, keys: KeyRing) -> None:
        self.agent = agent
        self.name = AgentAddress(agent.address, agent.port)
        self.state = State.IDLE
        self.counters = Counters()
        #: The agent's bind id tables, from its last complete report.
        self.bind_tables: tuple[BindIdTable, ...] = ()
        self._keys = keys
        self._channel = MessageChannel(keys, self.counters)
        self._retries = 0
        self._retry_at = 0.0
        self._host_was_found = False
        self._heard_at = 0.0
        #: What ``_heard_at`` was when silence was found; None: it was not.
        self._silent_since: Optional[float] = None
        self._has_reported = False
        self._servers: set[Server] = set()
        #: How many of them each address has.
        self._by_address: Counter[IPv4Address] = Counter()
        #: The tables of the bind id report in progress; None: no report was requested.
        self._report: Optional[list[BindIdTable]] = None
        self._report_size = 0
        self._report_is_stale = False

    @property
    def has_reported(self) -> bool:
        """Whether the agent is connected and has sent a Preference Information since, with weights or without."""
        return self.state is State.CONNECTED and self._has_reported

    def start(self) -> list[Action]:
        """Start to connect. In FAILED, the retries start anew."""
        if not self._move(Event.START):
            return []
        self._retries = 0
        return [self._connect()]

    def stop(self) -> list[Action]:
        """Close the connection, withdraw the agent's weights, and do not reconnect."""
        return self._leave(Event.STOP, "DFP agent is no longer configured")

    def connected(self, now: float) -> list[Action]:
        """The TCP connection of a :class:`Connect` is established."""
        if not self._move(Event.CONNECT):
            return []
        self.counters.connections += 1
        self._retries = 0
        self._host_was_found = False
        self._heard_at = now
        self._has_reported = False
        self._channel = MessageChannel(self._keys, self.counters)
        return [self._parameters(now)]

    def closed(self, now: float) -> list[Action]:
        """The connection has ended or failed. Not to be called for a connection that :class:`Close` has ended."""
        return self._lose(now)

    def received(self, data: bytes, now: float) -> list[Action]:
        """Bytes have arrived, in pieces of any size."""
        actions: list[Action] = []
        if self.state is not State.CONNECTED:
            return actions
        try:
            for message in self._channel.receive(data, now):
                actions += self._read(message, now)
        except FramingError as error:
            actions += self._lose(now, str(error))
        return actions

    def tick(self, now: float) -> list[Action]:
        """Do what is due. To be called at :meth:`next_deadline`; early or late calls do no harm.

        Silence ends a connection with the second call that finds it: between the two the caller hands over what has
        arrived while its process did not run.
        """
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return []
        if self.state is State.WAITING:
            self._move(Event.RETRY)
            self._retries += 1
            return [self._connect()]
        if self._silent_since != self._heard_at:
            self._silent_since = self._heard_at
            return []
        self.counters.keep_alive_timeouts += 1
        return self._lose(now, f"no message for the keep-alive time of {self.agent.timeout} s")

    def next_deadline(self) -> Optional[float]:
        """The time at which :meth:`tick` has something to do; None: not before another event."""
        if self.state is State.WAITING:
            return self._retry_at
        if self.state is State.CONNECTED and self.agent.timeout:
            timeout = self.agent.timeout
            return self._heard_at + timeout + max(MIN_KEEP_ALIVE_GRACE, KEEP_ALIVE_GRACE * timeout)
        return None

    def configure(self, agent: DfpAgent, now: float) -> list[Action]:
        """Set new time-outs for the same agent, and send a new keep-alive time if it is connected (section 7.2).

        :raises InvalidValueError: ``agent`` is another agent.
        """
        if AgentAddress(agent.address, agent.port) != self.name:
            raise InvalidValueError(f"this is the connection to {self.name}, not to {agent.address}:{agent.port}")
        changed = agent.timeout != self.agent.timeout
        self.agent = agent
        self._servers = {server for server in self._servers if agent.may_set(server.address)}
        self._by_address = Counter(server.address for server in self._servers)
        if not changed or self.state is not State.CONNECTED:
            return []
        self._heard_at = now
        return [self._parameters(now)]

    def host_found(self, now: float) -> list[Action]:
        """A switch has found the agent's host: connect now instead of after the retry interval.

        If an attempt from before is under way and fails, the next one follows after a second.
        """
        if self.state is State.WAITING:
            self._retry_at = now
            return self.tick(now)
        self._host_was_found = self.state is State.CONNECTING
        return []

    @property
    def reported_addresses(self) -> set[IPv4Address]:
        """The addresses of the servers that the agent has reported on since it connected."""
        return set(self._by_address)

    def send_server_state(self, loads: tuple[Load, ...], now: float) -> list[Action]:
        """Send a Server State, which the balancer has decided on (section 7.4), if the agent is connected."""
        return [self._channel.send(ServerState(loads), now)] if self.state is State.CONNECTED else []

    def request_bind_tables(self, now: float) -> list[Action]:
        """Request the bind id tables (section 7.5). :attr:`bind_tables` has them once the report is complete."""
        if self.state is not State.CONNECTED:
            return []
        if self._report is not None:
            self._report_is_stale = True
            return []
        self._report, self._report_size, self._report_is_stale = [], 0, False
        return [self._channel.send(BindIdRequest(), now)]

    def _read(self, message: Message, now: float) -> list[Action]:
        if isinstance(message, PreferenceInformation):
            self._heard_at, self._has_reported = now, True
            return self._weights(message)
        if isinstance(message, BindIdChangeNotify):
            self._heard_at = now
            return self.request_bind_tables(now)
        if isinstance(message, BindIdReport) and self._report is not None:
            self._heard_at = now
            return self._bind_table(message.table, self._report, now)
        self.counters.unexpected_messages += 1
        return []

    def _weights(self, message: PreferenceInformation) -> list[Action]:
        actions: list[Action] = []
        for load in message.loads:
            for host in load.hosts:
                if not self.agent.may_set(host.address):
                    self.counters.unauthorized_weights += 1
                    continue
                server = Server(host.address, load.port, load.protocol, host.bind_id)
                if not self._keep(server):
                    self.counters.excess_entries += 1
                    continue
                actions.append(SetWeight(server, host.weight))
        return actions

    def _keep(self, server: Server) -> bool:
        """Whether the server is one of those that the agent has reported on; it is, unless they are too many."""
        if server in self._servers:
            return True
        if len(self._servers) >= MAX_SERVERS or self._by_address[server.address] >= MAX_SERVERS_OF_ADDRESS:
            return False
        self._servers.add(server)
        self._by_address[server.address] += 1
        return True

    def _bind_table(self, table: BindIdTable, report: list[BindIdTable], now: float) -> list[Action]:
        if table != END_OF_BINDIDS:
            size = 1 + len(table.entries)
            if self._report_size + size > MAX_BINDID_ENTRIES:
                self.counters.excess_entries += size
                return []
            self._report_size += size
            report.append(table)
            return []
        self.bind_tables = tuple(report)
        self._report = None
        return self.request_bind_tables(now) if self._report_is_stale else []

    def _lose(self, now: float, reason: str = "") -> list[Action]:
        """Go to WAITING or FAILED. ``reason`` says why the connection has to be closed; empty: it has ended already."""
        if Event.LOSE not in TRANSITIONS[self.state]:
            return []
        count = self.agent.retry_count
        exhausted = self.state is State.CONNECTING and 0 < count <= self._retries
        self._retry_at = now + (1 if self._host_was_found else max(1, self.agent.retry_interval))
        return self._leave(Event.EXHAUST if exhausted else Event.LOSE, reason)

    def _leave(self, event: Event, reason: str) -> list[Action]:
        was = self.state
        if not self._move(event):
            return []
        actions: list[Action] = []
        if reason and was in (State.CONNECTING, State.CONNECTED):
            actions.append(Close(reason))
        if was is State.CONNECTED:
            self._servers.clear()
            self._by_address.clear()
            self.bind_tables, self._report = (), None
            actions.append(WithdrawWeights())
        return actions

    def _move(self, event: Event) -> bool:
        new = TRANSITIONS[self.state].get(event)
        if new is None:
            return False
        self.state = new
        return True

    def _connect(self) -> Connect:
        self._host_was_found = False
        return Connect(self.agent.address, self.agent.port)

    def _parameters(self, now: float) -> Send:
        return self._channel.send(DfpParameters(KeepAlive(self.agent.timeout)), now)
