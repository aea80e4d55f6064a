"""The balancer: what becomes of each registration request. The caller brings the time and carries out verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import islice
from typing import Callable, NamedTuple, Optional

from ryu_haslb.configuration.model import MOBILE_IP_PORT, Configuration
from ryu_haslb.slb.drops import DropReason
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.real import Health, RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import Session, adopted_identity, next_tag, tag_of
from ryu_haslb.slb.statistics import Statistics
from ryu_haslb.slb.virtual_server import VirtualServer
from ryu_haslb.slb.wheel import TimingWheel

#: Seconds after which a request that was not repeated counts as answered: more than a foreign agent waits before its
#: first retransmission (RFC 5944, section 3.6.3, demands no less than one second).
RETRANSMISSION_INTERVAL = 5.0

WeightOf = Callable[[IPv4Address, int], Optional[int]]


class Verdict(NamedTuple):
    """What to do with one request: deliver it to ``real``, or drop it because of ``drop``.

    ``session`` is the session whose rule should carry the mobile's next requests; None when there is to be none.
    ``ended`` is the session that this request ended before its time; its rule is to go.
    """

    real: Optional[RealServer]
    session: Optional[Session]
    drop: Optional[DropReason]
    ended: Optional[Session] = None


class Balancer:
    """All virtual servers of one configuration, their farms and sessions."""

    def __init__(self, configuration: Configuration) -> None:
        self.farms = {name: ServerFarm(farm) for name, farm in configuration.farms.items()}
        self.virtual_servers = {
            name: VirtualServer(server, self.farms[server.farm])
            for name, server in configuration.virtual_servers.items()
        }
        self.statistics = Statistics()
        self._by_tag: dict[int, Session] = {}
        self._adopted = 0
        self._lives: TimingWheel[Session] = TimingWheel()
        self._probations: TimingWheel[tuple[Session, RealServer]] = TimingWheel()

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
        session = server.sessions.get(request.identity)
        if session is None and self._adopted:
            session = self._claim(request)
        if session is not None and session.deadline <= now:
            self._time_out(session)
            session = None
        if request.lifetime == 0:
            return self._deregister(request, session, named)
        if session is not None:
            return self._retry(request, session, named, now)
        return self._open(request, named, now)

    def adopt(self, server: VirtualServer, tag: int, real: RealServer, now: float) -> Session:
        """Take over a session of an earlier run, whose rule is still on a switch; ``tag`` must not be in use.

        Its mobile is not known yet: the first request whose identity has this tag claims the session.
        """
        identity = adopted_identity(tag)
        session = Session(Request(server, identity, bytes(4), 0, bytes(4), 0, 0), tag, real, now)
        server.sessions[identity] = self._by_tag[tag] = session
        self._adopted += 1
        self._place(session, real, now)
        self._lives.file(session, session.deadline)
        return session

    def session_of_tag(self, tag: int) -> Optional[Session]:
        """The live session that a rule with this Ethernet source address belongs to."""
        return self._by_tag.get(tag)

    def sessions(self) -> Iterator[Session]:
        """Every live session."""
        for server in self.virtual_servers.values():
            yield from server.sessions.values()

    def reals(self) -> Iterator[RealServer]:
        """Every real server of every farm."""
        for farm in self.farms.values():
            yield from farm.reals

    def take_dfp_weights(self, weight_of: WeightOf, reported: Optional[IPv4Address]) -> None:
        """Let every real server go by the weight that DFP has for it now.

        ``weight_of(address, port)`` gives it, None where no agent speaks for the real server. ``reported`` is whom the
        report that caused this was about; None when it was a loss.
        """
        for real in self.reals():
            configuration = real.configuration
            real.set_dfp_weight(weight_of(configuration.address, configuration.port or MOBILE_IP_PORT))
            if configuration.address == reported:
                real.hear_from_dfp()

    def advance(self, now: float, limit: int) -> bool:
        """Let time pass: end sessions, conclude tests, let failed real servers try again.

        At most ``limit`` sessions are looked at; True says that more are due, so that the caller can serve requests in
        between.
        """
        for real in self.reals():
            real.retry_if_due(now)
        for session, real in self._probations.due(now):
            if self._is_live(session) and session.real is real and session.retries == 0:
                real.record_success()
        looked_at = 0
        for session in islice(self._lives.due(now), limit):
            looked_at += 1
            if not self._is_live(session):
                continue
            if session.deadline <= now:
                self._time_out(session)
            else:
                self._lives.file(session, session.deadline)
        return looked_at == limit

    def drop(self, reason: DropReason) -> None:
        """Count a packet that never became a request that :meth:`request` could decide about."""
        self.statistics.requests += 1
        self.statistics.drops[reason] += 1

    def _claim(self, request: Request) -> Optional[Session]:
        """The adopted session that is this mobile's; it is adopted no more."""
        server = request.virtual_server
        tag = tag_of(server.packed_address, request.identity)
        session = server.sessions.pop(adopted_identity(tag), None)
        if session is not None:
            self._adopted -= 1
            session.identity = request.identity
            server.sessions[request.identity] = session
        return session

    def _open(self, request: Request, named: Optional[RealServer], now: float) -> Verdict:
        """The first request of a session."""
        server = request.virtual_server
        real = named or server.farm.choose(request.datapath_id)
        if real is None:
            return self._drop(DropReason.NO_REAL_AVAILABLE)
        if request.datapath_id not in real.reachable_from:
            return self._drop(DropReason.REAL_UNREACHABLE)
        tag = tag_of(server.packed_address, request.identity)
        while tag in self._by_tag:
            tag = next_tag(tag)
        session = Session(request, tag, real, now)
        server.sessions[request.identity] = self._by_tag[tag] = session
        self.statistics.assignments += 1
        self._place(session, real, now)
        self._lives.file(session, session.deadline)
        return self._deliver(real, session)

    def _retry(self, request: Request, session: Session, named: Optional[RealServer], now: float) -> Verdict:
        """A further request of a session."""
        self.statistics.retries += 1
        session.last_request = now
        session.client = request.client
        session.client_port = request.client_port
        session.retries += 1
        real = session.real
        target: Optional[RealServer] = real
        if named is not None:
            target = named
        elif not self._stays(session, now):
            target = self._elsewhere(session, request.datapath_id)
        if target is None:
            return self._drop(DropReason.NO_REAL_AVAILABLE)
        if target is not real or real.health is Health.READY_TO_TEST:
            self._move(session, target, now)
        if request.datapath_id not in target.reachable_from:
            return self._drop(DropReason.REAL_UNREACHABLE)
        return self._deliver(target, session)

    def _stays(self, session: Session, now: float) -> bool:
        """Whether a session that is being retried is left at its real server; failures are recorded on the way."""
        real = session.real
        if real.test_session is session:
            real.fail_test(session.client, now)
        elif session.retries > real.configuration.reassign:
            real.record_failure(session.client, now)
            return False
        return real.health is Health.OPERATIONAL

    def _elsewhere(self, session: Session, datapath_id: int) -> Optional[RealServer]:
        """Where a session goes that should leave its real server: it stays if that is well, or may be tested again."""
        real = session.real
        if real.awaits_test_from(datapath_id):
            return real
        other = session.virtual_server.farm.choose(datapath_id, other_than=real)
        if other is None and real.health is Health.OPERATIONAL:
            session.retries = 0
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
            return self._drop(DropReason.REAL_UNREACHABLE)._replace(ended=session)
        self.statistics.deregistrations += 1
        return self._deliver(real, None)._replace(ended=session)

    def _deliver(self, real: RealServer, session: Optional[Session]) -> Verdict:
        self.statistics.dispatched += 1
        return Verdict(real, session, None)

    def _drop(self, reason: DropReason) -> Verdict:
        self.statistics.drops[reason] += 1
        return Verdict(None, None, reason)

    def _place(self, session: Session, real: RealServer, now: float) -> None:
        real.sessions += 1
        if real.health is Health.READY_TO_TEST:
            real.start_test(session)
        if real.consecutive_failures or real.test_session is session:
            self._probations.file((session, real), now + RETRANSMISSION_INTERVAL)

    def _move(self, session: Session, target: RealServer, now: float) -> None:
        self.statistics.reassignments += target is not session.real
        self._leave(session)
        session.real = target
        session.retries = 0
        session.rule_on = None
        self._place(session, target, now)

    def _leave(self, session: Session) -> None:
        session.real.sessions -= 1
        if session.real.test_session is session:
            session.real.record_success()

    def _time_out(self, session: Session) -> None:
        self.statistics.timeouts += 1
        self._end(session)

    def _end(self, session: Session) -> None:
        self._leave(session)
        self._adopted -= session.is_adopted
        del session.virtual_server.sessions[session.identity]
        del self._by_tag[session.tag]

    def _is_live(self, session: Session) -> bool:
        return self._by_tag.get(session.tag) is session
