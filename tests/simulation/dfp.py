"""DFP in the simulation: the product's manager and agent state machines, joined by simulated TCP connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Union

from ryu_haslb.configuration.model import DfpAgent
from ryu_haslb.dfp import manager_connection as agent_side
from ryu_haslb.dfp.agent_connection import Connect
from ryu_haslb.dfp.channel import Close, Send
from ryu_haslb.dfp.configured_agents import DfpAgents, Link
from ryu_haslb.dfp.manager_connection import ManagerConnection
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import ANY_BIND_ID, UDP, HostPreference, Load
from ryu_haslb.dfp.weight import HomeAgentLoad, dfp_weight
from simulation.clock import Clock
from simulation.home_agent import HomeAgent, Mood
from simulation.network import Pipe
from simulation.process import Process

#: Seconds between two looks of an agent at its home agent's load, and the seconds that a connection takes.
MEASURE_INTERVAL = 5.0
CONNECT_TIME = 0.01
DFP_PORT = 500
#: Bindings that a home agent has room for at least, as far as its weight goes.
MIN_ROOM = 500


class SimulatedDfpAgent:
    """The DFP agent on a home agent. ``punctual``: it reports exactly each keep-alive interval, as Cisco's own does.

    ``room`` is the number of bindings at which its weight is 0. ``weight_before`` is what it was at the look before.
    Several managers may be connected: the members of a cluster.
    """

    def __init__(self, home_agent: HomeAgent, clock: Clock, punctual: bool, room: int = MIN_ROOM) -> None:
        self.home_agent = home_agent
        self.is_running = True
        self.clock = clock
        self.punctual = punctual
        self._room = room
        self.weight = self.weight_before = self._measure()
        self._managers: list[AcceptedManager] = []
        clock.after(MEASURE_INTERVAL, self._look)

    @property
    def is_reachable(self) -> bool:
        """Whether a manager that connects gets an answer."""
        return self.is_running and self.home_agent.mood is Mood.WELL

    def accept(self, pipe: Pipe) -> AcceptedManager:
        """A manager has connected; ``pipe`` leads to it."""
        manager = AcceptedManager(self, pipe)
        self._managers = [each for each in self._managers if each.is_open] + [manager]
        return manager

    def _look(self) -> None:
        self.weight_before, self.weight = self.weight, self._measure()
        for manager in self._managers if self.is_reachable else ():
            manager.report_load()
        self.clock.after(MEASURE_INTERVAL, self._look)

    def _measure(self) -> int:
        return dfp_weight(HomeAgentLoad(len(self.home_agent.bindings), self._room))

    def loads(self) -> tuple[Load, ...]:
        """What it reports."""
        host = HostPreference(IPv4Address(self.home_agent.address), ANY_BIND_ID, self.weight)
        return (Load(434, UDP, (host,)),)


class AcceptedManager:
    """The agent's end of the connection of one manager."""

    def __init__(self, agent: SimulatedDfpAgent, pipe: Pipe) -> None:
        self._agent = agent
        self._pipe = pipe
        self._connection = ManagerConnection(KeyRing("", 0), agent.loads())
        self._reports_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the manager has not ended the connection."""
        return self._pipe.is_open

    def begin(self) -> None:
        """The connection is there."""
        self._carry_out(self._connection.connected(self._agent.clock.now))
        self._schedule()

    def receive(self, data: bytes) -> None:
        """Bytes came from the manager."""
        if self._agent.is_reachable:
            self._carry_out(self._connection.received(data, self._agent.clock.now))
            self._schedule()

    def report_load(self) -> None:
        """Report another weight, if it is another one."""
        self._carry_out(self._connection.report(self._agent.loads(), self._agent.clock.now))

    def _schedule(self) -> None:
        """Report again in time; a punctual agent in the last moment."""
        deadline = self._connection.next_deadline()
        if deadline is None:
            return
        clock = self._agent.clock
        if self._agent.punctual:
            deadline += (1 - agent_side.REPORT_SHARE) * self._connection.keep_alive
        if deadline > self._reports_at or self._reports_at <= clock.now:
            self._reports_at = deadline
            clock.at(deadline, self._report, deadline)

    def _report(self, deadline: float) -> None:
        if not self.is_open or deadline != self._reports_at:
            return
        clock = self._agent.clock
        if not self._agent.is_reachable:
            clock.after(MEASURE_INTERVAL, self._report, deadline)
            return
        self._carry_out(self._connection.tick(clock.now))
        self._schedule()

    def _carry_out(self, actions: Iterable[Union[Send, Close]]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self._pipe.send(action.data)


class SimulatedLink(Link):
    """A link of the manager over pipes. ``process`` is that of the manager, which may be stopped."""

    def __init__(
        self, agent: DfpAgent, agents: DfpAgents, process: Process, find: Callable[[IPv4Address], SimulatedDfpAgent]
    ) -> None:
        super().__init__(agent, agents)
        self._process = process
        self._clock = process.inputs
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
        self._process.inputs.call(self._lose)

    def _lose(self) -> None:
        if self._pipes:
            self.disconnect("")
            self.carry_out(self.connection.closed(self._clock.now))

    def _connected(self, target: Connect) -> None:
        agent = self._find(target.address)
        if not agent.is_reachable:
            self.carry_out(self.connection.closed(self._clock.now))
            return
        here = Pipe(self._clock, self._receive)
        manager = agent.accept(here)
        self._pipes = (Pipe(agent.clock, manager.receive), here)
        self.carry_out(self.connection.connected(self._clock.now))
        manager.begin()

    def _receive(self, data: bytes) -> None:
        self.carry_out(self.connection.received(data, self._clock.now))
