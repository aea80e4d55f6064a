"""Failure detection: what the requests of sessions show about their real servers.

Theory of operation. The balancer sees requests, and no replies. It judges a real server by what mobiles do when they
get no reply (RFC 5944 section 3.6.3, and the pauses of real phones)::

    attempt                                   pause            next attempt
    |--1 s--|----2 s----|--------4 s--------| 20 to 60 s       |--1 s--|----2 s----|
    request retry       retry               (gives up)         retry   retry       retry

Not every request counts:

1. A *copy* (the Identification of the last request) and a *premature repetition* (within the one second of RFC 5944)
   are not retries: networks duplicate packets, and a stranger may send a burst.
2. A request that follows within ``RETRANSMISSION_INTERVAL``, or within ``MAX_BACKOFF`` times the interval before, is a
   retransmission: a *retry* in the terms of the chapter.
3. A later request begins the next attempt. If the attempt before was retransmitted, and the mobile comes back within
   ``MAX_PAUSE`` or half of the lifetime that it asks for, and names no home agent, that attempt was *abandoned*: a
   bound mobile would renew at its home agent's own address. Then the retries count on, this request among them, also if
   the session has ended in between (:mod:`.abandoned_attempts`). If the attempt before was not retransmitted it was
   answered, and the retries count from 0: a mobile that registers anew without retransmissions never counts.
4. More retries than ``reassign`` are a *connection failure*: the session moves. With ``reassign 3`` a phone of two
   retries moves with the second request of its second attempt.
5. A connection failure is a vote. A mobile has one vote toward ``numconns`` and a client one toward ``numclients``,
   until the real server has answered: until a session that a request has brought there is not retried for
   ``RETRANSMISSION_INTERVAL``. Then all votes are forgotten; only consecutive failures fail a real server (IOS).
6. ``numclients M`` means M clients where M clients send requests to the farm; where fewer do, all of them are enough.
7. A real server with enough votes is FAILED, unless no other one of its farm can serve: then it is DEMOTED, and goes on
   serving until another can. After ``retry`` seconds one session, the test, shows whether a FAILED one works.

Sessions of a real server that has failed, is out of the farm, or cannot be reached from the switch move with their next
request, without any vote. The decision is the balancer's; this module only draws the conclusions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from ryu_haslb.slb.real import Health, RealServer
from ryu_haslb.slb.session import RETRANSMISSION_INTERVAL, Session
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.wheel import TimingWheel


class FailureDetection:
    """Derives failures and successes of real servers from sessions, and stores which session tests which of them."""

    def __init__(self) -> None:
        self._tests: dict[RealServer, Session] = {}
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

    def on_assigned(self, session: Session, now: float) -> None:
        """A session was assigned to its real server. It may become the test; after failures it is on probation."""
        real = session.real
        if real.health is Health.READY_TO_TEST:
            real.start_test()
            self._tests[real] = session
        if real.failed_mobiles or self.test_of(real) is session:
            self._probations.schedule((session, real, session.last_attempt), now + RETRANSMISSION_INTERVAL)

    def on_request(self, session: Session, now: float) -> bool:
        """A further request of a session, neither a copy nor premature, was recorded.

        Returns whether the mobile has been retrying for so long that its session is to move.
        """
        real = session.real
        if self.test_of(real) is session:
            if session.retries:
                real.fail_test(session.identity, session.client, now)
            return False
        if session.retries <= real.configuration.reassign:
            if real.failed_mobiles and not session.waited:
                self._probations.schedule((session, real, session.last_attempt), now + RETRANSMISSION_INTERVAL)
            return False
        self._record_failure(session, now)
        session.retries = 0
        return True

    def on_left(self, session: Session) -> None:
        """A session was cleared, closed or moved. If it was the test, the next session becomes the test."""
        if self.test_of(session.real) is session:
            session.real.abandon_test()

    def advance(self, table: SessionTable, now: float) -> None:
        """Conclude tests and probations: sessions that were not retransmitted have succeeded."""
        for session, real, attempt in self._probations.due(now):
            is_unbroken = table.has(session) or session.deadline <= now  # neither cleared nor closed
            if is_unbroken and session.real is real and session.last_attempt == attempt:
                if self.test_of(real) is session:
                    real.pass_test()
                else:
                    real.record_success()

    @staticmethod
    def _record_failure(session: Session, now: float) -> None:
        real, farm = session.real, session.virtual_server.farm
        real.record_failure(session.identity, session.client)
        farm.record_client(session.client, now)
        if real.has_failed(len(farm.clients)):
            real.fail(now, is_last=not farm.serves_without(real))
