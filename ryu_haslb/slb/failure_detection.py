"""Failure detection: what the requests of sessions show about their real servers, and what replies show in a doubt.

Theory of operation. The balancer sees requests, and no replies unless it looks for them. It judges a real server by
what mobiles do when they get no reply (RFC 5944 section 3.6.3, and the pauses of real phones)::

    attempt                                   pause            next attempt
    |--1 s--|----2 s----|--------4 s--------| 20 to 60 s       |--1 s--|----2 s----|
    request retry       retry               (gives up)         retry   retry       retry

Not every request counts:

1. A *premature repetition* (within the one second of RFC 5944) is no retry: networks duplicate packets, and a stranger
   may send a burst. The Identification shows nothing: mobiles that use nonces retransmit their requests unchanged.
2. A request that follows within ``RETRANSMISSION_INTERVAL``, or within ``MAX_BACKOFF`` times the interval before, is a
   retransmission: a *retry* in the terms of the chapter.
3. A later request begins the next attempt. If the attempt before was retransmitted, and the mobile comes back within
   ``MAX_PAUSE`` or half of the lifetime that it asks for, and names no home agent, that attempt was *abandoned*: a
   bound mobile would renew at its home agent's own address. Then the retries count on, this request among them, also if
   the session has ended in between (:mod:`.abandoned_attempts`). If the attempt before was not retransmitted it was
   answered, and the retries count from 0: a mobile that registers anew without retransmissions never counts.
4. More retries than ``reassign`` are a *connection failure*: the session moves. With ``reassign 3`` a phone of two
   retries moves with the second request of its second attempt. But a mobile that retries at a real server which
   answers others has lost its reply, or its requests are forged: replies are looked for before its session moves
   (:mod:`.doubt`), and it stays while some are seen, to any mobile.
5. A connection failure is a vote. A mobile has one vote toward ``numconns`` and a client one toward ``numclients``,
   until the real server has answered. It counts as having answered when a session that has come there is not retried
   for ``RETRANSMISSION_INTERVAL``. A session that a retransmission has brought there has ``MAX_PAUSE`` instead, since
   that may have been the last one of its attempt. Then all votes are forgotten: only consecutive failures fail a real
   server (IOS).
6. Requests may be forged, so a real server that many mobiles retry at is first put in doubt (:mod:`.doubt`): switches
   copy its replies to the balancer. A reply forgets all votes and retries, and ends a failure. Without a reply, the
   real server fails when it has enough votes and replies were looked for long enough. If replies of it were seen in
   earlier doubts, a session that is merely not retried is no answer while replies are looked for.
7. ``numclients M`` means M clients where M clients send requests to the farm; where fewer do, all of them are enough.
8. A real server with enough votes is FAILED, unless no other one of its farm can serve: then it is DEMOTED, and goes on
   serving until another can. After ``retry`` seconds one session, the test, shows whether a FAILED one works.

Sessions of a real server that has failed, is out of the farm, or cannot be reached from the switch move with their next
request, without any vote. The decision is the balancer's; this module only draws the conclusions.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final, Optional

from ryu_haslb.slb.doubt import MIN_SILENCE
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import MAX_PAUSE, RETRANSMISSION_INTERVAL, Session
from ryu_haslb.slb.wheel import TimingWheel

# Until Python 3.12 to look up a member in an Enum takes five times as long as a name; this is for the request path.
_OPERATIONAL: Final = Health.OPERATIONAL


class FailureDetection:
    """Derives failures and successes of real servers from sessions, and stores which session tests which of them."""

    def __init__(self) -> None:
        #: The datapath ids of the switches that can copy replies to the balancer.
        self.copying_switches: set[int] = set()
        self._tests: dict[RealServer, Session] = {}
        #: Real servers with enough votes whose replies are still looked for, and their farms.
        self._undecided: dict[RealServer, ServerFarm] = {}
        #: A session, its real server, and its last attempt: if that is still the last when the time is over, it was
        #: answered.
        self._probations: TimingWheel[tuple[Session, RealServer, float]] = TimingWheel()

    def test_of(self, real: RealServer) -> Optional[Session]:
        """The session that tests a real server; None unless it is TESTING."""
        test = self._tests.get(real)
        return test if test is not None and real.health is Health.TESTING else None

    def configure(self, reals: Iterable[RealServer]) -> None:
        """Drop the tests of real servers that are no longer configured."""
        self._tests = {real: self._tests[real] for real in reals if real in self._tests}
        self._undecided.clear()

    def on_assigned(self, session: Session, now: float) -> None:
        """A session was assigned to its real server. It may become the test; after failures it is on probation."""
        real = session.real
        if real.health is _OPERATIONAL and not real.failed_mobiles and not real.doubt.retrying_mobiles:
            return
        if real.health is Health.READY_TO_TEST:
            real.start_test()
            self._tests[real] = session
        if real.doubt.retrying_mobiles or real.failed_mobiles or self.test_of(real) is session:
            self._put_on_probation(session, now)

    def on_request(self, session: Session, now: float) -> bool:
        """A further request of a session, which was not premature, was recorded.

        Returns whether the mobile has been retrying for so long that its session is to move.
        """
        real = session.real
        if real.health is not _OPERATIONAL and self.test_of(real) is session:
            if session.retries:
                real.fail_test(session.identity, session.client, now)
            else:
                self._put_on_probation(session, now)
            return False
        if session.retries:
            real.record_retry(session.identity, now)
            left = real.configuration.reassign - session.retries
            if left <= 1:
                real.look_for_replies(now)
            if left < 0:
                if self._may_live(session, now):
                    return False
                self._record_failure(session, now)
                session.retries = 0
                return True
        if session.waited:
            self._fail_if_silent(session, now)
        elif real.doubt.retrying_mobiles or real.failed_mobiles:
            self._put_on_probation(session, now)
        return False

    def on_reply(self, real: RealServer, session: Optional[Session], now: float) -> None:
        """A reply of a real server was seen. ``session`` is that of the mobile that it has bound; None: of no mobile.

        The retransmissions of that mobile were explained by a lost message.
        """
        real.record_reply(now)
        if session is not None and session.real is real:
            session.retries, session.waited = 0, 0.0

    def on_left(self, session: Session) -> None:
        """A session was cleared, closed or moved. If it was the test, the next session becomes the test."""
        if self.test_of(session.real) is session:
            session.real.abandon_test()

    def advance(self, now: float) -> None:
        """Conclude tests and probations: sessions that were not retransmitted have succeeded. Fail what is silent."""
        if self._undecided:
            undecided = self._undecided.items()
            self._undecided = {real: farm for real, farm in undecided if not self._has_decided(real, farm, now)}
        for session, real, attempt in self._probations.due(now):
            has_ended = session.deadline <= now and not session.waited  # neither cleared, nor closed, nor to come back
            is_unbroken = session.is_live or has_ended
            if is_unbroken and session.real is real and session.last_attempt == attempt:
                if self.test_of(real) is session:
                    real.pass_test()
                elif not real.doubt.is_silence_conclusive(self._copying(real), attempt):
                    real.record_success()

    def _put_on_probation(self, session: Session, now: float) -> None:
        """Conclude from its silence that the session was answered.

        A mobile in the midst of an attempt may have sent its last retransmission: it pauses then, answered or not. If
        its session ends meanwhile, that shows nothing.
        """
        seconds = MAX_PAUSE if session.waited else RETRANSMISSION_INTERVAL
        self._probations.schedule((session, session.real, session.last_attempt), now + seconds)

    def _may_live(self, session: Session, now: float) -> bool:
        """Whether the real server of a session that is about to move answers, or was not looked at long enough.

        A session waits for one more request at most. Where replies cannot be copied, the requests alone decide.
        """
        real, copying = session.real, self._copying(session.real)
        if not copying or real.doubt.since is None:
            return False
        silent_for = session.waited or RETRANSMISSION_INTERVAL  # the first request of an attempt: no shorter pause
        asked_before = session.last_attempt - silent_for
        if real.doubt.has_answered_since(min(asked_before, now - MIN_SILENCE)):
            session.retries, session.waited = 0, 0.0
            return True
        is_first = session.retries == real.configuration.reassign + 1
        return is_first and not real.doubt.is_watched_since(copying, asked_before)

    def _record_failure(self, session: Session, now: float) -> None:
        session.real.record_failure(session.identity, session.client)
        session.virtual_server.farm.record_client(session.client, now)
        self._fail_if_silent(session, now)

    def _fail_if_silent(self, session: Session, now: float) -> None:
        """Fail the real server of a session that was just retransmitted, if there is enough against it."""
        real, farm = session.real, session.virtual_server.farm
        if session.waited:
            real.doubt.unanswered_at = max(real.doubt.unanswered_at, session.last_attempt - session.waited)
        if real.failed_mobiles and not self._has_decided(real, farm, now):
            self._undecided[real] = farm

    def _has_decided(self, real: RealServer, farm: ServerFarm, now: float) -> bool:
        """Fail a real server, if it has enough votes and replies were looked for long enough. False: not yet."""
        if real.health is not Health.OPERATIONAL or not real.has_failed(len(farm.clients)):
            return True
        if not real.doubt.allows_failure(self._copying(real), now):
            return False
        real.fail(now, is_last=not farm.serves_without(real))
        return True

    def _copying(self, real: RealServer) -> AbstractSet[int]:
        """The switches that reach a real server and can copy its replies."""
        return self.copying_switches & real.reachable_from
