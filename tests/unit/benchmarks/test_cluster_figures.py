"""What ``make bench-cluster`` says of what it measured."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.cluster import FEW, MANY, ClusterRecord, cost_figures, failure_rows, markdown, upgrade_rows
from benchmarks.standby_cost import Block, Cost
from haslb_lab.cluster.failures import CONTROL, FAILURES, UPGRADE, failure_named
from haslb_lab.cluster.hand_overs import Phase
from haslb_lab.cluster.ledger import SECOND, Pause
from haslb_lab.cluster.rounds import Round, Verdict

CALM = Phase(requests=100, lost=0, in_flight=0, longest_in_flight=0.0, usual=0.001, slowest=0.002)
NOTHING = Verdict([], 100, 50, lost=0, lost_in_pauses=0, twice=0, under_way=[], at_other_agent=[], mismatches=[])


def round_of(name: str, *seconds: float) -> Round:
    """A round with these times without service at the switches."""
    pauses = {switch: Pause(SECOND, SECOND + int(each * SECOND)) for switch, each in enumerate(seconds, 1)}
    return Round(failure_named(name), 0, 9 * SECOND, "east", "west", pauses, CALM)


def upgrade(*phases: Phase) -> Verdict:
    """A rolling upgrade with these phases; in the first one nothing failed."""
    rounds = [
        Round(failure, 0, SECOND, "east", "east", {1: Pause(0, 1)}, phase)
        for failure, phase in zip((CONTROL, *UPGRADE), phases)
    ]
    return replace(NOTHING, rounds=rounds)


def record(*rounds: Round, **storms: object) -> ClusterRecord:
    rest = [
        round_of(failure.name, 0.01) for failure in FAILURES if failure.name not in {r.failure.name for r in rounds}
    ]
    takeovers = {FEW: replace(NOTHING, rounds=[round_of("killed", 0.1)])}
    takeovers[MANY] = replace(NOTHING, rounds=[round_of("killed", 0.2), round_of("killed", 0.3)])
    verdict = replace(NOTHING, rounds=[*rounds, *rest], **storms)  # type: ignore[arg-type]
    costs = [Block(Cost(104.0, 10.0, 40.0), Cost(100.0, 10.0, 0.0))]
    return ClusterRecord({"cores": 2}, 7, verdict, upgrade(CALM, CALM, CALM), 2000.0, takeovers, costs)


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
    leader, switch, rules, takeover, *_ = measured.figures()
    assert (leader.value, switch.value, rules.value) == (1.04, 1.0, 25_000)
    assert round(takeover.value, 6) == 3
    assert "| 1.04 times | at most 1.1 times | yes |" in markdown(measured)


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


def test_requests_in_flight_at_the_hand_over_are_no_fault_of_an_upgrade_and_others_are() -> None:
    handed_over = replace(CALM, lost=7, in_flight=5, longest_in_flight=0.0042)
    measured = replace(record(), upgrade=upgrade(CALM, CALM, handed_over))
    figures = {figure.name: figure for figure in measured.figures()}
    assert figures["rolling upgrade: requests lost in flight"].value == 5
    assert figures["rolling upgrade: other requests lost"].value == 2
    assert figures["rolling upgrade: other requests lost"].reached is False
    assert list(upgrade_rows(measured.upgrade))[-1] == (
        *("the leader is stopped (SIGTERM)", "100", "5", "4.2 ms", "2", "1 ms", "2 ms"),
    )


def test_what_a_standby_costs_is_the_median_of_blocks_of_neighbouring_stretches() -> None:
    """The machine became half as fast meanwhile, and in one stretch something else ran."""
    blocks = [
        Block(Cost(each * cost, each, 10.0), Cost(each, each, 0.0)) for each, cost in ((1, 1.1), (2, 1.2), (2, 9))
    ]
    leader, switch, _ = cost_figures(blocks)
    assert (round(leader.value, 6), leader.reached) == (1.2, False)
    assert (switch.value, switch.reached) == (1, True)
