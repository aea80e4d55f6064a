"""``make bench-quick``: a guard that a busy machine does not set off."""

from __future__ import annotations

import json

import pytest

from benchmarks.figures import fallen
from benchmarks.quick import (
    FEW_AGAINST_MANY,
    MAX_ROUNDS,
    REFERENCE,
    ROUNDS,
    Cost,
    UnansweredError,
    complaints,
    measure,
    ratios_of,
)

QUIET = {
    "known of few": Cost(4e-6, 5e-6),
    "known": Cost(4e-6, 5e-6),
    "new": Cost(10e-6, 12e-6),
    "tutorial's new": Cost(200e-6, 210e-6),
    "tutorial's known": Cost(60e-6, 70e-6),
}


def test_rounds_that_something_else_slowed_down_do_not_count() -> None:
    """Each contender's best round counts; the rounds of two contenders may differ."""
    ours = {**QUIET, "new": Cost(30e-6, 99e-6), "known": Cost(9e-6, 50e-6)}
    others = {**QUIET, "tutorial's new": Cost(500e-6, 900e-6)}
    assert ratios_of([ours, others]) == pytest.approx(ratios_of([QUIET]))


def test_a_controller_that_got_slower_sets_it_off_and_so_does_one_that_waits() -> None:
    kept = ratios_of([QUIET])
    slower = ratios_of([{**QUIET, "new": Cost(16e-6, 12e-6)}])
    waiting = ratios_of([{**QUIET, "new": Cost(10e-6, 30e-6)}])
    assert [line.partition(":")[0] for line in fallen(kept, slower)] == ["new-sessions-against-tutorial"]
    assert [line.partition(":")[0] for line in fallen(kept, waiting)] == ["new-sessions-by-the-clock"]


def test_the_reference_keeps_every_ratio_but_the_one_that_depends_on_the_processor() -> None:
    assert json.loads(REFERENCE.read_text()).keys() == ratios_of([QUIET]).keys() - {FEW_AGAINST_MANY}


def test_small_caches_do_not_set_it_off_but_a_cost_that_grows_with_the_sessions_does() -> None:
    kept = json.loads(REFERENCE.read_text())
    quick = dict.fromkeys(kept, 1e6)
    assert complaints(kept, {**quick, FEW_AGAINST_MANY: 0.45}) == []
    assert [line.partition(":")[0] for line in complaints(kept, {**quick, FEW_AGAINST_MANY: 0.1})] == [FEW_AGAINST_MANY]


@pytest.mark.parametrize(("disturbed", "rounds"), [(0, ROUNDS), (ROUNDS, ROUNDS + 1), (MAX_ROUNDS, MAX_ROUNDS)])
def test_rounds_follow_until_an_undisturbed_one_has_shown_that_no_ratio_has_fallen(disturbed: int, rounds: int) -> None:
    slow = {**QUIET, "new": Cost(30e-6, 99e-6)}
    outcomes = [slow] * disturbed + [QUIET] * MAX_ROUNDS
    measured = iter(outcomes)
    kept = ratios_of([QUIET])
    del kept[FEW_AGAINST_MANY]
    ratios = measure(kept, lambda: next(measured))
    assert len(list(measured)) == len(outcomes) - rounds
    assert bool(complaints(kept, ratios)) is (disturbed >= MAX_ROUNDS)


@pytest.mark.parametrize("starved", range(MAX_ROUNDS + 1))
def test_a_round_in_which_a_starved_controller_drops_requests_does_not_count(starved: int) -> None:
    outcomes = iter([True] * starved + [False] * MAX_ROUNDS)

    def measure_once() -> dict[str, Cost]:
        if next(outcomes):
            raise UnansweredError("3 of 9 requests were not answered exactly once")
        return QUIET

    if starved > MAX_ROUNDS - ROUNDS:
        with pytest.raises(UnansweredError):
            measure({}, measure_once)
    else:
        assert measure({}, measure_once) == pytest.approx(ratios_of([QUIET]))
