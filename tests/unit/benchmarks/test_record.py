"""The figures of ``make bench`` are ratios of one run, so that their targets mean the same on every machine."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Figure
from benchmarks.labs import CONTENDERS, NULL, PRODUCT
from benchmarks.record import Record, Round
from benchmarks.report import markdown
from benchmarks.storm import Outcome

OUTCOME = Outcome(1000, 1000, 3000, 0, 0, 0, 0, 0.03, 0.2, 2.0, 4.0, 5.0)


def rounds_of(rate: float, delays: list[float]) -> list[Round]:
    outcome = replace(OUTCOME, asked=rate, rate=rate)
    return [Round(rate, [outcome], replace(OUTCOME, p50=delay), OUTCOME) for delay in delays]


def record(factor: float = 1.0) -> Record:
    """A run in which each delay of the null controller is ``factor`` times as long as usual, as is the product's."""
    made = Record({"processor": "any", "cores": 2})
    for contender in CONTENDERS:
        made.rounds[contender.name] = rounds_of(1000, [0.1 * factor, 0.2 * factor, 0.3 * factor])
    made.rounds[PRODUCT.name] = rounds_of(700, [0.2 * factor, 0.2 * factor, 0.3 * factor])
    return made


@given(st.floats(0.1, 10))
def test_delays_are_compared_with_those_of_the_null_controller_in_the_same_round(factor: float) -> None:
    """A round in which the machine was busy is so for both; a machine of half the speed has the same ratios."""
    assert abs(record(factor).delay_ratio(PRODUCT, "p50") - 1.0) < 1e-9
    assert record(factor).delay_ratio(NULL, "p99") == 1.0


def test_only_ratios_and_counts_have_targets() -> None:
    for figure in record().figures():
        assert figure.target is None or figure.unit in {"times", "requests"}, figure.name


def test_the_document_has_ratios_with_their_targets_first_and_values_last() -> None:
    made = record()
    made.alone = [Figure("start-up", 0.7, "s"), Figure("start-up, against a bare Python process", 80, "times", 150)]
    lines = markdown(made).splitlines()
    places = [next(n for n, line in enumerate(lines) if line.startswith(start)) for start in ("| new", "| this")]
    assert places == sorted(places)
    assert lines.index("| start-up, against a bare Python process | 80 times | at most 150 times | yes |") < places[1]
    assert lines[-1] == "| start-up | 0.7 s |"
