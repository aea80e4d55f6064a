"""``make bench-quick``: a guard that a busy machine does not set off."""

from __future__ import annotations

import json

import pytest

from benchmarks.figures import fallen
from benchmarks.quick import REFERENCE, Cost, ratios_of

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


def test_the_reference_keeps_every_ratio() -> None:
    assert json.loads(REFERENCE.read_text()).keys() == ratios_of([QUIET]).keys()
