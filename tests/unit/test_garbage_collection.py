"""Full collections of cycles wait for a quiet moment."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from ryu_haslb.garbage_collection import QuietCollector


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
        collector.collect_if_quiet(requests=7, sessions=3, now=float(second))
    assert len(collections) == before + 2


def test_it_waits_while_requests_come_and_not_for_ever(collections: list[int]) -> None:
    collector = QuietCollector(0.0)
    before = len(collections)
    for second in range(1, 600):
        collector.collect_if_quiet(second, 3, float(second))
    assert len(collections) == before
    collector.collect_if_quiet(600, 3, 600.0)
    assert len(collections) == before + 1


def test_it_waits_for_no_quiet_moment_when_much_has_been_left_behind(
    collections: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger who connects again and again leaves the objects of connections that have ended."""
    collector = QuietCollector(0.0)
    before = len(collections)
    monkeypatch.setattr(gc, "get_count", lambda: (5, 51, 0))
    collector.collect_if_quiet(1, 3, 1.0)
    assert len(collections) == before + 1
    collector.collect_if_quiet(2, 100_000, 2.0)
    assert len(collections) == before + 1, "sessions are no such objects"


def test_it_does_not_look_at_the_rules_of_sessions_that_were_just_cleared(
    collections: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait to be removed, and are as many as the sessions were: a walk over them would be a long pause."""
    collector = QuietCollector(0.0)
    before = len(collections)
    monkeypatch.setattr(gc, "get_count", lambda: (5, 300, 0))
    collector.collect_if_quiet(1, 300_000, 1.0)
    collector.collect_if_quiet(2, 0, 1.02)
    collector.collect_if_quiet(3, 0, 60.0)
    assert len(collections) == before
    collector.collect_if_quiet(4, 0, 61.0)
    assert len(collections) == before + 1


def test_with_many_sessions_it_looks_at_what_is_young_only(
    collections: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = QuietCollector(0.0)
    before = len(collections)
    monkeypatch.setattr(gc, "get_count", lambda: (5, 3, 0))
    collector.collect_if_quiet(7, 100_000, 1.0)
    collector.collect_if_quiet(7, 100_000, 61.0)
    assert collections[before:] == [1]


def test_the_sessions_of_a_storm_are_never_looked_at(collections: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk over them would be a pause of tens of milliseconds, now or a minute later."""
    collector = QuietCollector(0.0)
    before, frozen = len(collections), gc.get_freeze_count()
    monkeypatch.setattr(gc, "get_count", lambda: (5, 300, 0))
    keep = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    collector.collect_if_quiet(7, 100_000, 1.0)
    collector.collect_if_quiet(7, 100_000, 61.0)
    assert len(collections) == before
    assert gc.get_freeze_count() >= frozen + len(keep)


def test_a_storm_makes_no_pause_by_itself() -> None:
    """However many objects come, Python looks at the youngest only."""
    thresholds = gc.get_threshold()
    generations: list[int] = []
    gc.callbacks.append(lambda phase, info: generations.append(info["generation"]))
    try:
        QuietCollector(0.0)
        generations.clear()
        keep = [[number] for number in range(500_000)]
        assert set(generations) == {0}
        assert keep
    finally:
        gc.callbacks.pop()
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def test_what_a_storm_has_left_behind_is_collected_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cycles that ended among the sessions of the storm are exempted with them, and must not stay for ever."""

    class Connection:
        """A connection in a reference cycle."""

    thresholds = gc.get_threshold()
    try:
        collector = QuietCollector(0.0)
        connection = Connection()
        connection.itself = connection  # type: ignore[attr-defined]
        ended = weakref.ref(connection)
        del connection
        with monkeypatch.context() as patch:
            patch.setattr(gc, "get_count", lambda: (5, 300, 0))
            collector.collect_if_quiet(0, 100_000, 61.0)
        gc.collect()
        assert ended() is not None
        collector.collect_if_quiet(0, 100, 122.0)
        assert ended() is None
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
