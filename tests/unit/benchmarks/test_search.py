"""The search for the highest rate ends near it, in a bounded number of trials, for every rate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.search import MAX_RATE, MAX_TRIALS, PRECISION, highest_rate


@given(capacity=st.floats(500, MAX_RATE - 1), first=st.floats(500, 50_000))
def test_what_is_found_went_well_and_is_near_the_most_that_does(capacity: float, first: float) -> None:
    tried: list[float] = []

    def goes_well(rate: float) -> bool:
        tried.append(rate)
        return rate <= capacity

    found = highest_rate(goes_well, first)
    assert len(tried) <= MAX_TRIALS
    assert found <= capacity
    assert found in tried or found == 0
    if len(tried) < MAX_TRIALS:
        assert found * (1 + PRECISION) >= capacity


def test_a_contender_that_never_does_well_has_no_rate() -> None:
    assert highest_rate(lambda _: False, 1000) == 0


def test_a_contender_without_a_limit_ends_the_search_at_the_ceiling() -> None:
    assert highest_rate(lambda _: True, 1000) <= MAX_RATE


def test_one_loss_ends_the_rise_and_nothing_above_it_is_tried() -> None:
    tried = []

    def goes_well(rate: float) -> bool:
        tried.append(rate)
        return rate < 3000

    highest_rate(goes_well, 2000)
    assert max(tried) == 3000
