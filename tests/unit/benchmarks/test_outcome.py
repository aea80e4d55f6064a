"""A rate counts as sustained only if the storm was flawless and nothing was left to be done at its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.storm import MAX_DELAY, Outcome

WELL = Outcome(
    asked=1000,
    rate=1000,
    sent=3000,
    lost=0,
    twice=0,
    wrong=0,
    rules_missing=0,
    rules_seconds=0.1,
    p50=0.2,
    p99=1,
    p999=2,
    longest=3,
)


def test_a_flawless_storm_without_backlog_is_sustained() -> None:
    assert WELL.sustained
    assert replace(WELL, rules_missing=None).sustained


@pytest.mark.parametrize(
    "flaw",
    [{"lost": 1}, {"twice": 1}, {"wrong": 1}, {"rules_missing": 1}, {"rate": 900.0}, {"longest": MAX_DELAY + 1}],
)
def test_one_flaw_is_enough_for_a_rate_not_to_count(flaw: dict[str, float]) -> None:
    """No request lost, none at a wrong home agent, none twice, every rule in place; and sustained."""
    assert not replace(WELL, **flaw).sustained  # type: ignore[arg-type]
