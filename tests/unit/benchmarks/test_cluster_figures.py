"""What ``make bench-cluster`` says of what it measured."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.cluster import FEW, MANY, ClusterRecord, failure_rows, markdown
from haslb_lab.cluster.failures import FAILURES, failure_named
from haslb_lab.cluster.ledger import SECOND, Pause
from haslb_lab.cluster.rounds import Round, Verdict

NOTHING = Verdict([], 100, 50, lost=0, lost_in_pauses=0, twice=0, under_way=[], at_other_agent=[], mismatches=[])


def round_of(name: str, *seconds: float) -> Round:
    """A round with these times without service at the switches."""
    pauses = {switch: Pause(SECOND, SECOND + int(each * SECOND)) for switch, each in enumerate(seconds, 1)}
    return Round(failure_named(name), 0, 9 * SECOND, "east", "west", pauses)


def record(*rounds: Round, **storms: object) -> ClusterRecord:
    rest = [
        round_of(failure.name, 0.01) for failure in FAILURES if failure.name not in {r.failure.name for r in rounds}
    ]
    takeovers = {FEW: replace(NOTHING, rounds=[round_of("killed", 0.1)])}
    takeovers[MANY] = replace(NOTHING, rounds=[round_of("killed", 0.2), round_of("killed", 0.3)])
    verdict = replace(NOTHING, rounds=[*rounds, *rest], **storms)  # type: ignore[arg-type]
    rates = {"leader": [1000.0, 3000.0], "followed": [1900.0]}
    return ClusterRecord({"cores": 2}, 7, verdict, NOTHING, 2000.0, takeovers, rates)


def row_of(measured: ClusterRecord, name: str) -> tuple[str, ...]:
    return next(row for row in failure_rows(measured.storms) if row[0] == failure_named(name).title)


def test_the_longer_time_of_the_two_switches_counts() -> None:
    measured = record(round_of("killed", 0.1, 0.4), round_of("killed", 0.2, 0.3), round_of("killed", 0.2, 0.2))
    assert row_of(measured, "killed")[1:] == ("3", "0.3 s", "0.4 s", "median 0.5 s, 1 s", "yes")


def test_a_missed_median_and_a_missed_maximum_are_said() -> None:
    late_once = record(round_of("killed", 0.1), round_of("killed", 0.1), round_of("killed", 1.1))
    late_mostly = record(round_of("killed", 0.1), round_of("killed", 0.6), round_of("killed", 0.6))
    assert row_of(late_once, "killed")[-1] == row_of(late_mostly, "killed")[-1] == "no"


def test_ratios_come_first_and_are_of_medians() -> None:
    measured = record()
    standby, takeover, *_ = measured.figures()
    assert (standby.value, standby.reached) == (0.95, True)
    assert round(takeover.value, 6) == 3
    assert "| storm rate with a standby, against without | 0.95 times | at least 0.9 times | yes |" in markdown(
        measured
    )


def test_every_fault_is_said() -> None:
    faulty = record(
        twice=2,
        at_other_agent=["mobile 1000001 of sami1 came to sami2"],
        mismatches=["mobile 1000002 of sami1 has no session"],
    )
    assert faulty.storms.faults == [
        "mobile 1000001 of sami1 came to sami2",
        "mobile 1000002 of sami1 has no session",
        "2 requests arrived twice",
    ]
    missed = {figure.name for figure in faulty.figures() if figure.reached is False}
    assert missed == {
        "mobiles at another home agent",
        "requests that arrived twice",
        "tables, sessions, captures that differ",
    }
    assert faulty.as_json()["storms"]["twice"] == 2
