"""The balancer: what becomes of each registration request. The caller brings the time and carries out verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable, NamedTuple, Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.slb.drops import DropReason
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.real import Health, RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import RETRANSMISSION_INTERVAL, Session, SessionEvent, SessionState
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.statistics import Statistics
from ryu_haslb.slb.virtual_server import VirtualServer
from ryu_haslb.slb.wheel import TimingWheel

#: Is told of every session event: what happened, the state before, the session.
Listener = Callable[[SessionEvent, SessionState, Session], None]


class Verdict(NamedTuple):
    """What to do with one request: deliver it to ``real``, or drop it because of ``drop``.

    ``session`` is the session whose rule should carry the mobile's next requests; None when there is to be none.
    """

    real: Optional[RealServer]
    session: Optional[Session]
    drop: Optional[DropReason]


class Balancer:
    """All virtual servers of one configuration, their farms and sessions."""

    def __init__(self, configuration: Configuration) -> None:
        self.farms: dict[str, ServerFarm] = {}
        self.virtual_servers: dict[str, VirtualServer] = {}
        self.statistics = Statistics()
        self.listeners: list[Listener] = []
        self._table = SessionTable()
        self._probations: TimingWheel[tuple[Session, RealServer]] = TimingWheel()
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> list[Session]:
        """Go by another configuration. Sessions stay, but for those returned: their virtual server is gone.

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
        ended = [each for server in before.values() if server not in kept for each in server.sessions.values()]
        for session in ended:
            self._end(session)
        self._table.file_anew(self.sessions())
        return ended

    def request(self, request: Request, now: float) -> Verdict:
        """Decide about one registration request."""
        self.statistics.requests += 1
        server = request.virtual_server
        if server.configuration.clients and not server.allows(request.client):
            return self._drop(DropReason.CLIENT_DENIED)
        named = None
        if request.home_agent not in server.any_home_agent:
            named = server.farm.by_address.get(request.home_agent)
            if named is None:
                return self._drop(DropReason.UNKNOWN_HOME_AGENT)
        session = self._table.find(request)
        if session is not None and session.deadline <= now:
            self._time_out(session)
            session = None
        if request.lifetime == 0:
            return self._deregister(request, session, named)
        if session is not None:
            return self._further(request, session, named, now)
        return self._open(request, named, now)

    def knows(self, request: Request) -> bool:
        """Whether its mobile has something to lose: a session here, or a binding at the real server that it names."""
        return self._table.find(request) is not None or request.home_agent in request.virtual_server.farm.by_address

    def adopt(self, server: VirtualServer, tag: int, real: RealServer, now: float) -> Session:
        """Take over a session whose rule is still on a switch; ``tag`` must not be in use."""
        session = self._table.adopt(server, tag, real, now)
        self._place(session, real, now)
        return session

    def session_of_tag(self, tag: int) -> Optional[Session]:
        """The live session that a rule with this Ethernet source address belongs to."""
        return self._table.by_tag(tag)

    @property
    def session_count(self) -> int:
        """How many sessions live."""
        return sum(len(server.sessions) for server in self.virtual_servers.values())

    def sessions(self) -> Iterator[Session]:
        """Every live session."""
        for server in self.virtual_servers.values():
            yield from server.sessions.values()

    def reals(self) -> Iterator[RealServer]:
        """Every real server of every farm."""
        for farm in self.farms.values():
            yield from farm.reals

    def clear_sessions(self, virtual_server: Optional[str] = None) -> list[Session]:
        """End all sessions, or those of one virtual server, and return them. KeyError for an unknown name."""
        names = self.virtual_servers if virtual_server is None else [virtual_server]
        ended = [session for name in names for session in self.virtual_servers[name].sessions.values()]
        for session in ended:
            self._end(session)
        return ended

    def clear_counters(self) -> None:
        """Count from zero again; sessions, and the failures that failure detection goes by, stay."""
        self.statistics = Statistics()
        for real in self.reals():
            real.total_sessions = real.connection_failures = 0

    def advance(self, now: float, limit: int) -> bool:
        """Let time pass: end sessions, conclude tests, let failed real servers try again.

        At most ``limit`` sessions are looked at; True says that more are due, so that the caller can serve requests in
        between.
        """
        for real in self.reals():
            real.retry_if_due(now)
        for session, real in self._probations.due(now):
            unbroken = self._table.has(session) or session.deadline <= now  # neither cleared nor closed
            if unbroken and session.real is real and session.retries == 0:
                real.record_success(session)
        looked_at = 0
        for overdue in self._table.overdue(now, limit):
            looked_at += 1
            if overdue is not None:
                self._time_out(overdue)
        return looked_at == limit

    def drop(self, reason: DropReason, count: int = 1) -> None:
        """Count packets that never became requests that :meth:`request` could decide about."""
        self.statistics.requests += count
        self.statistics.drops[reason] += count

    def _open(self, request: Request, named: Optional[RealServer], now: float) -> Verdict:
        """The first request of a session."""
        real = named or request.virtual_server.farm.choose(request.datapath_id)
        if real is None:
            return self._drop(DropReason.NO_REAL_AVAILABLE)
        if request.datapath_id not in real.reachable_from:
            return self._drop(DropReason.REAL_UNREACHABLE)
        session = self._table.open(request, real, now)
        self.statistics.assignments += 1
        self._place(session, real, now)
        self._tell(SessionEvent.REQUEST, SessionState.INIT, session)
        return self._deliver(real, session)

    def undelivered(self, reason: DropReason) -> None:
        """A request that was to be dispatched did not get through the switch."""
        self.statistics.dispatched -= 1
        self.statistics.drops[reason] += 1

    def _further(self, request: Request, session: Session, named: Optional[RealServer], now: float) -> Verdict:
        """A further request of a session: a retry, or the first of its mobile's next registration."""
        self.statistics.retries += 1
        session.ask_again(request, now)
        real = session.real
        stays = self._stays(session, now)
        target = named or (real if stays else self._elsewhere(session, request.datapath_id))
        if target is None:
            return self._drop(DropReason.NO_REAL_AVAILABLE)
        if target is not real or real.health is Health.READY_TO_TEST:
            self._move(session, target, now)
        self._tell(SessionEvent.REQUEST, SessionState.ESTABLISHED, session)
        if request.datapath_id not in target.reachable_from:
            return self._drop(DropReason.REAL_UNREACHABLE)
        return self._deliver(target, session)

    def _stays(self, session: Session, now: float) -> bool:
        """Whether a session that is being retried is left at its real server; failures are recorded on the way."""
        real = session.real
        if not session.virtual_server.farm.has(real):
            return False
        if real.test_session is session:
            real.fail_test(session.client, now)
        elif real.health is Health.OPERATIONAL and session.retries > real.configuration.reassign:
            real.record_failure(session.client, now)
            session.retries = 0
            return False
        return real.health is Health.OPERATIONAL

    def _elsewhere(self, session: Session, datapath_id: int) -> Optional[RealServer]:
        """Where a session goes that should leave its real server: it stays if that is well, or may be tested again."""
        real = session.real
        if real.awaits_test_from(datapath_id) and session.virtual_server.farm.has(real):
            return real
        other = session.virtual_server.farm.choose(datapath_id, other_than=real)
        if other is None and real.health is Health.OPERATIONAL and session.virtual_server.farm.has(real):
            return real
        return other

    def _deregister(self, request: Request, session: Optional[Session], named: Optional[RealServer]) -> Verdict:
        """Lifetime 0: to the real server that holds the binding, and the session is over."""
        real = named
        if session is not None:
            real = named or session.real
            self._end(session)
        if real is None:
            return self._drop(DropReason.DEREGISTRATION_WITHOUT_SESSION)
        if request.datapath_id not in real.reachable_from:
            return self._drop(DropReason.REAL_UNREACHABLE)
        self.statistics.deregistrations += 1
        return self._deliver(real, None)

    def _deliver(self, real: RealServer, session: Optional[Session]) -> Verdict:
        self.statistics.dispatched += 1
        return Verdict(real, session, None)

    def _drop(self, reason: DropReason) -> Verdict:
        self.statistics.drops[reason] += 1
        return Verdict(None, None, reason)

    def _place(self, session: Session, real: RealServer, now: float) -> None:
        real.sessions += 1
        real.total_sessions += 1
        if real.health is Health.READY_TO_TEST:
            real.start_test(session)
        if real.consecutive_failures or real.test_session is session:
            self._probations.file((session, real), now + RETRANSMISSION_INTERVAL)

    def _move(self, session: Session, target: RealServer, now: float) -> None:
        self.statistics.reassignments += target is not session.real
        self._leave(session)
        session.real = target
        session.retries = 0
        self._remove_rule(session)
        self._place(session, target, now)

    def _time_out(self, session: Session) -> None:
        """No further request came: for a test that is no bad sign, and its probation goes on."""
        self.statistics.timeouts += 1
        self._tell(SessionEvent.TIMEOUT, SessionState.ESTABLISHED, session)
        session.real.sessions -= 1
        self._table.remove(session)
        self._remove_rule(session)

    @staticmethod
    def _remove_rule(session: Session) -> None:
        """Its rule leads where it no longer belongs. A rule that is not in place yet is its holder's affair."""
        if session.rule_on is not None:
            session.rule_on.remove(session)
            session.rule_on = None

    def _tell(self, event: SessionEvent, before: SessionState, session: Session) -> None:
        for listener in self.listeners:
            listener(event, before, session)

    def _end(self, session: Session) -> None:
        self._leave(session)
        self._table.remove(session)
        self._remove_rule(session)

    @staticmethod
    def _leave(session: Session) -> None:
        """A session goes otherwise than by time: if it was a test, that has shown nothing."""
        session.real.sessions -= 1
        session.real.abandon_test(session)
