"""Live sessions of each real server, and its share of assigned sessions, over the last five minutes."""

from __future__ import annotations

import pytest
from farm_builder import Bench

from ryu_haslb.web.load_history import MAX_SAMPLES, SAMPLE_INTERVAL, History, RealHistoryRow


def sampled(bench: Bench, history: History) -> list[RealHistoryRow]:
    bench.now += SAMPLE_INTERVAL
    history.tick(bench.reals, bench.now)
    return list(history.rows(bench.reals))


@pytest.fixture
def bench() -> Bench:
    return Bench(3, 1)


@pytest.fixture
def history(bench: Bench) -> History:
    made = History()
    made.tick(bench.reals, bench.now)
    return made


def test_without_a_sample_the_row_is_empty(bench: Bench) -> None:
    (row, _) = History().rows(bench.reals)
    assert row == {
        "farm": "HAFARM",
        "real": "10.1.1.51",
        "port": 434,
        "interval": SAMPLE_INTERVAL,
        "sessions": [],
        "assigned": 0,
        "share": None,
    }


def test_the_share_of_assigned_sessions_follows_the_weights(bench: Bench, history: History) -> None:
    bench.new_sessions(40)
    assert [row["share"] for row in history.rows(bench.reals)] == [0.75, 0.25], "counted without waiting for a sample"
    rows = sampled(bench, history)
    assert [row["share"] for row in rows] == [0.75, 0.25]
    assert [row["assigned"] for row in rows] == [30, 10]
    assert [row["sessions"] for row in rows] == [[0, 30], [0, 10]]


def test_samples_are_taken_at_their_interval_only(bench: Bench, history: History) -> None:
    for _ in range(50):
        history.tick(bench.reals, bench.now + SAMPLE_INTERVAL / 2)
    assert [row["sessions"] for row in history.rows(bench.reals)] == [[0], [0]]


def test_samples_older_than_five_minutes_are_discarded(bench: Bench, history: History) -> None:
    bench.new_sessions(4)
    rows = sampled(bench, history)
    for _ in range(MAX_SAMPLES):
        rows = sampled(bench, history)
    assert [len(row["sessions"]) for row in rows] == [MAX_SAMPLES, MAX_SAMPLES]
    assert [row["share"] for row in rows] == [None, None]


def test_a_farm_whose_other_real_is_gone_has_all_of_the_share(bench: Bench, history: History) -> None:
    bench.reals[0].in_service = False
    bench.new_sessions(3)
    assert [row["share"] for row in history.rows(bench.reals)] == [0.0, 1.0]


def test_cleared_counters_do_not_make_shares_negative(bench: Bench, history: History) -> None:
    bench.new_sessions(8)
    sampled(bench, history)
    bench.balancer.clear_counters()
    bench.new_sessions(1, start=100)
    assert sum(row["assigned"] for row in sampled(bench, history)) == 9


def test_a_real_that_left_the_farm_leaves_no_row_and_comes_back_anew(bench: Bench, history: History) -> None:
    bench.new_sessions(4)
    sampled(bench, history)
    history.tick(bench.reals[1:], bench.now + SAMPLE_INTERVAL)
    bench.now += SAMPLE_INTERVAL
    row, _ = sampled(bench, history)
    assert row["sessions"] == [3]
