"""A simulated database: three OVSDB servers on Raft, seen from outside.

What is committed is on a majority of the servers, and a new Raft leader has all of it. Each server has locks of its
own, as ``ovsdb-server`` does: they are exclusive only because members connect to the Raft leader alone. A server that
is cut off from the others goes on as a leader for a while. Its clients keep their lock, and nothing that they commit is
committed: it waits, and is lost when the server gives up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Optional

from ryu_haslb.cluster.servers import SCHEMA
from simulation.clock import Clock
from simulation.ovsdb_server import Line, Operation, Request, Server, Session, Tables

#: Seconds from the loss of a leader until the servers have another one, and until a leader that is cut off gives up.
ELECTION_TIME = (0.8, 1.5)
GIVE_UP_TIME = (1.0, 2.5)
#: Seconds that a commit takes on a majority of the servers.
COMMIT_TIME = 0.004
#: Seconds of silence after which a server, or a client, ends a connection, at the least and at the most.
SILENCE = (1.0, 2.0)


@dataclass
class SimulatedDatabase:
    """The servers, and what goes wrong with them."""

    clock: Clock
    random: Random
    servers: list[Server] = field(default_factory=lambda: [Server(number) for number in range(3)])
    leader: Optional[Server] = None
    #: Members and servers between which nothing passes.
    cuts: set[tuple[str, int]] = field(default_factory=set)
    #: Members whose processes are stopped: they read nothing.
    hung: set[str] = field(default_factory=set)
    #: Until when commits fail, and until when the replies to commits are lost with the connection.
    failing_until: float = 0.0
    losing_until: float = 0.0
    #: The generation that each new database begins with is by so much newer than that of the one before.
    generations_apart: int = 1000
    committed: Tables = field(default_factory=dict)
    #: What was committed to the table Cluster: when, by whom, and which generation.
    generations: list[tuple[float, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._next_row = 1
        self._election = self._made = 0
        self._indexes = _indexes()
        self.make_anew()
        self._become_leader(self.servers[0])

    def start(self) -> None:
        """Begin to probe clients."""
        self.clock.after(0.25, self._probe)

    @property
    def is_available(self) -> bool:
        """Whether a majority of the servers has a leader."""
        return self.leader is not None and self.leader.is_up and self.leader.group == self._majority()

    def make_anew(self) -> None:
        """All servers lose what they hold, and begin with an empty database."""
        first, self._made = self._made * self.generations_apart, self._made + 1
        self.committed = {"Cluster": {self.new_row(): {"generation": first, "leader": "", "leader_since": ""}}}
        for server in self.servers:
            server.tables = deepcopy(self.committed)
            for session in list(server.sessions):
                self.drop(session)

    def new_row(self) -> int:
        """The identifier of a further row."""
        self._next_row += 1
        return self._next_row

    def reaches(self, member: str, server: Server) -> bool:
        """Whether what a member and a server send to each other arrives."""
        return server.is_up and (member, server.number) not in self.cuts

    def set_up(self, server: Server, is_up: bool) -> None:
        """Kill a server's process, or start it again."""
        if not is_up:
            self._step_down(server)
        server.is_up = is_up
        self._on_topology_changed()

    def partition(self, groups: Iterable[int]) -> None:
        """Cut servers from each other: one number for each, those with the same one reach each other."""
        for server, group in zip(self.servers, groups):
            server.group = group
        self._on_topology_changed()

    def connect(self, member: str, server: Server, receive: Callable[[Session, str, Any], None]) -> Session:
        """A client has connected to a server."""
        lines = tuple(Line(self.clock, lambda: self.reaches(member, server)) for _ in range(2))
        session = Session(member, server, (lines[0], lines[1]), receive)
        server.sessions.append(session)
        session.deliver("rows", (server.is_leader, deepcopy(server.tables)))
        return session

    def drop(self, session: Session) -> None:
        """A server ends a connection; a lock of it goes to the next."""
        server = session.server
        if session in server.sessions:
            server.sessions.remove(session)
            for lock in list(server.locks):
                self.unlock(session, lock)
            session.deliver("closed", None)

    def kill(self, member: str) -> None:
        """A member's process ends, and with it its connections."""
        for session in self._sessions():
            if session.member == member:
                session.is_dead = True
                if self.reaches(member, session.server):
                    self.drop(session)

    def lock(self, session: Session, lock: str) -> None:
        """A client asks for a lock."""
        if session in session.server.sessions:
            queue = session.server.locks.setdefault(lock, [])
            if session not in queue:
                queue.append(session)
            session.deliver("lock", (lock, queue[0] is session))

    def unlock(self, session: Session, lock: str) -> None:
        """A client releases a lock, or wants it no longer."""
        queue = session.server.locks.get(lock, [])
        if session in queue:
            was_holder = queue[0] is session
            queue.remove(session)
            if was_holder and queue:
                queue[0].deliver("lock", (lock, True))

    def transact(self, session: Session, request: Request) -> None:
        """A client commits a transaction."""
        server = session.server
        if session not in server.sessions:
            return
        if request.lock is not None and not server.holds(session, request.lock):
            request.reply("not locked", "")
        elif not server.is_leader or self.clock.now < self.failing_until:
            request.reply("error", "cluster error")
        else:
            self.clock.after(COMMIT_TIME, self._commit, session, request)

    def _commit(self, session: Session, request: Request) -> None:
        server = session.server
        if not server.is_up or not server.is_leader:
            return  # without a reply: the connection has ended, or is about to
        if server is not self.leader or not self.is_available:
            self.clock.after(0.05, self._commit, session, request)
            return
        tables = server.tables
        if any(
            tables.get(table, {}).get(row, {}).get(column) != value for table, row, column, value in request.expected
        ):
            request.reply("try again", "")
            return
        operations = list(_matching(tables, request.operations))
        if not self._is_unique(tables, operations):
            request.reply("error", "constraint violation")
            return
        operations = [operation for operation in operations if _changes(tables, operation)]
        for each in (self.committed, tables):
            for operation in operations:
                _apply(each, operation)
        self._record(session.member, operations)
        for other in server.sessions:
            other.deliver("update", list(map(_copied, operations)))
        if self.clock.now < self.losing_until:
            self.drop(session)
        else:
            request.reply("success", "")

    def _record(self, member: str, operations: list[Operation]) -> None:
        for operation in operations:
            if operation.table == "Cluster" and operation.columns and "generation" in operation.columns:
                self.generations.append((self.clock.now, member, operation.columns["generation"]))

    def _is_unique(self, tables: Tables, operations: list[Operation]) -> bool:
        changed = {operation.table for operation in operations} & self._indexes.keys()
        for name in changed:
            rows = {number: dict(row) for number, row in tables.get(name, {}).items()}
            for operation in operations:
                if operation.table == name:
                    _apply({name: rows}, operation)
            keys = [tuple(str(row[column]) for column in self._indexes[name]) for row in rows.values()]
            if len(keys) != len(set(keys)):
                return False
        return True

    def _majority(self) -> Optional[int]:
        """The group that has a majority of the servers; None if there is none."""
        groups = [server.group for server in self.servers if server.is_up]
        return next((each for each in groups if 2 * groups.count(each) > len(self.servers)), None)

    def _on_topology_changed(self) -> None:
        for server in self.servers:
            if server.is_leader and server is not self.leader and server.group == self._majority():
                self._step_down(server)
            elif server.is_leader and server.group != self._majority():
                self.clock.after(self.random.uniform(*GIVE_UP_TIME), self._give_up, server)
        if not self.is_available:
            self._election += 1
            self.clock.after(self.random.uniform(*ELECTION_TIME), self._elect, self._election)

    def _give_up(self, server: Server) -> None:
        if server is not self.leader or not self.is_available:
            self._step_down(server)

    def _step_down(self, server: Server) -> None:
        server.is_leader = False
        if server is self.leader:
            self.leader = None
        for session in list(server.sessions):
            self.drop(session)

    def _elect(self, election: int) -> None:
        candidates = [each for each in self.servers if each.is_up and each.group == self._majority()]
        if election == self._election and candidates and not self.is_available:
            self._become_leader(self.random.choice(candidates))

    def _become_leader(self, server: Server) -> None:
        self.leader = server
        server.is_leader = True
        server.tables = deepcopy(self.committed)

    def _probe(self) -> None:
        """Servers end the connections of clients that have been silent, and of all when they are not the leader."""
        now = self.clock.now
        for session in self._sessions():
            is_reached = self.reaches(session.member, session.server) and session.member not in self.hung
            if is_reached and session.is_dead:
                self.drop(session)
            elif is_reached:
                session.silent_since = None
            elif session.silent_since is None:
                session.silent_since, session.patience = now, self.random.uniform(*SILENCE)
            elif now - session.silent_since > session.patience:
                self.drop(session)
        self.clock.after(0.25, self._probe)

    def _sessions(self) -> Iterator[Session]:
        for server in self.servers:
            yield from list(server.sessions)


