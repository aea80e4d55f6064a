"""Figures say whether their targets are reached as they were measured; the guard finds ratios that have fallen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import TOLERANCE, Figure, fallen, medians, number
from benchmarks.quick import REFERENCE
from benchmarks.report import BEGIN, END, put_into

positive = st.floats(0.01, 1e6)


@given(value=positive, target=positive)
def test_a_target_is_reached_by_the_measured_value_only(value: float, target: float) -> None:
    assert Figure("", value, "", target, at_least=True).reached is (value >= target)
    assert Figure("", value, "", target).reached is (value <= target)


def test_a_figure_without_a_target_is_neither_reached_nor_missed() -> None:
    assert Figure("", 1.0, "").reached is None


def test_a_missed_target_is_told_in_the_table_and_in_the_record() -> None:
    missed = Figure("delay", 3.2, "ms", 3)
    assert missed.row() == ("delay", "3.2 ms", "at most 3 ms", "no")
    assert json.loads(json.dumps(missed.as_json()))["reached"] is False


@given(kept=positive, share=st.floats(0.01, 2))
def test_a_ratio_may_fall_by_a_third_and_no_more(kept: float, share: float) -> None:
    """The guard of CI: a fall by more than a third against the kept ratio is a failure."""
    now = kept * share
    assert bool(fallen({"ratio": kept}, {"ratio": now})) is (now < kept * (1 - TOLERANCE))


def test_a_kept_ratio_that_is_not_measured_any_more_is_a_complaint() -> None:
    assert fallen({"gone": 2.0}, {"other": 2.0}) == ["gone: is kept as 2 and was not measured"]


def test_a_round_that_was_disturbed_does_not_move_the_median() -> None:
    assert medians([{"a": 2.0}, {"a": 100.0}, {"a": 2.1}]) == {"a": 2.1}


@pytest.mark.parametrize(
    ("value", "text"), [(16_234.5, "16,234"), (99.96, "100"), (3.456, "3.46"), (0, "0"), (0.0001, "0.000100")]
)
def test_numbers_are_written_without_powers_of_ten(value: float, text: str) -> None:
    assert number(value) == text


def test_the_kept_ratios_can_be_read_and_are_above_zero() -> None:
    kept = json.loads(REFERENCE.read_text())
    assert kept
    assert all(value > 0 for value in kept.values())


def test_results_replace_what_stands_between_the_markers_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    put_into(document, "new")
    assert document.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"


def test_a_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("by hand\n")
    with pytest.raises(SystemExit, match="expected"):
        put_into(document, "new")
    assert document.read_text() == "by hand\n"
