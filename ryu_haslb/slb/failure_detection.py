"""Failure detection: what the requests of sessions show about their real servers.

The balancer sees no replies. A session that is not retransmitted for ``RETRANSMISSION_INTERVAL`` counts as answered;
one that is retransmitted more often than ``reassign`` counts as a connection failure. ``numconns`` consecutive failures
from ``numclients`` clients fail the real server. After ``retry`` seconds one session, the test, shows whether it works.
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
        self._probations: TimingWheel[tuple[Session, RealServer]] = TimingWheel()

    def test_of(self, real: RealServer) -> Optional[Session]:
        """The session that tests a real server; None unless it is TESTING."""
        return self._tests.get(real) if real.health is Health.TESTING else None

    def configure(self, reals: Iterable[RealServer]) -> None:
        """Drop the tests of real servers that are no longer configured."""
        self._tests = {real: self._tests[real] for real in reals if real in self._tests}

    def on_assigned(self, session: Session, now: float) -> None:
        """A session was assigned to its real server. It may become the test; after failures it is on probation."""
        real = session.real
        if real.health is Health.READY_TO_TEST:
            real.start_test()
            self._tests[real] = session
        if real.consecutive_failures or self.test_of(real) is session:
            self._probations.schedule((session, real), now + RETRANSMISSION_INTERVAL)

    def on_request(self, session: Session, now: float) -> bool:
        """A further request of a session was recorded. Returns whether its real server keeps it."""
        real = session.real
        if self.test_of(real) is session:
            real.fail_test(session.client, now)
        elif real.health is Health.OPERATIONAL and session.retries > real.configuration.reassign:
            real.record_failure(session.client, now)
            session.retries = 0
            return False
        return real.health is Health.OPERATIONAL

    def on_left(self, session: Session) -> None:
        """A session was cleared, closed or moved. If it was the test, the next session becomes the test."""
        if self.test_of(session.real) is session:
            session.real.abandon_test()

    def advance(self, table: SessionTable, now: float) -> None:
        """Conclude tests and probations: sessions that were not retransmitted have succeeded."""
        for session, real in self._probations.due(now):
            is_unbroken = table.has(session) or session.deadline <= now  # neither cleared nor closed
            if is_unbroken and session.real is real and session.retries == 0:
                if self.test_of(real) is session:
                    real.pass_test()
                else:
                    real.record_success()