def _apply(tables: Tables, operation: Operation) -> None:
    rows = tables.setdefault(operation.table, {})
    if operation.columns is None:
        rows.pop(operation.row, None)
    else:
        rows.setdefault(operation.row, {}).update(_copied(operation).columns or {})


def _matching(tables: Tables, operations: Iterable[Operation]) -> Iterator[Operation]:
    """The operations on rows that are there, or that they insert; others change nothing (RFC 7047 section 5.2.3)."""
    inserted = set()
    for operation in operations:
        row = operation.table, operation.row
        if operation.is_insertion:
            inserted.add(row)
        if row in inserted or operation.row in tables.get(operation.table, {}):
            yield operation


def _changes(tables: Tables, operation: Operation) -> bool:
    """Whether an operation changes something: what is written as it was is reported to no client."""
    row = tables.get(operation.table, {}).get(operation.row)
    return (
        row is None
        or operation.columns is None
        or any(row.get(key) != value for key, value in operation.columns.items())
    )


def _copied(operation: Operation) -> Operation:
    """A copy that shares nothing which could be changed: columns hold numbers, texts and lists of these."""
    columns = operation.columns
    if columns is not None:
        columns = {name: list(value) if isinstance(value, list) else value for name, value in columns.items()}
    return replace(operation, columns=columns)


def _indexes() -> dict[str, list[str]]:
    """The columns that tell the rows of a table apart."""
    tables = json.loads(SCHEMA.read_text())["tables"]
    return {name: table["indexes"][0] for name, table in tables.items() if "indexes" in table}
