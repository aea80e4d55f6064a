"""The balancer: virtual servers, farms and sessions of one configuration. The caller supplies the time.

:mod:`.request_decision` decides about each request, and the caller carries out its verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.slb.abandoned_attempts import AbandonedAttempts
from ryu_haslb.slb.client_counts import ClientCounts
from ryu_haslb.slb.failure_detection import FailureDetection
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.probing import Probing
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request, Verdict
from ryu_haslb.slb.request_decision import RequestDecision
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_ending import SessionEnding
from ryu_haslb.slb.session_filter import Page, SessionFilter
from ryu_haslb.slb.session_limit import limit_of
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.session_tag import UNKEYED
from ryu_haslb.slb.statistics import Statistics
from ryu_haslb.slb.virtual_server import VirtualServer

#: Sessions that one step of :meth:`Balancer.advance` or :meth:`Balancer.clear_in_slices` examines, before Registration
#: Requests have their turn.
MAX_SESSIONS_PER_STEP = 500


class Balancer:
    """All virtual servers of one configuration, their farms and sessions.

    ``sessions`` is the session table, which only the balancer, its ``decision`` and its ``ending`` change. ``memory``
    are the bytes that the process may have: the limit of sessions follows from them. ``key`` is a secret, for the tags
    of sessions.
    """

    def __init__(self, configuration: Configuration, memory: Optional[int] = None, key: bytes = UNKEYED) -> None:
        self._memory = memory
        self.farms: dict[str, ServerFarm] = {}
        self.virtual_servers: dict[str, VirtualServer] = {}
        self.sessions = SessionTable(key)
        self.failure_detection = FailureDetection()
        self.probing = Probing()
        self._abandoned = AbandonedAttempts()
        self.ending = SessionEnding(self.sessions, self.failure_detection)
        self.decision = RequestDecision(self.sessions, self.failure_detection, self._abandoned, self.ending)
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> list[Session]:
        """Apply another configuration. Sessions stay, except those returned: their virtual server is gone.

        A session whose real server is no longer in the farm moves with its next request.
        """
        farms = {}
        for name, farm in configuration.farms.items():
            farms[name] = self.farms.get(name) or ServerFarm(farm)
            farms[name].configure(farm)
        self.farms = farms
        before = self.virtual_servers
        self.virtual_servers = {}
        for name, server in configuration.virtual_servers.items():
            known = before.get(name)
            if known is None or known.packed_address != server.address.packed:
                known = VirtualServer(server, farms[server.farm])
            known.configure(server, farms[server.farm])
            self.virtual_servers[name] = known
        kept = self.virtual_servers.values()
        ended = self.ending.close_all(server for server in before.values() if server not in kept)
        self.sessions.configure(kept)
        self.sessions.limit.limit = limit_of(configuration, self._memory)
        self.failure_detection.configure(self.reals())
        self.probing.configure(configuration, farms)
        return ended

    @property
    def statistics(self) -> Statistics:
        """The counters of requests and sessions."""
        return self.decision.statistics

    @property
    def client_counts(self) -> ClientCounts:
        """The counters by client."""
        return self.decision.client_counts

    def request(self, request: Request, now: float) -> Verdict:
        """Decide about one Registration Request."""
        return self.decision.decide(request, now)

    def has_session(self, request: Request) -> bool:
        """Whether its mobile is known. The home agent in the request proves nothing: every sender may write one."""
        return self.sessions.find(request) is not None

    def record_reply(self, real: RealServer, session: Optional[Session], now: float) -> None:
        """A reply of a real server in doubt was seen: it lives. ``session`` is that of the mobile that it has bound."""
        self.failure_detection.on_reply(real, session, now)
        if session is not None and session.unconfirmed_in is not None:
            self.sessions.confirm(session)

    def recover(self, server: VirtualServer, tag: int, real: RealServer, now: float) -> Session:
        """Recover a session whose rule is still on a switch; ``tag`` must not be in use."""
        session = self.sessions.recover(server, tag, real, now)
        real.sessions += 1
        real.total_sessions += 1
        return session

    def reals(self) -> Iterator[RealServer]:
        """Every real server of every farm."""
        for farm in self.farms.values():
            yield from farm.reals

    def clear_sessions(self, virtual_server: Optional[str] = None) -> list[Session]:
        """End all sessions, or those of one virtual server, and return them.

        Raises:
            KeyError: no virtual server has this name.
        """
        names = self.virtual_servers if virtual_server is None else [virtual_server]
        return self.ending.close_all(self.virtual_servers[name] for name in names)

    def select(self, wanted: SessionFilter, limit: int, page: Optional[Page] = None) -> Iterator[list[Session]]:
        """The sessions that a filter selects, in slices (:meth:`.SessionFilter.select`).

        Raises: UnknownObjectError.
        """
        wanted.check(self.virtual_servers, self.farms)
        return wanted.select(self.virtual_servers.values(), self.sessions, limit, page)

    def clear_in_slices(self, wanted: SessionFilter, limit: int) -> Iterator[int]:
        """End the sessions that a filter selects, at most ``limit`` in a step, and yield their number.

        Most of the sessions that begin between two steps stay. Raises: UnknownObjectError.
        """
        return map(self.ending.close_live, self.select(wanted, limit))

    def clear_counters(self) -> None:
        """Count from zero again. Sessions stay, and so do the consecutive failures of failure detection."""
        self.decision.clear_counters()
        for real in self.reals():
            real.total_sessions = real.connection_failures = 0

    def advance(self, now: float, limit: int) -> bool:
        """Do what is due at this time: end idle sessions, conclude tests, make failed real servers ready to test.

        Looks at up to ``limit`` sessions. Returns True when more may be due, so that the caller can serve requests in
        between.
        """
        for farm in self.farms.values():
            farm.advance(now)
        self.client_counts.forget_least()
        self.failure_detection.advance(now)
        self._abandoned.expire(now)
        if self.ending.continue_forgetting():
            return True
        looked_at = 0
        for overdue in self.sessions.overdue(now, limit):
            looked_at += 1
            if overdue is not None:
                self.decision.time_out(overdue, now)
        return looked_at == limit
