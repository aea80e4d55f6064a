"""DFP in the simulation: the product's manager and agent state machines, joined by simulated TCP connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Optional, Union

from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp import agent as agent_side
from ryu_haslb.dfp.agent import ManagerConnection
from ryu_haslb.dfp.agents import DfpAgents, Link
from ryu_haslb.dfp.channel import Close, Send
from ryu_haslb.dfp.manager import Connect
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import ANY_BIND_ID, UDP, HostPreference, Load
from ryu_haslb.dfp.weight import HomeAgentLoad, dfp_weight
from simulation.clock import Clock
from simulation.home_agent import HomeAgent, Mood
from simulation.network import Pipe

#: Seconds between two looks of an agent at its home agent's load, and the seconds that a connection takes.
MEASURE_INTERVAL = 5.0
CONNECT_TIME = 0.01
DFP_PORT = 500
#: Bindings that a home agent has room for, as far as its weight goes.
MAX_BINDINGS = 500


class SimulatedDfpAgent:
    """The DFP agent on a home agent. ``punctual``: it reports exactly each keep-alive interval, as Cisco's own does."""

    def __init__(self, home_agent: HomeAgent, clock: Clock, punctual: bool) -> None:
        self.home_agent = home_agent
        self.is_running = True
        self.weight = self._measure()
        self._clock = clock
        self._punctual = punctual
        self._connection: Optional[ManagerConnection] = None
        self._pipe: Optional[Pipe] = None
        self._reports_at = 0.0
        clock.after(MEASURE_INTERVAL, self._look)

    @property
    def is_reachable(self) -> bool:
        """Whether a manager that connects gets an answer."""
        return self.is_running and self.home_agent.mood is Mood.WELL

    def accept(self, pipe: Pipe) -> ManagerConnection:
        """A manager has connected; ``pipe`` leads to it."""
        self._pipe = pipe
        self._connection = ManagerConnection(KeyRing("", 0), self._loads())
        self._carry_out(self._connection.connected(self._clock.now))
        self._schedule()
        return self._connection

    def receive(self, data: bytes) -> None:
        """Bytes came from the manager."""
        if self._connection is not None and self.is_reachable:
            self._carry_out(self._connection.received(data, self._clock.now))
            self._schedule()

    def _look(self) -> None:
        self.weight = self._measure()
        if self._connection is not None and self.is_reachable:
            self._carry_out(self._connection.report(self._loads(), self._clock.now))
        self._clock.after(MEASURE_INTERVAL, self._look)

    def _schedule(self) -> None:
        """Report again in time; a punctual agent in the last moment."""
        assert self._connection is not None
        deadline = self._connection.next_deadline()
        if deadline is None:
            return
        if self._punctual:
            deadline += (1 - agent_side.REPORT_SHARE) * self._connection.keep_alive
        if deadline > self._reports_at or self._reports_at <= self._clock.now:
            self._reports_at = deadline
            self._clock.at(deadline, self._report, deadline)

    def _report(self, deadline: float) -> None:
        if self._connection is None or deadline != self._reports_at:
            return
        if not self.is_reachable:
            self._clock.after(MEASURE_INTERVAL, self._report, deadline)
            return
        self._carry_out(self._connection.tick(self._clock.now))
        self._schedule()

    def _carry_out(self, actions: Iterable[Union[Send, Close]]) -> None:
        for action in actions:
            if isinstance(action, Send) and self._pipe is not None:
                self._pipe.send(action.data)

    def _measure(self) -> int:
        return dfp_weight(HomeAgentLoad(len(self.home_agent.bindings), MAX_BINDINGS))

    def _loads(self) -> tuple[Load, ...]:
        host = HostPreference(IPv4Address(self.home_agent.address), ANY_BIND_ID, self.weight)
        return (Load(434, UDP, (host,)),)


class SimulatedLink(Link):
    """A link of the manager over pipes."""

    def __init__(
        self, agent: DfpAgent, agents: DfpAgents, clock: Clock, find: Callable[[IPv4Address], SimulatedDfpAgent]
    ) -> None:
        super().__init__(agent, agents)
        self._clock = clock
        self._find = find
        self._pipes: tuple[Pipe, ...] = ()

    def connect(self, target: Connect) -> None:
        self._clock.after(CONNECT_TIME, self._connected, target)

    def send(self, data: bytes) -> None:
        if self._pipes:
            self._pipes[0].send(data)

    def disconnect(self, reason: str) -> None:
        for pipe in self._pipes:
            pipe.close()
        self._pipes = ()

    def lose(self) -> None:
        """The connection ends otherwise than by the manager."""
        if self._pipes:
            self.disconnect("")
            self.carry_out(self.connection.closed(self._clock.now))

    def _connected(self, target: Connect) -> None:
        agent = self._find(target.address)
        if not agent.is_reachable:
            self.carry_out(self.connection.closed(self._clock.now))
            return
        here = Pipe(self._clock, self._receive)
        self._pipes = (Pipe(self._clock, agent.receive), here)
        self.carry_out(self.connection.connected(self._clock.now))
        agent.accept(here)

    def _receive(self, data: bytes) -> None:
        self.carry_out(self.connection.received(data, self._clock.now))
