"""Decides about each Registration Request: to which real server it is dispatched, or why it is dropped.

::

    client denied, or a real server named that the farm does not have   -> drop
    a real server is named, and the mobile is at another one            -> there; the session moves if its own is gone
    lifetime 0                                                          -> where the mobile is, or was last
    the mobile has a session            -> its real server, or another one: unreachable, failed, or out of service
    its last session is remembered      -> the same real server, if it can be (:mod:`.abandoned_attempts`)
    neither                             -> the real server that the farm chooses (:mod:`.farm`)
"""

from __future__ import annotations

from typing import Callable, Final, Optional

from ryu_haslb.slb.abandoned_attempts import AbandonedAttempts, Attempt
from ryu_haslb.slb.client_counts import ClientCounts
from ryu_haslb.slb.displacement import Displacement
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.failure_detection import FailureDetection
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request, Verdict
from ryu_haslb.slb.session import UNKNOWN_IDENTIFICATION, Session, SessionEvent, SessionState
from ryu_haslb.slb.session_ending import SessionEnding
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.statistics import Statistics

#: Called at every session event with the event, the state before, the state after, and the session.
Listener = Callable[[SessionEvent, SessionState, SessionState, Session], None]

# Until Python 3.12 to look up a member in an Enum takes five times as long as a name; these are for the request path.
_OPERATIONAL: Final = Health.OPERATIONAL
_READY_TO_TEST: Final = Health.READY_TO_TEST


