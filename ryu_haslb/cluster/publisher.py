"""Publishes tables: makes each what it should be, when that has changed, and not too often.

Which tables a leader publishes: :mod:`.sharing`; what a member says of itself: :mod:`.membership`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Callable, Optional

from ryu_haslb.cluster.rows import Changes, Columns, Kind, difference
from ryu_haslb.cluster.shared_database import Commit, SharedDatabase

LOG = logging.getLogger(__name__)

#: Seconds from one transaction of a table to the next, and to the next after one that was not committed.
PUBLISH_INTERVAL = 0.2
RETRY_INTERVAL = 1.0
#: Rows that one transaction changes; the rest follows with the next.
MAX_CHANGES = 500


def owns_all(_: Columns) -> bool:
    """Every row of the table is the publisher's."""
    return True


@dataclass(eq=False)
class Publication:
    """A table, and the rows that it is to have.

    ``state`` is compared with its last value: another one means that the ``wanted`` rows may have changed. These are
    made from the rows that are there. ``on_rows`` is called with all rows when one has changed. Rows that the publisher
    does not own are left alone. The leader publishes, unless each member has rows of its own (``by_leader`` is False).
    ``commit`` is the transaction that is under way; the next one may begin at ``next_at``.
    """

    kind: Kind
    state: Callable[[], object]
    wanted: Callable[[Collection[Columns], float], Iterable[Columns]]
    on_rows: Callable[[Collection[Columns]], None]
    is_owned: Callable[[Columns], bool] = owns_all
    by_leader: bool = True
    is_due: bool = True
    published: object = None
    commit: Optional[Commit] = None
    next_at: float = 0.0

    def changes(self, database: SharedDatabase, now: float) -> Changes:
        """What is to be changed now."""
        present = database.rows(self.kind)
        found = difference(self.kind, present, self.wanted(present.values(), now), self.is_owned)
        if len(found) <= MAX_CHANGES:
            return found
        self.is_due = True
        return found.first(MAX_CHANGES)


class Publisher:
    """Publishes some tables, each by transactions of its own, one at a time.

    So a table whose rows the database rejects, or cannot be made, keeps no other table from being published.
    """

    def __init__(self, name: str) -> None:
        self.publications: list[Publication] = []
        self._name = name
        self._generation: Optional[int] = None

    def step(self, database: SharedDatabase, generation: Optional[int], now: float) -> None:
        """Publish what has changed, if a generation is given only while it is the newest one."""
        self.follow_commits(now)
        is_new, self._generation = generation != self._generation, generation
        for publication in self.publications:
            publication.is_due |= is_new
            try:
                self._publish(publication, database, now)
            except Exception:
                LOG.exception(
                    "cluster: the rows of the table %s cannot be made; trying again in %g s",
                    *(publication.kind.table, RETRY_INTERVAL),
                )
                publication.is_due, publication.next_at = True, now + RETRY_INTERVAL

    def _publish(self, publication: Publication, database: SharedDatabase, now: float) -> None:
        if publication.commit is not None or now < publication.next_at:
            return
        if publication.kind.table in database.missing_tables:
            return
        state = publication.state()
        if not publication.is_due and state == publication.published:
            return
        publication.published, publication.is_due = state, False
        changes = publication.changes(database, now)
        if len(changes):
            publication.next_at = now + PUBLISH_INTERVAL
            publication.commit = database.commit([changes], f"published by {self._name}", self._generation)

    def publish_soon(self) -> None:
        """Publish with the next step, however soon that is after the last one."""
        for publication in self.publications:
            publication.next_at = 0.0

    def follow_commits(self, now: float) -> None:
        """See which transactions are over."""
        for publication in self.publications:
            error = None if publication.commit is None else publication.commit.outcome()
            if error is None:
                continue
            publication.commit = None
            if error:
                LOG.info(
                    "cluster: the rows of the table %s were not committed (%s); trying again",
                    *(publication.kind.table, error),
                )
                publication.is_due, publication.next_at = True, now + RETRY_INTERVAL
