"""The weights that agents have set: what ``show ip slb dfp weights`` prints and what the predictor goes by."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

from ryu_haslb.dfp.tlv import ANY_BIND_ID, ANY_PORT, ANY_PROTOCOL, UDP


class AgentAddress(NamedTuple):
    """Where an agent listens; it names the agent."""

    address: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class Server(NamedTuple):
    """Whom a weight is for: a real server's address, port (0: any), IP protocol (0: any) and bind id (65535: any)."""

    address: IPv4Address
    port: int
    protocol: int
    bind_id: int


@dataclass(frozen=True)
class WeightRow:
    """One weight in force. ``set_at`` is when the report came, in seconds of the monotonic clock."""

    server: Server
    weight: int
    agent: AgentAddress
    set_at: float


class WeightTable:
    """The last report of every connected agent about every server.

    Several agents may speak for one server, and the draft does not say who is right: here the newest report is. When
    its agent is lost, the newest of the others comes back into force, and without any the server has no row.
    """

    def __init__(self) -> None:
        self._rows: dict[Server, dict[AgentAddress, WeightRow]] = {}

    def set(self, server: Server, weight: int, agent: AgentAddress, now: float) -> None:
        """Note what ``agent`` reported."""
        reports = self._rows.setdefault(server, {})
        reports.pop(agent, None)  # so that the newest report is the last one
        reports[agent] = WeightRow(server, weight, agent, now)

    def withdraw(self, agent: AgentAddress) -> None:
        """Forget everything that ``agent`` reported (section 5.3: its servers go back to their static weights)."""
        for server, reports in list(self._rows.items()):
            reports.pop(agent, None)
            if not reports:
                del self._rows[server]

    def rows(self) -> list[WeightRow]:
        """The weights in force, by server address, port, protocol and bind id."""
        return [self._newest(server) for server in sorted(self._rows)]

    def weight(self, address: IPv4Address, port: int = 434, protocol: int = UDP, bind_id: int = 0) -> Optional[int]:
        """The weight of a real server; None: nobody reports on it, its static weight holds.

        ``port`` is where the real serves. A farm without bind ids of its own has bind id 0, as in IOS. Of a report for
        just this port, protocol or bind id and one for any of them, the exact one counts.
        """
        for candidate_port in (port, ANY_PORT):
            for candidate_protocol in (protocol, ANY_PROTOCOL):
                for candidate_bind_id in (bind_id, ANY_BIND_ID):
                    server = Server(address, candidate_port, candidate_protocol, candidate_bind_id)
                    if server in self._rows:
                        return self._newest(server).weight
        return None

    def _newest(self, server: Server) -> WeightRow:
        return next(reversed(self._rows[server].values()))
