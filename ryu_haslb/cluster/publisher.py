"""Publishes tables: makes each what it should be, when that has changed, and not too often."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Callable, Optional

from ryu_haslb.cluster.rows import Changes, Columns, Kind, difference
from ryu_haslb.cluster.shared_database import Commit, SharedDatabase

LOG = logging.getLogger(__name__)

#: Seconds from one transaction of a publisher to the next, and to the next after one that was not committed.
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
    """

    kind: Kind
    state: Callable[[], object]
    wanted: Callable[[Collection[Columns], float], Iterable[Columns]]
    on_rows: Callable[[Collection[Columns]], None]
    is_owned: Callable[[Columns], bool] = owns_all
    by_leader: bool = True
    is_due: bool = True
    published: object = None

    def changes(self, database: SharedDatabase, now: float) -> Changes:
        """What is to be changed now."""
        present = database.rows(self.kind)
        found = difference(self.kind, present, self.wanted(present.values(), now), self.is_owned)
        if len(found) <= MAX_CHANGES:
            return found
        self.is_due = True
        return found.first(MAX_CHANGES)


class Publisher:
    """Publishes some tables together, one transaction at a time."""

    def __init__(self, name: str) -> None:
        self.publications: list[Publication] = []
        self._name = name
        self._commit: Optional[Commit] = None
        self._next_at = 0.0
        self._generation: Optional[int] = None

    def step(self, database: SharedDatabase, generation: Optional[int], now: float) -> None:
        """Publish what has changed, if a generation is given only while it is the newest one."""
        self.follow_commit(now)
        if self._commit is not None or now < self._next_at:
            return
        is_new, self._generation = generation != self._generation, generation
        changes = []
        for publication in self.publications:
            state = publication.state()
            if is_new or publication.is_due or state != publication.published:
                publication.published, publication.is_due = state, False
                found = publication.changes(database, now)
                changes += [found] if len(found) else []
        if changes:
            self._next_at = now + PUBLISH_INTERVAL
            self._commit = database.commit(changes, f"published by {self._name}", generation)

    def hurry(self) -> None:
        """Publish with the next step, however soon that is after the last one."""
        self._next_at = 0.0

    def follow_commit(self, now: float) -> None:
        """See whether the last transaction is over."""
        error = None if self._commit is None else self._commit.outcome()
        if error is None:
            return
        self._commit = None
        if error:
            LOG.info("cluster: what this member publishes was not committed (%s); trying again", error)
            self._next_at = now + RETRY_INTERVAL
            for publication in self.publications:
                publication.is_due = True
