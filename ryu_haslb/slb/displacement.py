"""Sessions that make room for new ones: at the limit of sessions, and at ``maxconns`` of all real servers of a farm.

Only unconfirmed sessions make room (:mod:`.session_limit`). The place of each is remembered, so that its mobile stays
at its home agent (:mod:`.abandoned_attempts`).

``maxconns`` is there to protect home agents, so it refuses new mobiles also while sessions are unconfirmed. But one
client must not take all places of a farm from the others: where all real servers are full, a client gets a place at one
of them from another client that has several times as many unconfirmed sessions there.
"""

from __future__ import annotations

from typing import Optional

from ryu_haslb.slb.abandoned_attempts import AbandonedAttempts
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_ending import SessionEnding
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.statistics import Statistics


class Displacement:
    """Ends unconfirmed sessions of one balancer, and counts them in ``statistics``."""

    def __init__(
        self, sessions: SessionTable, abandoned: AbandonedAttempts, ending: SessionEnding, statistics: Statistics
    ) -> None:
        self.statistics = statistics
        self._sessions = sessions
        self._abandoned = abandoned
        self._ending = ending

    def make_room(self) -> bool:
        """The limit of sessions is reached: end an unconfirmed one, or two where the limit was lowered. False: none."""
        has_room = False
        while self._sessions.is_full:
            session = self._sessions.limit.first_to_go()
            if session is None:
                break
            self._evict(session)
            if has_room:
                break
            has_room = True
        return has_room

    def take_place(self, request: Request) -> Optional[RealServer]:
        """The real servers of the farm are full: one of them where a session has made room. None: no session has to."""
        datapath_id = request.datapath_id
        full = (real for real in request.virtual_server.farm.reals if real.lacks_one_place_for(datapath_id))
        session = self._sessions.limit.yielding_to(request.client, full)
        if session is None:
            return None
        self._evict(session)
        return session.real

    def _evict(self, session: Session) -> None:
        self.statistics.evictions += 1
        self._abandoned.remember_place(session)
        self._ending.close(session)
