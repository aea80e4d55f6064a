"""What is published when: on change, not too often, and by the leader only with its generation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Optional

import pytest

from ryu_haslb.cluster.publisher import MAX_CHANGES, PUBLISH_INTERVAL, RETRY_INTERVAL, Publication, Publisher
from ryu_haslb.cluster.rows import Changes, Columns, Kind

KIND = Kind("Thing", ("name",), ("size",))


class FakeCommit:
    """A transaction whose outcome the test decides."""

    def __init__(self) -> None:
        self.result: Optional[str] = None

    def outcome(self) -> Optional[str]:
        return self.result


class FakeDatabase:
    """A table in memory. A transaction takes effect when the test says that it is committed."""

    def __init__(self) -> None:
        self.table: dict[Any, Columns] = {}
        self.commits: list[tuple[Sequence[Changes], Optional[int]]] = []
        self.last = FakeCommit()
        self.begun: list[FakeCommit] = []
        self.missing_tables: set[str] = set()

    def rows(self, _: Kind) -> dict[Any, Columns]:
        return dict(self.table)

    def commit(self, changes: Sequence[Changes], _: str, generation: Optional[int] = None) -> FakeCommit:
        self.commits.append((changes, generation))
        self.last = FakeCommit()
        self.begun.append(self.last)
        return self.last

    def conclude(self, error: str = "") -> None:
        """The last transaction is over."""
        self.last.result = error
        for change in self.commits[-1][0] if not error else ():
            for identifier in change.delete:
                del self.table[identifier]
            for row in change.insert:
                self.table[KIND.key_of(row)] = row
            for identifier, columns in change.update.items():
                self.table[identifier] = {**self.table[identifier], **columns}


class Source:
    """Something to publish."""

    def __init__(self, **sizes: int) -> None:
        self.sizes = dict(sizes)
        self.asked = 0

    def state(self) -> object:
        return sorted(self.sizes.items())

    def wanted(self, _: Collection[Columns], __: float) -> Iterable[Columns]:
        self.asked += 1
        return [{"name": name, "size": size} for name, size in self.sizes.items()]


def publisher_of(source: Source) -> Publisher:
    publisher = Publisher("east")
    publisher.publications.append(Publication(KIND, source.state, source.wanted, lambda _: None))
    return publisher


def test_it_publishes_on_change_and_only_then() -> None:
    database: Any = FakeDatabase()
    source = Source(a=1)
    publisher = publisher_of(source)
    publisher.step(database, 7, 0.0)
    assert [generation for _, generation in database.commits] == [7]
    database.conclude()
    for step in range(1, 50):
        publisher.step(database, 7, step * PUBLISH_INTERVAL)
    assert (len(database.commits), source.asked) == (1, 1)
    source.sizes["a"] = 2
    publisher.step(database, 7, 100.0)
    database.conclude()
    assert [dict(row) for row in database.table.values()] == [{"name": "a", "size": 2}]


def test_nothing_is_published_in_a_table_that_an_older_database_lacks() -> None:
    database: Any = FakeDatabase()
    database.missing_tables = {KIND.table}
    publisher = publisher_of(Source(a=1))
    publisher.step(database, 7, 0.0)
    assert database.commits == []
    database.missing_tables = set()
    publisher.step(database, 7, 0.1)
    assert len(database.commits) == 1, "as soon as it was converted"


def test_changes_in_quick_succession_are_one_transaction() -> None:
    database: Any = FakeDatabase()
    source = Source(a=1)
    publisher = publisher_of(source)
    for hundredth in range(100):
        source.sizes["a"] = hundredth
        publisher.step(database, 7, hundredth / 100)
        database.conclude()
    assert len(database.commits) <= 1 + 1 / PUBLISH_INTERVAL


def test_nothing_is_begun_while_a_transaction_is_under_way() -> None:
    database: Any = FakeDatabase()
    source = Source(a=1)
    publisher = publisher_of(source)
    publisher.step(database, 7, 0.0)
    source.sizes["a"] = 2
    publisher.step(database, 7, 10.0)
    assert len(database.commits) == 1
    database.conclude()
    publisher.step(database, 7, 10.1)
    assert len(database.commits) == 2


def test_what_was_not_committed_is_tried_again_after_a_pause() -> None:
    database: Any = FakeDatabase()
    publisher = publisher_of(Source(a=1))
    publisher.step(database, 7, 0.0)
    database.conclude("timed out")
    publisher.step(database, 7, 1.0)
    assert len(database.commits) == 1
    publisher.step(database, 7, 1.0 + RETRY_INTERVAL)
    assert len(database.commits) == 2


def test_a_new_generation_looks_at_everything_again() -> None:
    """Another leader may have published something else meanwhile."""
    database: Any = FakeDatabase()
    source = Source(a=1)
    publisher = publisher_of(source)
    publisher.step(database, 7, 0.0)
    database.conclude()
    publisher.step(database, 9, 10.0)
    assert (source.asked, len(database.commits)) == (2, 1), "and writes nothing if it is the same"
    database.table.clear()
    publisher.step(database, 11, 20.0)
    assert database.commits[-1][1] == 11


def test_a_large_change_is_published_in_parts() -> None:
    database: Any = FakeDatabase()
    count = 2 * MAX_CHANGES + 1
    publisher = publisher_of(Source(**{f"n{number}": number for number in range(count)}))
    for second in range(3):
        publisher.step(database, 7, float(second))
        assert sum(map(len, database.commits[-1][0])) <= MAX_CHANGES
        database.conclude()
    assert len(database.table) == count


def test_rows_of_others_are_left_alone() -> None:
    database: Any = FakeDatabase()
    database.table["id"] = {"name": "other", "size": 3}
    publisher = Publisher("east")
    source = Source(own=1)
    publisher.publications.append(
        Publication(KIND, source.state, source.wanted, lambda _: None, is_owned=lambda row: row["name"] == "own")
    )
    publisher.step(database, None, 0.0)
    database.conclude()
    assert {row["name"] for row in database.table.values()} == {"own", "other"}


OTHER = Kind("Other", ("name",), ("size",))


def test_a_table_that_the_database_rejects_keeps_no_other_from_being_published() -> None:
    """A row of a stranger may break a constraint; the health of home agents must be shared all the same."""
    database: Any = FakeDatabase()
    publisher = publisher_of(Source(a=1))
    other = Source(b=1)
    publisher.publications.append(Publication(OTHER, other.state, other.wanted, lambda _: None))
    commits = database.commits
    publisher.step(database, 7, 0.0)
    assert [[change.kind.table for change in changes] for changes, _ in commits] == [["Thing"], ["Other"]]
    rejected, accepted = database.begun
    commits.clear()
    rejected.result, accepted.result = "constraint violation", ""
    other.sizes["b"] = 2
    publisher.step(database, 7, PUBLISH_INTERVAL)
    assert [change.kind.table for changes, _ in commits for change in changes] == ["Other"]


def test_rows_that_cannot_be_made_keep_no_other_table_from_being_published(caplog: pytest.LogCaptureFixture) -> None:
    database: Any = FakeDatabase()
    faulty, other = Source(a=1), Source(b=1)

    def fail(*_: object) -> Iterable[Columns]:
        raise KeyError("fault")

    publisher = Publisher("east")
    publisher.publications.append(Publication(KIND, faulty.state, fail, lambda _: None))
    publisher.publications.append(Publication(OTHER, other.state, other.wanted, lambda _: None))
    publisher.step(database, 7, 0.0)
    assert [change.kind.table for changes, _ in database.commits for change in changes] == ["Other"]
    assert "the rows of the table Thing cannot be made" in caplog.text
    publisher.publications[0].wanted = faulty.wanted
    publisher.step(database, 7, RETRY_INTERVAL)
    assert [change.kind.table for changes, _ in database.commits for change in changes] == ["Other", "Thing"]
