"""How sessions end: what has to be undone at the session table, the real servers, and the switches.

A session ends when its idle time is over, when it makes room for another one, when it is cleared, when its virtual
server is removed, or when another balancer serves its switch. Sessions that end or move leave stale rules on switches;
the caller has the switches remove them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Callable

from ryu_haslb.slb.failure_detection import FailureDetection
from ryu_haslb.slb.session import Session, StaleRule
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.virtual_server import VirtualServer

#: Of some sessions, those that are not forgotten.
KeptOf = Callable[[list[Session]], AbstractSet[Session]]
#: Sessions that one step forgets: some 2 ms of work.
FORGOTTEN_PER_STEP = 1000


class SessionEnding:
    """Ends the sessions of one balancer."""

    def __init__(self, sessions: SessionTable, failure_detection: FailureDetection) -> None:
        self._sessions = sessions
        self._failure_detection = failure_detection
        self._stale_rules: list[StaleRule] = []
        #: What is left of the sessions that :meth:`forget` has to forget, by datapath id.
        self._forgetting: dict[int, Iterator[int]] = {}

    def leave(self, session: Session) -> None:
        """A session leaves its real server for another reason than its idle time."""
        self._failure_detection.on_left(session)
        session.real.sessions -= 1

    def time_out(self, session: Session) -> None:
        """End a session by its idle time. If it is a test of its real server, the test goes on.

        But one that came there in the midst of an attempt shows nothing more: the next session becomes the test.
        """
        if session.waited:
            self._failure_detection.on_left(session)
        session.real.sessions -= 1
        self._remove(session)

    def close(self, session: Session) -> None:
        """End a session for another reason than its idle time."""
        self.leave(session)
        self._remove(session)

    def close_live(self, sessions: list[Session]) -> int:
        """Close the live ones among these sessions, and return their number."""
        live = [session for session in sessions if session.is_live]
        for session in live:
            self.close(session)
        return len(live)

    def close_all(self, servers: Iterable[VirtualServer]) -> list[Session]:
        """Close and return the sessions of these virtual servers."""
        ended = [session for server in servers for session in self._sessions.of_server(server)]
        self.close_live(ended)
        return ended

    def discard_rule(self, session: Session) -> None:
        """Mark the session's flow as stale at the switch that has confirmed it, if any has."""
        if session.rule_at is not None:
            self._stale_rules.append(StaleRule(session.rule_at, session))
            session.rule_at = None

    def take_stale_rules(self) -> list[StaleRule]:
        """The flows that became stale since the last call. The caller has the switches remove them."""
        stale, self._stale_rules = self._stale_rules, []
        return stale

    def forget(
        self,
        datapath_id: int,
        now: float,
        kept_of: KeptOf = lambda _: frozenset(),
        on_forgotten: Callable[[list[Session]], None] = lambda _: None,
    ) -> None:
        """Forget the sessions with their rule at this switch, and those without one: another balancer serves them.

        Of each slice, those that ``kept_of`` returns stay: other switches are about to have their rules; the others are
        handed to ``on_forgotten``. The rules of all stay. The first slice is done now and the others by
        :meth:`continue_forgetting`; see :meth:`is_forgetting`.
        """
        self._stale_rules = [rule for rule in self._stale_rules if rule.datapath_id != datapath_id]
        self._forgetting[datapath_id] = self._forget_in_slices(datapath_id, now, kept_of, on_forgotten)
        self.continue_forgetting()

    def is_forgetting(self, datapath_id: int) -> bool:
        """Whether sessions of this switch are still to be forgotten. It must not be served before."""
        return datapath_id in self._forgetting

    def continue_forgetting(self) -> bool:
        """Forget some sessions of the first switch whose sessions are to be forgotten. False if there is none."""
        if not self._forgetting:
            return False
        datapath_id = next(iter(self._forgetting))
        if next(self._forgetting[datapath_id], None) is None:
            del self._forgetting[datapath_id]
        return True

    def _remove(self, session: Session) -> None:
        self._sessions.remove(session)
        self.discard_rule(session)

    def _forget_in_slices(
        self, datapath_id: int, now: float, kept_of: KeptOf, on_forgotten: Callable[[list[Session]], None]
    ) -> Iterator[int]:
        """Forget sessions in slices. Those without a rule that sent a request after ``now`` are at another switch."""
        for sessions in self._sessions.slices(FORGOTTEN_PER_STEP):
            kept = kept_of(sessions)
            forgotten = [
                each
                for each in sessions
                if each.rule_at == datapath_id
                or (each.rule_at is None and each.last_request <= now and each not in kept)
            ]
            on_forgotten(forgotten)
            for session in forgotten:
                session.rule_at = None
            self.close_live(forgotten)
            if len(sessions) == FORGOTTEN_PER_STEP:
                yield len(forgotten)
