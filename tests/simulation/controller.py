"""The balancer in the simulation: the product's own balancer and switch code, on the virtual clock and simulated wires.

What ``app.py`` does with green threads and sockets is done here with events; everything that decides is the product's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from hashlib import blake2b
from ipaddress import IPv4Address
from typing import Optional

from ryu_haslb.configuration.model import Configuration, DfpAgent, DfpManager
from ryu_haslb.dfp.agent_connection import SetWeight
from ryu_haslb.dfp.configured_agents import DfpAgents
from ryu_haslb.dfp.steering import ServerStates, steer
from ryu_haslb.openflow.fleet.fleet import CONFIRMATION_TIMEOUT, FLUSH_INTERVAL, Fleet
from ryu_haslb.openflow.flow_tables.key_rules import KEY_LENGTH
from ryu_haslb.slb.balancer import MAX_SESSIONS_PER_STEP, Balancer
from ryu_haslb.slb.session_tag import UNKEYED
from simulation.clock import Clock
from simulation.dfp import SimulatedDfpAgent, SimulatedLink
from simulation.process import Process
from simulation.strangers import StrangerConnection
from simulation.switch import SimulatedSwitch
from simulation.transport import Transport

TICK_INTERVAL = 0.1
#: Seconds after which a switch that has lost its controller connects again.
RECONNECT_INTERVAL = 1.0

LOG = logging.getLogger(__name__)


class Controller:
    """One balancer process: it can be killed, and started again with nothing but its configuration.

    ``is_old_at_first``: until the first restart it is of a version that hashes tags without a key.
    """

    def __init__(
        self,
        clock: Clock,
        configuration: Configuration,
        find_agent: Callable[[IPv4Address], SimulatedDfpAgent],
        name: str = "balancer1",
        is_old_at_first: bool = False,
    ) -> None:
        self._is_old_at_first = is_old_at_first
        self.clock = clock
        self.name = name
        self._find_agent = find_agent
        self.configuration = configuration
        self.is_running = False
        self.transports: dict[int, Transport] = {}
        self._switches: list[SimulatedSwitch] = []
        self._cut: set[int] = set()
        self.process = Process(clock)
        self._flush_is_due = False
        self._start_count = 0
        self._awaited = 0
        self.is_retired = False
        #: Connections of strangers that are open, and the number of those that ever were.
        self.strangers: list[StrangerConnection] = []
        self.strangers_seen = 0

    def add_switch(self, switch: SimulatedSwitch) -> None:
        """Have a switch connect whenever the controller runs and the network between them is whole."""
        self._switches.append(switch)

    def start(self) -> None:
        """Start the process; one that is retired is configured again."""
        if self.is_retired and self.is_running:
            self.configure(self.configuration)
        if self.is_running:
            return
        self.is_retired = False
        self.is_running = True
        self._start_count += 1
        # Each start has a key of its own, which must not matter to the sessions of the one before.
        key = blake2b(f"{self.name} {self._start_count}".encode(), digest_size=KEY_LENGTH).digest()
        is_old = self._is_old_at_first and self._start_count == 1
        self.balancer = Balancer(self.configuration, key=UNKEYED if is_old else key)
        self.fleet = self._make_fleet()
        manager = self.configuration.dfp or DfpManager()
        self.dfp = DfpAgents(manager, self._on_weights_changed, self._make_link, self._time)
        self._server_states = ServerStates()
        self.dfp.start()
        self.process.timers.after(TICK_INTERVAL, self._tick, self._start_count)
        for switch in self._switches:
            self.clock.after(0.01, self._connect, switch, self._start_count)

    def _make_fleet(self) -> Fleet:
        return Fleet(self.configuration, self.balancer, self._time)

    def kill(self) -> None:
        """End the process without a word, as ``kill -9`` does."""
        self.is_running = False
        for transport in list(self.transports.values()):
            transport.close()
        self.transports.clear()
        for stranger in list(self.strangers):
            stranger.close()
        for link in self.dfp.links:
            link.disconnect("")

    def accept_stranger(self, is_polite: bool) -> StrangerConnection:
        """A peer that is none of the switches connects. ``is_polite``: it answers as a switch without ports does."""
        stranger = StrangerConnection(self.clock, self.name, is_polite, self._on_stranger, self._on_stranger_closed)
        self.strangers.append(stranger)
        self.strangers_seen += 1
        return stranger

    def _on_stranger(self, stranger: StrangerConnection) -> None:
        if self.is_running:
            stranger.listener = self.fleet
            self.fleet.on_connected(stranger)
        else:
            stranger.close()

    def _on_stranger_closed(self, stranger: StrangerConnection) -> None:
        self.strangers.remove(stranger)
        if self.is_running and stranger.listener is not None:
            stranger.listener.on_disconnected(stranger)

    def stop(self) -> None:
        """End the process as SIGTERM does."""
        if self.is_running:
            self._awaited = self.fleet.stop(self._on_confirmed)
            self.flush_soon()
            self.clock.after(CONFIRMATION_TIMEOUT if self._awaited else 0.0, self._end, self._start_count)

    def retire(self) -> None:
        """Take the rules off the switches, and serve none until :meth:`configure`, as ``haslb retire`` does."""
        if self.is_running:
            self.is_retired = True
            self.fleet.retire()

    def _on_confirmed(self) -> None:
        self._awaited -= 1
        if not self._awaited:
            self.clock.after(0.0, self._end, self._start_count)

    def _end(self, start_count: int) -> None:
        if start_count == self._start_count and self.is_running:
            self.fleet.close()
            self.kill()

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration, or start with it the next time."""
        self.configuration = configuration
        self.is_retired = False
        if self.is_running:
            self.balancer.configure(configuration)
            self.dfp.configure(configuration.dfp or DfpManager(), self.clock.now)
            self._on_weights_changed(None)
            self.fleet.configure(configuration)
            self.flush_soon()

    def cut(self, switch: SimulatedSwitch) -> None:
        """The network between a switch and the controller breaks."""
        self._cut.add(switch.datapath_id)
        transport = self.transports.get(switch.datapath_id)
        if transport is not None:
            transport.close()

    def mend(self, switch: SimulatedSwitch) -> None:
        """The network between them is whole again."""
        self._cut.discard(switch.datapath_id)
        self.clock.after(RECONNECT_INTERVAL, self._connect, switch, self._start_count)

    def is_connected(self, switch: SimulatedSwitch) -> bool:
        """Whether the switch has a connection over which it is to be served."""
        return self.is_running and not self.is_retired and switch.datapath_id in self.transports

    @property
    def is_acting(self) -> bool:
        """Whether this balancer is to serve switches."""
        return self.is_running

    @property
    def starts(self) -> int:
        """How often it was started."""
        return self._start_count

    def serves(self, switch: SimulatedSwitch) -> bool:
        """Whether this balancer is the one that acts at the switch."""
        served = self.fleet.switches.get(switch.datapath_id)
        return served is not None and served.channel is not None

    @property
    def has_sessions(self) -> bool:
        """Whether this balancer runs and serves a switch, or has sessions from the time when it did."""
        return self.is_running and (any(map(self.serves, self._switches)) or len(self.balancer.sessions) > 0)

    def on_closed(self, transport: Transport) -> None:
        """A connection has ended."""
        self.process.inputs.call(self._on_closed, transport)

    def _on_closed(self, transport: Transport) -> None:
        if self.transports.get(transport.id) is not transport:
            return
        del self.transports[transport.id]
        if self.is_running:
            self.fleet.on_disconnected(transport)
            for switch in self._switches:
                if switch.datapath_id == transport.id:
                    self.clock.after(RECONNECT_INTERVAL, self._connect, switch, self._start_count)

    def flush_soon(self) -> None:
        """Let session rules that have come together be sent in a moment."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self.process.timers.after(FLUSH_INTERVAL, self._flush)

    def _time(self) -> float:
        return self.clock.now

    def _make_link(self, agent: DfpAgent, agents: DfpAgents) -> SimulatedLink:
        return SimulatedLink(agent, agents, self.process, self._find_agent)

    def _on_weights_changed(self, reports: Optional[Sequence[SetWeight]]) -> None:
        steer(self.balancer.reals(), self.dfp.weights, reports)

    def _connect(self, switch: SimulatedSwitch, start_count: int) -> None:
        is_wanted = self.is_running and start_count == self._start_count and switch.datapath_id not in self.transports
        if is_wanted and switch.datapath_id not in self._cut:
            transport = self.transports[switch.datapath_id] = Transport(switch, self)
            self.process.inputs.call(self.fleet.on_connected, transport)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self.is_running:
            self.fleet.flush(self.clock.now)
            if any(not switch.rules.is_idle and switch.channel is not None for switch in self.fleet.switches.values()):
                self.flush_soon()

    def _tick(self, start_count: int) -> None:
        if not self.is_running or start_count != self._start_count:
            return
        now = self.clock.now
        if self.configuration.dfp is not None:
            self.dfp.tick(now)
            if self._server_states.follow(list(self.balancer.reals())):
                self.dfp.set_reachable(self._server_states.reachable, now)
                self.dfp.send_server_states(self._server_states.weights, now)
        self.fleet.tick(now)
        while self.balancer.advance(now, MAX_SESSIONS_PER_STEP):
            pass
        self.process.timers.after(TICK_INTERVAL, self._tick, start_count)
