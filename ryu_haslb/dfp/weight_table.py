"""The weights that agents have reported: the predictor uses them, ``show ip slb dfp weights`` prints them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Callable, NamedTuple, Optional

from ryu_haslb.dfp.tlv import ANY_BIND_ID, ANY_PORT, ANY_PROTOCOL, UDP


class AgentAddress(NamedTuple):
    """The address and port that an agent listens on. It is the agent's name."""

    address: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class Server(NamedTuple):
    """The real server of a weight: address, port (0: any), IP protocol (0: any) and bind id (65535: any)."""

    address: IPv4Address
    port: int
    protocol: int
    bind_id: int


@dataclass(frozen=True)
class WeightRow:
    """One weight in force. ``set_at`` is the time of the report, in seconds of the monotonic clock."""

    server: Server
    weight: int
    agent: AgentAddress
    set_at: float


class WeightTable:
    """The last report of each connected agent on each server.

    Several agents may report on one server, and the draft does not say which report counts: here the newest does. When
    its agent is lost, the newest report of the others is in force; without any, the server has no row.

    In a cluster there are inherited weights as well: what an agent had reported to the leader before. They are in force
    for servers without a report, until the agent reports, or its connection is lost, or their time is over.
    ``changes`` grows when a weight in force may have changed.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._rows: dict[Server, dict[AgentAddress, WeightRow]] = {}
        self._inherited: dict[Server, WeightRow] = {}
        self._inherited_until: Optional[float] = None

    def set(self, server: Server, weight: int, agent: AgentAddress, now: float) -> None:
        """Store a report of ``agent``."""
        reports = self._rows.setdefault(server, {})
        reports.pop(agent, None)  # so that the newest report is the last one
        reports[agent] = WeightRow(server, weight, agent, now)
        self.changes += 1
        self._drop_inherited(agent)

    def withdraw(self, agent: AgentAddress) -> None:
        """Remove the reports of ``agent`` (section 5.3: its servers go back to their static weights)."""
        for server, reports in list(self._rows.items()):
            reports.pop(agent, None)
            if not reports:
                del self._rows[server]
        self.changes += 1
        self._drop_inherited(agent)

    def inherit(self, rows: Iterable[WeightRow], until: Optional[float]) -> None:
        """Replace the inherited weights. They last until this time; None: until they are replaced."""
        reporting = {agent for reports in self._rows.values() for agent in reports}
        self._inherited = {row.server: row for row in rows if row.agent not in reporting}
        self._inherited_until = until
        self.changes += 1

    def limit_inherited(self, until: float) -> None:
        """Let the inherited weights last until this time."""
        self._inherited_until = until

    def expire(self, now: float) -> bool:
        """Drop the inherited weights if their time is over. True when there were any."""
        if not self._inherited or self._inherited_until is None or now < self._inherited_until:
            return False
        self._inherited.clear()
        self.changes += 1
        return True

    def retain(self, agent: AgentAddress, may_set: Callable[[IPv4Address], bool]) -> None:
        """Remove the reports of ``agent`` on servers whose weight it may no longer set."""
        for server, reports in list(self._rows.items()):
            if agent in reports and not may_set(server.address):
                del reports[agent]
                if not reports:
                    del self._rows[server]
        self.changes += 1

    def rows(self) -> list[WeightRow]:
        """The weights in force, by server address, port, protocol and bind id."""
        return [self._in_force(server) for server in sorted(self._rows.keys() | self._inherited.keys())]

    def weight(self, address: IPv4Address, port: int = 434, protocol: int = UDP, bind_id: int = 0) -> Optional[int]:
        """The weight of a real server; None: no agent reports on it, and its static weight holds.

        ``port`` is the port of the real server. A farm without bind ids of its own has bind id 0, as in IOS. A report
        for exactly this port, protocol and bind id takes precedence over one for any of them.
        """
        if not self._rows and not self._inherited:
            return None
        for candidate_port in (port, ANY_PORT):
            for candidate_protocol in (protocol, ANY_PROTOCOL):
                for candidate_bind_id in (bind_id, ANY_BIND_ID):
                    server = Server(address, candidate_port, candidate_protocol, candidate_bind_id)
                    if server in self._rows or server in self._inherited:
                        return self._in_force(server).weight
        return None

    def _in_force(self, server: Server) -> WeightRow:
        reports = self._rows.get(server)
        return next(reversed(reports.values())) if reports else self._inherited[server]

    def _drop_inherited(self, agent: AgentAddress) -> None:
        if self._inherited:
            self._inherited = {server: row for server, row in self._inherited.items() if row.agent != agent}
