"""What the members of a cluster share: who publishes what when, and who takes it over.

Each :class:`Publication` is a table of the database. The leader gives the table its ``wanted`` rows, when these have
changed and at most once in :data:`PUBLISH_INTERVAL`; every member is given the rows of the table when they change. A
former leader cannot publish: each transaction verifies that its generation is the newest (:mod:`.shared_database`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

import ovs.poller

from ryu_haslb.cluster.election import Election, MemberState
from ryu_haslb.cluster.idl import OVS, Engine
from ryu_haslb.cluster.rows import Changes, Columns, Kind, difference
from ryu_haslb.cluster.settings import ClusterSettings
from ryu_haslb.cluster.shared_database import Commit, SharedDatabase
from ryu_haslb.errors import HaslbError

LOG = logging.getLogger(__name__)

#: Seconds from one transaction of a leader to the next.
PUBLISH_INTERVAL = 0.2
#: Rows that one transaction changes; the rest follows with the next.
MAX_CHANGES = 500
#: Seconds for which a server may leave the request for the tables unanswered.
SYNCHRONIZATION_TIMEOUT = 5.0


class NotConnectedError(HaslbError):
    """The database is not connected, or lacks the tables of this version."""


@dataclass(eq=False)
class Publication:
    """A table that the leader publishes.

    ``state`` is compared with its last value: another one means that the ``wanted`` rows may have changed. These are
    made from the rows that are there. ``on_rows`` is called with all rows when one has changed.
    """

    kind: Kind
    state: Callable[[], object]
    wanted: Callable[[Collection[Columns], float], Iterable[Columns]]
    on_rows: Callable[[Collection[Columns]], None]
    is_due: bool = True
    published: object = None


class SharedState:
    """What this member publishes while it leads, and takes over from the leader.

    ``lacks_tables`` is whether the database has an older schema.
    """

    def __init__(self, settings: ClusterSettings, election: Election, engine: Engine = OVS) -> None:
        self._settings = settings
        self._engine = engine
        self._election = election
        self._publications: list[Publication] = []
        self._database: Optional[SharedDatabase] = None
        self._commit: Optional[Commit] = None
        self._publish_at = 0.0
        self._generation = 0
        self._reconnect_at: Optional[float] = None
        self.lacks_tables = False

    def add(self, publication: Publication) -> None:
        """Publish this as well. To be called before the first step."""
        self._publications.append(publication)

    def step(self, now: float) -> None:
        """Read what has come, hand it on, and publish what has changed."""
        if self._database is None:
            self._database = SharedDatabase(self._settings, [each.kind for each in self._publications], self._engine)
        database = self._database
        changed = database.read()
        if not database.is_synchronized:
            self._on_unsynchronized(database, now)
            return
        self._reconnect_at, self.lacks_tables = None, False
        for publication in self._publications:
            if publication.kind.table in changed:
                publication.is_due = True
                publication.on_rows(database.rows(publication.kind).values())
        self._follow_commit()
        if self._commit is None and now >= self._publish_at and self._may_publish(database):
            self._publish(database, now)

    def change(self, kind: Kind, make: Callable[[Mapping[Any, Columns]], Changes], verify: str) -> Commit:
        """Change a table, whether this member leads or not. ``make`` is given its rows; ``verify`` names a column.

        It is not committed if the value of this column in a changed row is another one by then.

        Raises: NotConnectedError.
        """
        database = self._database
        if database is None or not database.is_synchronized:
            raise NotConnectedError("the database is not connected")
        changes = make(database.rows(kind))
        return database.commit([changes], f"changed by {self._election.name}", verify=verify)

    def wait(self, poller: ovs.poller.Poller) -> None:
        """Wake the poller when there is something to do."""
        if self._database is not None:
            self._database.wait(poller)

    def _may_publish(self, database: SharedDatabase) -> bool:
        election = self._election
        return election.state is MemberState.LEADER and election.generation == database.generation

    def _publish(self, database: SharedDatabase, now: float) -> None:
        changes: list[Changes] = []
        is_new, self._generation = self._generation != self._election.generation, self._election.generation
        for publication in self._publications:
            state = publication.state()
            if not is_new and not publication.is_due and state == publication.published:
                continue
            publication.published, publication.is_due = state, False
            present = database.rows(publication.kind)
            change = difference(publication.kind, present, publication.wanted(present.values(), now))
            if len(change) > MAX_CHANGES:
                change = change.first(MAX_CHANGES)
                publication.is_due = True
            if len(change):
                changes.append(change)
        if changes:
            self._publish_at = now + PUBLISH_INTERVAL
            comment = f"published by {self._election.name}"
            self._commit = database.commit(changes, comment, self._election.generation)

    def _follow_commit(self) -> None:
        error = None if self._commit is None else self._commit.outcome()
        if error is not None:
            self._commit = None
        if error:
            LOG.info("cluster: what this member publishes was not committed (%s); trying again", error)
            for publication in self._publications:
                publication.is_due = True

    def _on_unsynchronized(self, database: SharedDatabase, now: float) -> None:
        """A server that does not send the tables has an older schema; it is asked again until it was converted."""
        if not database.is_connected or self._reconnect_at is None:
            self._reconnect_at = now + SYNCHRONIZATION_TIMEOUT
            return
        if now < self._reconnect_at:
            return
        self._reconnect_at = now + SYNCHRONIZATION_TIMEOUT
        if not self.lacks_tables:
            self.lacks_tables = True
            LOG.warning(
                "cluster: the database does not have the tables of this version, so members share nothing; convert it: "
                "ovsdb-client convert %s $(haslb cluster schema)",
                self._settings.remotes,
            )
        database.reconnect()