class RequestDecision:
    """The decisions of one balancer, which are counted in ``statistics`` and ``client_counts``.

    ``listeners`` are called at each session event.
    """

    def __init__(
        self,
        sessions: SessionTable,
        failure_detection: FailureDetection,
        abandoned: AbandonedAttempts,
        ending: SessionEnding,
    ) -> None:
        self.statistics = Statistics()
        self.client_counts = ClientCounts()
        self.listeners: list[Listener] = []
        self._sessions = sessions
        self._failure_detection = failure_detection
        self._abandoned = abandoned
        self._ending = ending
        self._displacement = Displacement(sessions, abandoned, ending, self.statistics)

    def clear_counters(self) -> None:
        """Count from zero again."""
        self.statistics = self._displacement.statistics = Statistics()
        self.client_counts = ClientCounts()

    def decide(self, request: Request, now: float) -> Verdict:
        """Decide about one Registration Request."""
        self.statistics.requests += 1
        server, client, counts = request.virtual_server, request.client, self.client_counts.requests
        counts[client] = counts.get(client, 0) + 1
        if server.configuration.clients and not server.permits(client):
            return self._drop(DropReason.CLIENT_DENIED)
        session = self._sessions.find(request)
        if session is not None and session.last_request + server.idle <= now:
            self.time_out(session, now)
            session = None
        named = None
        if request.home_agent not in server.any_home_agent:
            reals = server.farm.at(request.home_agent)
            if not reals:
                return self._drop(DropReason.UNKNOWN_HOME_AGENT)
            named = server.farm.named(reals, None if session is None else session.real)
            if session is not None and named is not session.real and not _follows(session, named, request):
                return self._deliver(request, named)
        if request.lifetime == 0:
            return self._deregister(request, session, named, now)
        if session is not None:
            return self._continue_session(request, session, named, now)
        return self._open_session(request, named, now)

    def count_forwarded(self, request: Request) -> bool:
        """Count a request that the flow of an unrecovered session forwards. False when its client is not permitted."""
        self.statistics.requests += 1
        self.client_counts.record_request(request.client)
        server = request.virtual_server
        if server.configuration.clients and not server.permits(request.client):
            self._drop(DropReason.CLIENT_DENIED)
            self.client_counts.record_dropped(request.client)
            return False
        self.statistics.dispatched += 1
        return True

    def uncount_forwarded(self, request: Request) -> None:
        """A request that was counted as dispatched has come back; it is counted again."""
        self.statistics.uncount_forwarded()
        self.client_counts.uncount_request(request.client)

    def time_out(self, session: Session, now: float) -> None:
        """No further request came. If the session is a test, that is no failure, and the test goes on."""
        self._abandoned.remember(session)
        self.statistics.timeouts += 1
        self._notify(SessionEvent.TIMEOUT, SessionState.ESTABLISHED, SessionState.INIT, session)
        self._ending.time_out(session)

    def _open_session(self, request: Request, named: Optional[RealServer], now: float) -> Verdict:
        """The first request of a session."""
        farm, datapath_id = request.virtual_server.farm, request.datapath_id
        attempt = self._find_attempt(request, now) if self._abandoned.attempts else None
        if attempt is not None:
            verdict = self._come_back(request, attempt, named, now)
            if verdict is not None:
                return verdict
        if named is not None and named.is_full:
            return self._deliver(request, named)
        real = named or farm.choose(datapath_id) or farm.choose_last_resort(datapath_id)
        if real is None:
            real = self._displacement.take_place(request)
        if real is None or not (real.in_service or named is None):
            return self._drop(DropReason.NO_REAL_AVAILABLE)
        if datapath_id not in real.reachable_from:
            return self._drop(DropReason.REAL_UNREACHABLE)
        if self._sessions.is_full and not self._displacement.make_room():
            return self._drop(DropReason.SESSION_LIMIT)
        if attempt is not None and named in (None, attempt.real):
            self._abandoned.forget(request)
        session = self._sessions.open(request, real, now)
        self.statistics.assignments += 1
        farm.record_client(request.client, now)
        self._assign(session, now)
        if self.listeners:
            self._notify(SessionEvent.REQUEST, SessionState.INIT, SessionState.ESTABLISHED, session)
        self.statistics.dispatched += 1
        return real, session, None

    def _find_attempt(self, request: Request, now: float) -> Optional[Attempt]:
        """What is remembered of the last attempt of this mobile."""
        attempt = self._abandoned.find(request, now)
        if attempt is None and self._abandoned.may_have_unclaimed:
            attempt = self._abandoned.claim(request, self._sessions.tags_of(request), now)
        return attempt

    def _come_back(
        self, request: Request, attempt: Attempt, named: Optional[RealServer], now: float
    ) -> Optional[Verdict]:
        """A mobile whose last attempt is remembered. None: it begins a session as others do.

        What is remembered is forgotten when the mobile has a session again, and not when its request is dropped. A
        mobile whose session has made room stays where that would have stayed, also if others have filled its place.
        """
        real, farm, datapath_id = attempt.real, request.virtual_server.farm, request.datapath_id
        if attempt.is_displaced:
            if not farm.keeps(real) or datapath_id not in real.reachable_from:
                return None
        elif not farm.has(real) or not real.accepts_sessions_from(datapath_id):
            return None
        if named is not None and request.home_agent != real.packed_address:
            return self._deliver(request, named) if attempt.is_displaced else None
        if real.is_full:
            return self._stay_without_session(request, attempt, named is not None, now)
        if self._sessions.is_full and not self._displacement.make_room():
            return self._drop(DropReason.SESSION_LIMIT)
        self._abandoned.forget(request)
        return self._resume_session(request, attempt, named, now)

    def _stay_without_session(
        self, request: Request, attempt: Attempt, names_home_agent: bool, now: float
    ) -> Optional[Verdict]:
        """Others have filled the mobile's place: its request goes there nevertheless. None: it retried too often."""
        session = attempt.as_session(request, now)
        is_counted = session.record_request(request.identification, request.lifetime, names_home_agent, now)
        if is_counted and self._failure_detection.on_request(session, now):
            self._abandoned.forget(request)
            return None
        self._abandoned.stay(attempt, session)
        return self._dispatch(attempt.real, None)

    def _resume_session(self, request: Request, attempt: Attempt, named: Optional[RealServer], now: float) -> Verdict:
        """The mobile comes back after its session has ended: the session goes on where it was."""
        session = self._sessions.open(request, attempt.real, now)
        session.last_attempt, session.identification = attempt.last_attempt, UNKNOWN_IDENTIFICATION
        session.retries, session.waited = attempt.retries, attempt.waited
        self.statistics.assignments += 1
        self._assign(session, now)
        return self._continue_session(request, session, named, now, SessionState.INIT)

    def _continue_session(
        self,
        request: Request,
        session: Session,
        named: Optional[RealServer],
        now: float,
        before: SessionState = SessionState.ESTABLISHED,
    ) -> Verdict:
        """A further request of a session. ``named``: the real server that it names, the session's or its next one."""
        statistics = self.statistics
        statistics.retries += 1
        is_counted = session.record_request(request.identification, request.lifetime, named is not None, now)
        if is_counted:
            if session.client != request.client:  # else all sessions of a client share its address
                session.client = request.client
            session.client_port = request.client_port
            # A session that has just come back is as new: else a flood's second round would confirm all of the first.
            if session.unconfirmed_in is not None and session.shows_mobile and before is SessionState.ESTABLISHED:
                self._sessions.confirm(session)
        real, farm, datapath_id = session.real, request.virtual_server.farm, request.datapath_id
        target: Optional[RealServer] = real
        is_reachable, has_given_up = datapath_id in real.reachable_from, False
        if is_reachable and is_counted:
            has_given_up = self._failure_detection.on_request(session, now)
        if not is_reachable or has_given_up or real.health is not _OPERATIONAL or real not in farm.keeping:
            target = named or farm.choose_instead(real, datapath_id, has_given_up)
            if has_given_up and named is not None:
                session.retries = real.configuration.reassign  # its next attempt, which names none, goes elsewhere
            if target is not None and (target is not real or real.health is _READY_TO_TEST):
                self._reassign(session, target, now)
            is_reachable = target is not None and datapath_id in target.reachable_from
        if self.listeners:
            self._notify(SessionEvent.REQUEST, before, SessionState.ESTABLISHED, session)
        if not is_reachable:
            session.retries = 0  # a real server that does not get the request cannot answer it
            is_out_of_reach = farm.has(real) and datapath_id not in real.reachable_from
            return self._drop(DropReason.REAL_UNREACHABLE if is_out_of_reach else DropReason.NO_REAL_AVAILABLE)
        statistics.dispatched += 1
        return target, session, None

    def _deliver(self, request: Request, named: RealServer) -> Verdict:
        """Deliver a request to the real server that it names, which is not its session's, or is full.

        It may be forged: no session begins or changes.
        """
        if not named.in_service:
            return self._drop(DropReason.NO_REAL_AVAILABLE)
        if request.datapath_id not in named.reachable_from:
            return self._drop(DropReason.REAL_UNREACHABLE)
        self.statistics.deregistrations += request.lifetime == 0
        return self._dispatch(named, None)

    def _deregister(
        self, request: Request, session: Optional[Session], named: Optional[RealServer], now: float
    ) -> Verdict:
        """Lifetime 0: the request goes to the real server with the binding. It may be forged: nothing else changes."""
        real = self._remembered_real(request, named, now) if session is None else session.real
        if real is None:
            if named is None:
                return self._drop(DropReason.DEREGISTRATION_WITHOUT_SESSION)
            return self._deliver(request, named)
        if request.datapath_id not in real.reachable_from:
            return self._drop(DropReason.REAL_UNREACHABLE)
        self.statistics.deregistrations += 1
        return self._dispatch(real, None)

    def _remembered_real(self, request: Request, named: Optional[RealServer], now: float) -> Optional[RealServer]:
        """Where the last session of a mobile without one was; None if that is forgotten, or another one is named."""
        attempt = self._find_attempt(request, now) if self._abandoned.attempts else None
        if attempt is None or not request.virtual_server.farm.has(attempt.real):
            return None
        return attempt.real if named is None or request.home_agent == attempt.real.packed_address else None

    def _dispatch(self, real: RealServer, session: Optional[Session]) -> Verdict:
        self.statistics.dispatched += 1
        return real, session, None

    def _drop(self, reason: DropReason) -> Verdict:
        self.statistics.drops[reason] += 1
        return None, None, reason

    def _assign(self, session: Session, now: float) -> None:
        session.real.sessions += 1
        session.real.total_sessions += 1
        self._failure_detection.on_assigned(session, now)

    def _reassign(self, session: Session, target: RealServer, now: float) -> None:
        self.statistics.reassignments += target is not session.real
        self._ending.leave(session)
        session.retries = 0
        self._ending.discard_rule(session)
        self._sessions.move(session, target)
        self._assign(session, now)

    def _notify(self, event: SessionEvent, before: SessionState, after: SessionState, session: Session) -> None:
        for listener in self.listeners:
            listener(event, before, after, session)


def _follows(session: Session, named: RealServer, request: Request) -> bool:
    """Whether the session moves to the real server that a request names: its own is lost, and that one can take it."""
    real, farm, datapath_id = session.real, request.virtual_server.farm, request.datapath_id
    if request.lifetime == 0 or (datapath_id in real.reachable_from and farm.keeps(real)):
        return False
    can_take = named.in_service and farm.keeps(named) and not named.is_full
    return can_take and datapath_id in named.reachable_from
