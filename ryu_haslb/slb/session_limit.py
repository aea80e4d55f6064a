"""The limit of sessions, and which session makes room for a new one when the limit is reached.

Theory of operation. Every packet with an NAI that was not seen before begins a session, and an NAI costs its sender
nothing. So the number of sessions is limited, and those go first that have shown least::

    unconfirmed   the mobile has sent one request, and perhaps retransmissions of it
    confirmed     it has begun a further attempt (failure_detection.py): it has sent another Identification,
                  RETRANSMISSION_INTERVAL or more after an attempt that was answered, as far as requests show;
                  or a reply that accepts it was seen, as happens while its real server is in doubt (doubt.py)
                  a session that has made room and comes back (abandoned_attempts.py) is unconfirmed again
    recovered     as confirmed: the rule on the switch does not show more. Those beyond MAX_CONFIRMED_PART are
                  unconfirmed, all of one client

    new session, and the limit is reached
        -> the client with the most unconfirmed sessions loses its oldest one
        -> no session is unconfirmed: the request is dropped (DropReason.SESSION_LIMIT)

Below the limit no session has to go, so a lone PDSN, whose mobiles all have its address, may fill the whole table. At
the limit the unconfirmed part of the table is divided among the clients by max-min fairness: a client that has fewer
sessions than the one with the most loses none, and a client that floods displaces its own. "The most" is exact up to a
factor of two: clients are kept by the number of binary digits of their number of sessions, so that each step takes
constant time. Source addresses can be forged in any number. Beyond :data:`MAX_CLIENTS` with unconfirmed sessions, the
others share what one client may have.

No confirmed session ever makes room. A sender who comes back after five seconds with another Identification confirms
his sessions as well: this costs him two packets and the wait, and a session at his own expense. So at most
:data:`MAX_CONFIRMED_PART` of the limit is confirmed; in the rest new mobiles always find room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Optional

from ryu_haslb.configuration.model import MAX_SESSIONS, Configuration
from ryu_haslb.slb.session import ClientSessions, Session

#: Clients whose unconfirmed sessions are counted one by one.
MAX_CLIENTS = 1024
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
#: Clients, and sessions of each, among which one is looked for that makes room in a farm whose real servers are full.
_MAX_YIELDING_CLIENTS: Final = 8
_YIELDING_OF_CLIENT: Final = 16


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
        self._clients: dict[bytes, ClientSessions] = {}
        self._others = ClientSessions(b"")
        self._levels: list[dict[ClientSessions, None]] = []

    def add(self, session: Session, client: bytes) -> ClientSessions:
        """A session has begun with a request of this client. Returns those that it is counted among."""
        clients = self._clients
        record = clients.get(client)
        if record is None:
            if len(clients) < MAX_CLIENTS:
                record = clients[client] = ClientSessions(client)
            else:
                record = self._others
        record.sessions.append(session)
        session.unconfirmed_of = record
        self.unconfirmed += 1
        count = record.count = record.count + 1
        if not count & count - 1:  # a power of two: one more binary digit
            self._change_level(record, count.bit_length())
        return record

    def remove(self, session: Session) -> None:
        """A session has ended, or is confirmed."""
        record = session.unconfirmed_of
        if record is None:
            return
        session.unconfirmed_of = None
        self.unconfirmed -= 1
        count = record.count = record.count - 1
        if not count & count + 1:  # one binary digit less
            self._change_level(record, count.bit_length())
            if not count:
                self._clients.pop(record.client, None)
        if len(record.sessions) + len(record.older) > 2 * count + _MAX_STALE:
            record.purge(_PURGED_PER_STEP)

    def first_to_go(self) -> Optional[Session]:
        """The oldest unconfirmed session of the client with the most; None if all sessions are confirmed."""
        levels = self._levels
        while levels and not levels[-1]:
            levels.pop()
        return next(iter(levels[-1])).oldest if levels else None

    def yielding_to(self, client: bytes) -> Iterator[Session]:
        """Some of the oldest unconfirmed sessions of each client that has several times as many as this client.

        Clients have several times as many if their numbers have at least two binary digits more: then those who have
        gained a place need not fear to lose it at once. Recovered sessions are left out. None may end meanwhile.
        """
        record = self._clients.get(client)
        if record is None and len(self._clients) >= MAX_CLIENTS:
            record = self._others
        level = 0 if record is None else record.level
        looked_at = 0
        for records in reversed(self._levels[level + 1 :]):
            for each in records:
                if looked_at == _MAX_YIELDING_CLIENTS:
                    return
                looked_at += 1
                if each.client != RECOVERED:
                    yield from each.some_of_the_oldest(_YIELDING_OF_CLIENT)

    def clients(self) -> Iterable[tuple[bytes, int]]:
        """The clients with unconfirmed sessions, by address, and their numbers; the empty address is all others."""
        return ((record.client, record.count) for level in self._levels for record in level)

    def _change_level(self, record: ClientSessions, level: int) -> None:
        levels = self._levels
        if record.level:
            del levels[record.level - 1][record]
        record.level = level
        if level:
            while len(levels) < level:
                levels.append({})
            levels[level - 1][record] = None
