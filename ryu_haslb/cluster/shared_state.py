"""What the members of a cluster share: who publishes what when, and who takes it over.

Each :class:`.Publication` is a table of the database. The leader gives the table its ``wanted`` rows, when these have
changed; every member is given the rows of the table when they change. A former leader cannot publish: each transaction
verifies that its generation is the newest (:mod:`.shared_database`). What a member says of itself it publishes whether
it leads or not.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any, Callable, NamedTuple, Optional

import ovs.poller

from ryu_haslb.cluster.election import Election, MemberState
from ryu_haslb.cluster.idl import OVS, SYNCHRONIZATION_TIMEOUT, Engine
from ryu_haslb.cluster.publisher import Publication, Publisher
from ryu_haslb.cluster.rows import Changes, Columns, Kind
from ryu_haslb.cluster.settings import ClusterSettings
from ryu_haslb.cluster.shared_database import Commit, SharedDatabase
from ryu_haslb.errors import HaslbError

LOG = logging.getLogger(__name__)


class NotConnectedError(HaslbError):
    """The database is not connected, or lacks the tables of this version."""


class Edit(NamedTuple):
    """A change of one table; ``make`` is given its rows."""

    kind: Kind
    make: Callable[[Mapping[Any, Columns]], Changes]


class SharedState:
    """What this member publishes while it leads, and takes over from the leader.

    ``missing_tables`` are those that the database does not have, since its schema is older.
    """

    def __init__(self, settings: ClusterSettings, election: Election, engine: Engine = OVS) -> None:
        self._settings = settings
        self._engine = engine
        self._election = election
        self._of_leader, self._of_each = Publisher(election.name), Publisher(election.name)
        self._database: Optional[SharedDatabase] = None
        self._reconnect_at: Optional[float] = None
        self._is_silence_logged = False
        self.missing_tables: Collection[str] = ()

    def add(self, publication: Publication) -> None:
        """Publish this as well. To be called before the first step."""
        (self._of_leader if publication.by_leader else self._of_each).publications.append(publication)

    def step(self, now: float) -> None:
        """Read what has come, hand it on, and publish what has changed."""
        if self._database is None:
            kinds = [each.kind for each in self._publications]
            self._database = SharedDatabase(self._settings, kinds, self._engine)
        database, election = self._database, self._election
        changed = database.read()
        if not database.is_synchronized:
            self._on_unsynchronized(database, now)
            return
        self._reconnect_at, self._is_silence_logged = None, False
        self._follow_schema(database.missing_tables)
        for publication in self._publications:
            if publication.kind.table in changed:
                publication.is_due = True
                self._hand_on(publication, database)
        self._of_each.step(database, None, now)
        if election.state is MemberState.LEADER and election.generation == database.generation:
            self._of_leader.step(database, election.generation, now)
        else:
            self._of_leader.follow_commits(now)

    @staticmethod
    def _hand_on(publication: Publication, database: SharedDatabase) -> None:
        try:
            publication.on_rows(database.rows(publication.kind).values())
        except Exception:  # the rows of other tables must be handed on: without a configuration no member leads
            LOG.exception(
                "cluster: the rows of the table %s cannot be applied; ignored until they change", publication.kind.table
            )

    @property
    def _publications(self) -> list[Publication]:
        return self._of_leader.publications + self._of_each.publications

    def publish_soon(self) -> None:
        """Publish with the next step what this member says of itself: it may end soon."""
        self._of_each.publish_soon()

    def change(self, *edits: Edit) -> Commit:
        """Change tables in one transaction, whether this member leads or not. Raises: NotConnectedError."""
        database = self._database
        if database is None or not database.is_synchronized:
            raise NotConnectedError("the database is not connected")
        if database.is_reading:  # the rows may be newer than those on which the change rests
            raise NotConnectedError("many rows of the database are being read; try again")
        missing = [edit.kind.table for edit in edits if edit.kind.table in database.missing_tables]
        if missing:
            raise NotConnectedError(
                f"the database does not have the table {missing[0]} of this version; {self._convert}"
            )
        changes = [edit.make(database.rows(edit.kind)) for edit in edits]
        return database.commit(changes, f"changed by {self._election.name}")

    def wait(self, poller: ovs.poller.Poller) -> None:
        """Wake the poller when there is something to do."""
        if self._database is not None:
            self._database.wait(poller)

    @property
    def _convert(self) -> str:
        return f"convert it: ovsdb-client convert {self._settings.remotes} $(haslb cluster schema)"

    def _follow_schema(self, missing: Collection[str]) -> None:
        """Say which tables the database lacks; what is in the others is shared."""
        if missing and missing != self.missing_tables:
            LOG.warning(
                "cluster: the database does not have the tables of this version, so members do not share %s; %s",
                *(", ".join(sorted(missing)), self._convert),
            )
        self.missing_tables = missing

    def _on_unsynchronized(self, database: SharedDatabase, now: float) -> None:
        """A server that does not send the tables is asked again."""
        if not database.is_connected or self._reconnect_at is None:
            self._reconnect_at = now + SYNCHRONIZATION_TIMEOUT
            return
        if now < self._reconnect_at:
            return
        self._reconnect_at = now + SYNCHRONIZATION_TIMEOUT
        if not self._is_silence_logged:
            self._is_silence_logged = True
            LOG.warning(
                "cluster: the database server has sent no tables for %g s and may be overloaded; reconnecting",
                SYNCHRONIZATION_TIMEOUT,
            )
        database.reconnect()
