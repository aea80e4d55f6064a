"""What members share is handed on, table by table."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from ryu_haslb.cluster.election import Election
from ryu_haslb.cluster.publisher import Publication
from ryu_haslb.cluster.rows import Columns, Kind
from ryu_haslb.cluster.settings import ClusterSettings
from ryu_haslb.cluster.shared_state import SharedState


def test_a_table_that_cannot_be_taken_over_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    """A table is handed on when it has changed, and the next change may be far away."""
    seen: list[Collection[Columns]] = []

    def fail(_: Collection[Columns]) -> None:
        raise KeyError("fault")

    state = SharedState(ClusterSettings("unix:/nonexistent/haslb.sock", "a"), Election("a"))
    for kind, on_rows in ((Kind("First", (), ()), fail), (Kind("Second", (), ()), seen.append)):
        state.add(Publication(kind, lambda: None, lambda *_: (), on_rows))
    database: Any = SimpleNamespace(
        read=lambda: {"First", "Second"}, is_synchronized=True, rows=lambda _: {}, generation=0
    )
    state._database = database
    state.step(1.0)
    assert len(seen) == 1
    assert "the rows of the table First were not taken over" in caplog.text
