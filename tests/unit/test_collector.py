"""Full collections of cycles wait for a quiet moment."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ryu_haslb.collector import QuietCollector


@pytest.fixture
def collections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A list that grows with each full collection; the collector's settings are put back in the end."""
    thresholds = gc.get_threshold()
    full: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda generation=2: full.append(generation))
    yield full
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_it_collects_once_a_minute_while_nothing_happens(collections: list[int]) -> None:
    collector = QuietCollector(0.0)
    before = len(collections)
    for second in range(1, 121):
        collector.look(requests=7, sessions=3, now=float(second))
    assert len(collections) == before + 2


@pytest.mark.parametrize(("requests_a_second", "sessions"), [(1, 3), (0, 100_000)])
def test_it_waits_while_requests_come_or_many_sessions_live(
    collections: list[int], requests_a_second: int, sessions: int
) -> None:
    collector = QuietCollector(0.0)
    before = len(collections)
    for second in range(1, 121):
        collector.look(second * requests_a_second, sessions, float(second))
    assert len(collections) == before
