"""All configured DFP agents: their connections, and the weights that they have reported. No I/O.

A connection is a :class:`Link`: it decides by the state machine of :mod:`.agent_connection` and carries out the actions
over its transport; :mod:`.manager_sockets` has the one over TCP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Callable, Optional

from ryu_haslb.configuration.model import DfpAgent, DfpManager
from ryu_haslb.dfp.agent_connection import Action, AgentConnection, Connect, SetWeight
from ryu_haslb.dfp.channel import Close, Send
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.dfp.tlv import ANY_BIND_ID, MAX_HOSTS, UDP, HostPreference, Load
from ryu_haslb.dfp.weight_table import AgentAddress, WeightRow, WeightTable
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

#: Takes the reports that arrived together, or None after an agent was lost.
WeightsChanged = Callable[[Optional[Sequence[SetWeight]]], None]
#: Returns the time in seconds, as :func:`time.monotonic` does.
Clock = Callable[[], float]


class Link:
    """One agent: the state machine of its connection, and what carries out the machine's actions.

    ``lost_because`` says why the last connection has ended, or why none has been made yet, and what follows.
    """

    def __init__(self, agent: DfpAgent, agents: DfpAgents) -> None:
        self.connection = AgentConnection(agent, agents.keys)
        self.lost_because = ""
        self._agents = agents

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Carry out actions of the state machine in their order; weights reported together are set together."""
        reports = []
        for action in actions:
            if isinstance(action, Connect):
                self.connect(action)
            elif isinstance(action, Send):
                self.send(action.data)
            elif isinstance(action, Close):
                self.disconnect(action.reason)
            elif isinstance(action, SetWeight):
                reports.append(action)
            else:
                reports.clear()
                self._agents.withdraw_weights(self.connection)
        if reports:
            self._agents.set_weights(self.connection, reports)

    def connect(self, target: Connect) -> None:
        """Open a connection, and report success or failure to the state machine."""
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        """Send bytes over the present connection, if there is one."""
        raise NotImplementedError

    def disconnect(self, reason: str) -> None:
        """End the present connection."""
        raise NotImplementedError


class DfpAgents:
    """The connections to all configured agents, and the weights that the agents have reported."""

    def __init__(
        self,
        configuration: DfpManager,
        weights_changed: WeightsChanged,
        make_link: Callable[[DfpAgent, DfpAgents], Link],
        clock: Clock,
    ) -> None:
        self.weights = WeightTable()
        self.keys = KeyRing(configuration.password or "", configuration.password_timeout)
        self._password = configuration.password or ""
        self._weights_changed = weights_changed
        self._make_link = make_link
        self._clock = clock
        self._server_states: dict[IPv4Address, int] = {}
        self._reachable: frozenset[IPv4Address] = frozenset()
        self.links = [make_link(agent, self) for agent in configuration.agents]

    def start(self) -> None:
        """Start to connect to each agent."""
        for link in self.links:
            link.carry_out(link.connection.start())

    def configure(self, configuration: DfpManager, now: float) -> None:
        """Apply another configuration. Agents that are in both configurations stay connected.

        The caller sets the weights of all real servers anew afterwards.
        """
        self.keys.timeout = configuration.password_timeout
        password, self._password = self._password, configuration.password or ""
        if self._password and self._password != password:
            self.keys.replace(self._password, now)
        elif password and not self._password:
            self.keys.remove(password, now)
        known = {link.connection.name: link for link in self.links}
        self.links = []
        for agent in configuration.agents:
            link = known.pop(AgentAddress(agent.address, agent.port), None) or self._make_link(agent, self)
            self.links.append(link)
            self.weights.retain(link.connection.name, agent.may_set)
            link.carry_out(link.connection.configure(agent, now) + link.connection.start())
        for link in known.values():
            link.carry_out(link.connection.stop())

    def tick(self, now: float) -> None:
        """Close connections whose keep-alive time is over, and retry lost ones."""
        for link in self.links:
            link.carry_out(link.connection.tick(now))
        if self.weights.expire(now):
            self._weights_changed(None)

    def inherit_weights(self, rows: Iterable[WeightRow], until: Optional[float]) -> None:
        """Use what agents have reported to another member of the cluster, where they may set that, until they report.

        It lasts until this time; None: until it is replaced.
        """
        may_set = {link.connection.name: link.connection.agent.may_set for link in self.links}
        permitted = (row for row in rows if row.agent in may_set and may_set[row.agent](row.server.address))
        self.weights.inherit(permitted, until)
        self._weights_changed(None)

    def send_server_states(self, weights: Mapping[IPv4Address, int], now: float) -> None:
        """Send to each agent which of its servers the balancer has taken out of service, or back (section 6.2).

        ``weights`` has the weight of each real server, 0 for one that is out of service.
        """
        before, self._server_states = self._server_states, dict(weights)
        changed = {address for address, weight in weights.items() if (weight == 0) != (before.get(address, 1) == 0)}
        for link in self.links if changed else ():
            concerned = sorted(changed & link.connection.reported_addresses)
            hosts = [HostPreference(address, ANY_BIND_ID, weights[address]) for address in concerned]
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
        now = self._clock()
        for report in reports:
            self.weights.set(report.server, report.weight, connection.name, now)
        self._weights_changed(reports)

    def withdraw_weights(self, connection: AgentConnection) -> None:
        """Remove the weights of an agent."""
        self.weights.withdraw(connection.name)
        self._weights_changed(None)
