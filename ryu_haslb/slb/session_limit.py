"""The limit of sessions, and which session makes room for a new one when the limit is reached.

Theory of operation. Every packet with an NAI that was not seen before begins a session, and an NAI costs its sender
nothing. So the number of sessions is limited, and those end first whose mobiles have shown least::

    unconfirmed   the mobile has sent one request, and perhaps retransmissions of it
    confirmed     it has begun a further attempt (failure_detection.py): it has sent another Identification,
                  RETRANSMISSION_INTERVAL or more after an attempt that was answered, as far as requests show;
                  or it has retried more often than ``reassign``, as it seems to do while others use its name;
                  or a reply that accepts it was seen, as happens while its real server is in doubt (doubt.py)
                  a session that has made room and comes back (abandoned_attempts.py) is unconfirmed again
    recovered     as confirmed: the rule on the switch does not show more. Those beyond MAX_CONFIRMED_PART are
                  unconfirmed, all of one client

    new session, and the limit is reached
        -> the client with the most unconfirmed sessions loses its oldest one
        -> no session is unconfirmed: the request is dropped (DropReason.SESSION_LIMIT)

Below the limit no session has to end, so a lone PDSN, whose mobiles all have its address, may fill the whole table. At
the limit the unconfirmed part of the table is divided among the clients by max-min fairness: a client that has fewer
sessions than the one with the most loses none, and a client that floods displaces its own. "The most" is exact up to a
factor of two (:mod:`.count_ranking`). Source addresses can be forged in any number. Beyond :data:`MAX_CLIENTS` with
unconfirmed sessions, the others share what one client may have.

Where ``maxconns`` of a farm's real servers is the limit, only sessions at these real servers help
(:mod:`.displacement`). So the sessions of a client are in a queue for each real server, and the queues at each real
server have a ranking of their own::

    ranking of clients   --> ClientShare --> SessionQueue of this client at this real server
    ranking at each real server -----------> SessionQueue

No confirmed session ever makes room. A flood can confirm sessions as well, if it comes back after five seconds with
another Identification: each costs it two packets, the wait, and a session of its own share. Therefore at most
:data:`MAX_CONFIRMED_PART` of the limit is confirmed, and new mobiles always find room in the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final, Optional

from ryu_haslb.configuration.model import MAX_SESSIONS, Configuration
from ryu_haslb.slb.count_ranking import Ranking
from ryu_haslb.slb.real import RealServer
from ryu_haslb.slb.session import ClientShare, Session, SessionQueue

#: Clients whose unconfirmed sessions are counted one by one.
MAX_CLIENTS = 1024
#: Their queues, at all real servers together: some 25 MB. Sessions beyond are counted among those of other clients.
MAX_QUEUES = 16384
#: The part of the limit that confirmed sessions may take.
MAX_CONFIRMED_PART: Final = 7 / 8
#: Bytes of memory that a session takes in the balancer, with an NAI of 30 bytes and its place in every table (measured;
#: see docs/performance.md).
SESSION_BYTES: Final = 512
#: The part of the memory that sessions may take if no limit is configured.
MAX_MEMORY_PART: Final = 1 / 4
#: The lowest limit that follows from ``maxconns``.
MIN_LIMIT_OF_MAXCONNS: Final = 1000
#: Stale entries of a client's queue that are tolerated beside as many as there are valid ones.
_MAX_STALE: Final = 64
#: Entries that are looked at with each session that ends while there are more.
_PURGED_PER_STEP: Final = 8
#: In place of a client: recovered sessions beyond those that may be confirmed.
RECOVERED: Final = b"recovered"
#: Queues of a client, at most, whose oldest sessions are compared.
_COMPARED_QUEUES: Final = 8


def limit_of(configuration: Configuration, memory: Optional[int]) -> int:
    """The limit of sessions: the configured one, else what farms and memory (bytes; None: unknown) allow."""
    if configuration.max_sessions is not None:
        return configuration.max_sessions
    limits = [MAX_SESSIONS]
    if memory is not None:
        limits.append(max(1, int(memory * MAX_MEMORY_PART) // SESSION_BYTES))
    farms = {server.farm for server in configuration.virtual_servers.values()}
    reals = [real for name in farms for real in configuration.farms[name].reals]
    if reals and all(real.maxconns is not None for real in reals):
        limits.append(max(MIN_LIMIT_OF_MAXCONNS, sum(real.maxconns or 0 for real in reals)))
    return min(limits)


class SessionLimit:
    """The unconfirmed sessions by client. ``unconfirmed`` is their number, ``limit`` that of all sessions."""

    def __init__(self, limit: int = MAX_SESSIONS) -> None:
        self.limit = limit
        self.unconfirmed = 0
        self._shares: dict[bytes, ClientShare] = {}
        self._others = ClientShare(b"")
        self._clients: Ranking[ClientShare] = Ranking()
        self._at_real: dict[RealServer, Ranking[SessionQueue]] = {}
        self._queues = 0

    def add(self, session: Session, client: bytes) -> ClientShare:
        """A session has begun with a request of this client. Returns the share that it is counted in."""
        real = session.real
        queue = self._queue_of(client, real) or self._begin_queue(client, real)
        share, farm = queue.share, real.farm_name
        queue.sessions.append(session)
        session.unconfirmed_in = queue
        self.unconfirmed += 1
        share.of_farms[farm] = share.of_farms.get(farm, 0) + 1
        self._clients.increase(share)
        queue.ranking.increase(queue)
        return share

    def remove(self, session: Session) -> None:
        """A session has ended, or is confirmed."""
        queue = session.unconfirmed_in
        if queue is None:
            return
        session.unconfirmed_in = None
        self.unconfirmed -= 1
        queue.share.of_farms[queue.real.farm_name] -= 1
        self._clients.decrease(queue.share)
        queue.ranking.decrease(queue)
        if not queue.count:
            self._end_queue(queue)
        elif len(queue.sessions) + len(queue.older) > 2 * queue.count + _MAX_STALE:
            queue.purge(_PURGED_PER_STEP)

    def on_moved(self, session: Session) -> None:
        """A session has gone to another real server. If it is unconfirmed, it is the youngest of its client there."""
        queue = session.unconfirmed_in
        if queue is not None and queue.real is not session.real:
            self.remove(session)
            self.add(session, queue.share.address or session.client)

    def first_to_go(self) -> Optional[Session]:
        """An old unconfirmed session of the client with the most; None if all sessions are confirmed.

        It is the one that was quiet for longest among the oldest at some real servers of the client, each of which has
        its turn.
        """
        share = self._clients.most()
        if share is None:
            return None
        queues = share.queues
        oldest = [queue.oldest for queue in islice(queues.values(), _COMPARED_QUEUES)]
        first = min(oldest, key=_last_attempt)
        if len(queues) > _COMPARED_QUEUES:
            queues[first.real] = queues.pop(first.real)
        return first

    def yielding_to(self, client: bytes, reals: Iterable[RealServer]) -> Optional[Session]:
        """The oldest unconfirmed session at one of these real servers, of a client that has several times as many.

        That means that its number of sessions in the farm has at least two binary digits more, so that no place goes
        back and forth. Recovered sessions do not yield. At each real server the client with the most there may yield.
        Of several real servers, the one where that client has the most sessions is chosen.
        """
        share = self._shares.get(client)
        if share is None and self._is_one_of_the_others(None):
            share = self._others
        found: Optional[SessionQueue] = None
        for real in reals:
            ranking = self._at_real.get(real)
            most = None if ranking is None else ranking.most()
            if most is None or (found is not None and most.count <= found.count):
                continue
            farm = real.farm_name
            own = 0 if share is None else share.of_farms.get(farm, 0)
            if most.share.of_farms[farm].bit_length() >= own.bit_length() + 2:
                found = most
        return None if found is None else found.oldest

    def clients(self) -> Iterable[tuple[bytes, int]]:
        """The clients with unconfirmed sessions, by address, and their numbers; the empty address is all others."""
        return ((share.address, share.count) for share in self._clients)

    def _queue_of(self, client: bytes, real: RealServer) -> Optional[SessionQueue]:
        """Where a session of this client at this real server is counted; None: in a queue that is still to begin."""
        share = self._shares.get(client)
        queue = None if share is None else share.queues.get(real)
        if queue is None and self._is_one_of_the_others(share):
            return self._others.queues.get(real)
        return queue

    def _is_one_of_the_others(self, share: Optional[ClientShare]) -> bool:
        """Whether a client that has this share, or none, gets no further queue of its own."""
        return self._queues >= MAX_QUEUES or (share is None and len(self._shares) >= MAX_CLIENTS)

    def _begin_queue(self, client: bytes, real: RealServer) -> SessionQueue:
        share = self._shares.get(client)
        if self._is_one_of_the_others(share):
            share = self._others
        elif share is None:
            share = self._shares[client] = ClientShare(client)
        # Recovered sessions do not yield to others: their queues are in no ranking that is asked.
        ranking = Ranking() if share.address == RECOVERED else self._at_real.setdefault(real, Ranking())
        queue = share.queues[real] = SessionQueue(share, real, ranking)
        self._queues += 1
        return queue

    def _end_queue(self, queue: SessionQueue) -> None:
        share, real = queue.share, queue.real
        del share.queues[real]
        self._queues -= 1
        if not share.count and share is not self._others:
            del self._shares[share.address]
        if queue.ranking.most() is None and share.address != RECOVERED:
            del self._at_real[real]


def _last_attempt(session: Session) -> float:
    return session.last_attempt
