"""What members share is handed on, table by table."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from ryu_haslb.cluster.election import Election
from ryu_haslb.cluster.publisher import Publication
from ryu_haslb.cluster.rows import Changes, Columns, Kind
from ryu_haslb.cluster.settings import ClusterSettings
from ryu_haslb.cluster.shared_state import Edit, NotConnectedError, SharedState


def test_a_table_that_cannot_be_taken_over_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    """A table is handed on when it has changed, and the next change may be far away."""
    seen: list[Collection[Columns]] = []

    def fail(_: Collection[Columns]) -> None:
        raise KeyError("fault")

    state = SharedState(ClusterSettings("unix:/nonexistent/haslb.sock", "a"), Election("a"))
    for kind, on_rows in ((Kind("First", (), ()), fail), (Kind("Second", (), ()), seen.append)):
        state.add(Publication(kind, lambda: None, lambda *_: (), on_rows))
    database: Any = SimpleNamespace(
        read=lambda: {"First", "Second"}, is_synchronized=True, rows=lambda _: {}, generation=0, missing_tables=()
    )
    state._database = database
    state.step(1.0)
    assert len(seen) == 1
    assert "the rows of the table First cannot be applied" in caplog.text


def test_a_table_that_an_older_database_lacks_is_said_once_and_cannot_be_changed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The others are shared all the same (docs/cluster.md, "Upgrade")."""
    kind = Kind("New", (), ())
    state = SharedState(ClusterSettings("unix:/nonexistent/haslb.sock", "a"), Election("a"))
    database: Any = SimpleNamespace(
        read=set,
        is_synchronized=True,
        is_reading=False,
        rows=lambda _: {},
        generation=0,
        missing_tables={"New"},
    )
    state._database = database
    for now in (1.0, 2.0):
        state.step(now)
    assert caplog.text.count("do not share New; convert it: ovsdb-client convert unix:/nonexistent/haslb.sock") == 1
    with pytest.raises(NotConnectedError, match="does not have the table New of this version; convert it"):
        state.change(Edit(kind, lambda _: Changes(kind)))


def test_nothing_is_changed_while_rows_are_being_read() -> None:
    """They are not handed on yet: a change of the configuration would replace one that it does not know."""
    kind = Kind("Table", (), ())
    state = SharedState(ClusterSettings("unix:/nonexistent/haslb.sock", "a"), Election("a"))
    commits: list[Any] = []
    database: Any = SimpleNamespace(
        is_synchronized=True,
        is_reading=True,
        rows=lambda _: {},
        missing_tables=(),
        commit=lambda *each: commits.append(each),
    )
    state._database = database
    with pytest.raises(NotConnectedError, match="try again"):
        state.change(Edit(kind, lambda _: Changes(kind)))
    database.is_reading = False
    state.change(Edit(kind, lambda _: Changes(kind)))
    assert len(commits) == 1
