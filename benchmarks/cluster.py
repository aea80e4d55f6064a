"""``make bench-cluster``: each part of a cluster fails again and again under traffic: what is lost, and what it costs.

    python -m benchmarks.cluster --seconds 300 --seed 1
    python -m benchmarks.cluster --failures 110 --only-failures
    python -m benchmarks.cluster --upgrade-rate 2000 --only-upgrade

Takes about a quarter of an hour. Writes benchmarks/cluster_results.json and docs/performance.md. The seed decides the
order and the moments of the failures; it is printed. With ``--only-failures``, ``--only-upgrade`` or
``--only-standby`` nothing else is measured, and nothing written.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import Any, Callable

from benchmarks.figures import Figure, number
from benchmarks.programs import HERE, CompilerError
from benchmarks.record import machine, ratio
from benchmarks.report import FIGURE_HEADINGS, markdown_table, put_into
from benchmarks.standby_cost import Block, measure_costs, rules_a_second, share
from benchmarks.standby_cost import as_json as costs_as_json
from haslb_lab.cluster.chassis import PDSNS
from haslb_lab.cluster.failures import CONTROL, FAILURES, UPGRADE, failure_named
from haslb_lab.cluster.lab import ClusterLab
from haslb_lab.cluster.rounds import Rounds, Verdict
from haslb_lab.errors import LabError
from haslb_lab.runner.termination import end_in_order

RESULTS = HERE / "cluster_results.json"
DOCUMENT = HERE.parent / "docs" / "performance.md"
MARKER = "<!-- from make bench-cluster: results -->"
UPGRADE_HEADINGS = ("phase", "requests", "lost in flight", "for at most", "lost otherwise", "99 % took", "all took")
FAILURE_HEADINGS = ("failure", "times", "without service, median", "longest", "at most", "reached")

#: Requests a second of each PDSN while things fail, and new mobiles a second of all PDSNs during the upgrade.
FAILURE_TRAFFIC, UPGRADE_RATE = "steady 100", 2000.0
#: Sessions at a takeover with few and with many, the rate at which each PDSN opens them, and takeovers of each.
FEW, MANY, OPENING_RATE, TAKEOVERS = 100, 100_000, 2000.0, 3
#: The processor time for a new session with a standby, divided by that without, and the new rules a second that a
#: standby must be able to follow.
MAX_FOLLOWED_RATIO, MIN_FOLLOWED_RULES = 1.1, 20_000

Report = Callable[[str], None]


@dataclass
class ClusterRecord:
    """All that was measured."""

    machine: dict[str, Any]
    seed: int
    storms: Verdict
    upgrade: Verdict
    upgrade_rate: float
    takeovers: dict[int, Verdict] = field(default_factory=dict)
    costs: list[Block] = field(default_factory=list)

    def figures(self) -> Iterator[Figure]:
        """The figures with their targets, ratios first."""
        yield from cost_figures(self.costs)
        few, many = (_longest(self.takeovers[count]) for count in (FEW, MANY))
        yield Figure(f"takeover with {MANY:,} sessions, against {FEW}", ratio(many, few), "times")
        yield Figure(f"longest time without service after kill -9, {MANY:,} sessions", many, "s", 1)
        verdicts = [self.storms, self.upgrade, *self.takeovers.values()]
        yield Figure("mobiles at another home agent", sum(len(each.at_other_agent) for each in verdicts), "", 0)
        yield Figure("requests that arrived twice", sum(each.twice for each in verdicts), "", 0)
        yield Figure("tables, sessions, captures that differ", sum(len(each.mismatches) for each in verdicts), "", 0)
        yield Figure("sessions lost whose rule was under way", sum(len(each.under_way) for each in verdicts), "")
        yield Figure("of mobiles", sum(each.mobiles for each in verdicts), "")
        yield Figure("requests lost while things failed, outside of the times above", self.storms.lost, "")
        yield Figure("of requests", self.storms.requests, "")
        yield Figure("rolling upgrade: new mobiles a second", self.upgrade_rate, "")
        control, *phases = [each.phase for each in self.upgrade.rounds]
        yield Figure("rolling upgrade: requests lost in flight", sum(each.in_flight for each in phases), "")
        yield Figure(
            "rolling upgrade: longest time in flight", 1000 * max(each.longest_in_flight for each in phases), "ms"
        )
        yield Figure("rolling upgrade: other requests lost", sum(each.lost_otherwise for each in phases), "", 0)
        yield Figure("rolling upgrade: of requests", sum(each.requests for each in phases), "")
        yield Figure("lost just before, while nothing failed", control.lost, "")
        yield Figure("of requests", control.requests, "")

    def as_json(self) -> dict[str, Any]:
        """All measurements and figures."""
        return {
            "machine": self.machine,
            "seed": self.seed,
            "failures": {failure.name: self.storms.seconds_of(failure.name) for failure in FAILURES},
            "storms": self.storms.as_json(),
            "upgrade": self.upgrade.as_json(),
            "upgrade_rate": self.upgrade_rate,
            "takeovers": {count: verdict.as_json() for count, verdict in self.takeovers.items()},
            "costs": costs_as_json(self.costs),
            "figures": [figure.as_json() for figure in self.figures()],
        }


def cost_figures(blocks: Sequence[Block]) -> Iterator[Figure]:
    """What a standby costs."""
    for of in ("leader", "switch"):
        name = f"processor time of the {of} for a new session, with a standby against without"
        yield Figure(name, share(blocks, of), "times", MAX_FOLLOWED_RATIO)
    yield Figure("new rules a second that a standby can follow", rules_a_second(blocks), "", MIN_FOLLOWED_RULES, True)


def _longest(verdict: Verdict) -> float:
    return max(each.seconds for each in verdict.rounds)


def measure_storms(seconds: float, failures: int, seed: int, report: Report) -> Verdict:
    """Let things fail in random order until the time is over, and so many have failed, each as often as the others."""
    random = Random(seed)
    deadline = time.monotonic() + seconds
    with ClusterLab() as lab:
        rounds = Rounds(lab, random, report)
        rounds.begin(FAILURE_TRAFFIC)
        while time.monotonic() < deadline or rounds.count < failures:
            for failure in random.sample(FAILURES, len(FAILURES)):
                rounds.run(failure)
        return rounds.conclude()


def measure_upgrade(rate: float, seed: int, report: Report) -> Verdict:
    """Stop and start each member in turn under a storm of new mobiles; before that nothing fails for a while."""
    with ClusterLab() as lab:
        rounds = Rounds(lab, Random(seed), report)
        rounds.begin(f"fresh {rate / len(PDSNS)}")
        for failure in (CONTROL, *UPGRADE):
            rounds.run(failure)
        return rounds.conclude()


def measure_takeover(sessions: int, seed: int, report: Report) -> Verdict:
    """Kill the leader while so many sessions live."""
    report(f"takeovers with {sessions:,} sessions")
    with ClusterLab() as lab:
        lab.tell_all(f"new {sessions // len(PDSNS)} {OPENING_RATE}", wait=True)
        rounds = Rounds(lab, Random(seed), report)
        rounds.begin(FAILURE_TRAFFIC)
        for _ in range(TAKEOVERS):
            rounds.run(failure_named("killed"))
        return rounds.conclude()


def measure(options: argparse.Namespace, seed: int, report: Report) -> ClusterRecord:
    """Measure everything."""
    about = machine()
    storms = measure_storms(options.seconds, options.failures, seed, report)
    upgrade = measure_upgrade(options.upgrade_rate, seed, report)
    record = ClusterRecord(about, seed, storms, upgrade, options.upgrade_rate)
    for sessions in (FEW, MANY):
        record.takeovers[sessions] = measure_takeover(sessions, seed, report)
    record.costs = measure_costs(report)
    return record


def failure_rows(storms: Verdict) -> Iterator[tuple[str, ...]]:
    """A row for each failure."""
    for failure in FAILURES:
        pauses = storms.seconds_of(failure.name)
        half, longest = median(pauses), max(pauses)
        bounds = [f"{number(failure.max_pause)} s"]
        reached = longest <= failure.max_pause
        if failure.median_pause is not None:
            bounds.insert(0, f"median {number(failure.median_pause)} s")
            reached = reached and half <= failure.median_pause
        yield (
            failure.title,
            str(len(pauses)),
            f"{number(half)} s",
            f"{number(longest)} s",
            ", ".join(bounds),
            "yes" if reached else "no",
        )


def upgrade_rows(upgrade: Verdict) -> Iterator[tuple[str, ...]]:
    """A row for each phase of the rolling upgrade; the first is that in which nothing fails."""
    for each in upgrade.rounds:
        phase = each.phase
        times = (phase.longest_in_flight, phase.usual, phase.slowest)
        in_flight, usual, slowest = (f"{number(1000 * seconds)} ms" for seconds in times)
        lost_otherwise = str(phase.lost_otherwise)
        yield each.failure.title, str(phase.requests), str(phase.in_flight), in_flight, lost_otherwise, usual, slowest


def markdown(record: ClusterRecord) -> str:
    """The results as the document shows them."""
    described = {**record.machine, "seed": record.seed}
    return "\n".join(
        [
            ", ".join(f"{name}: {value}" for name, value in described.items()),
            "",
            *markdown_table(FIGURE_HEADINGS, (figure.row() for figure in record.figures())),
            "",
            *markdown_table(FAILURE_HEADINGS, failure_rows(record.storms)),
            "",
            *markdown_table(UPGRADE_HEADINGS, upgrade_rows(record.upgrade)),
        ]
    )


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="of failures, default %(default)s")
    parser.add_argument("--failures", type=int, default=0, help="at least so many failures, default: as time allows")
    for part in ("failures", "upgrade", "standby"):
        parser.add_argument(
            f"--only-{part}", dest="only", action="store_const", const=part, help="measure and write nothing else"
        )
    parser.add_argument(
        "--upgrade-rate", type=float, default=UPGRADE_RATE, help="new mobiles a second, default %(default)s"
    )
    parser.add_argument("--seed", type=int, default=None, help="of the order and the moments, default random")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Measure, store and print the results, and update the document."""
    options = _options(words)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    end_in_order()
    print(f"seed {seed}", flush=True)
    began = time.monotonic()

    def report(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)

    try:
        if options.only == "failures":
            return _report_failures(measure_storms(options.seconds, options.failures, seed, report))
        if options.only == "upgrade":
            return _report_upgrade(measure_upgrade(options.upgrade_rate, seed, report))
        if options.only == "standby":
            return _report_costs(measure_costs(report))
        record = measure(options, seed, report)
    except (LabError, CompilerError) as error:
        print(f"bench-cluster: {error} (seed {seed})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench-cluster: interrupted, and cleaned up", file=sys.stderr)
        return 130
    RESULTS.write_text(json.dumps(record.as_json(), indent=1) + "\n")
    results = markdown(record)
    put_into(DOCUMENT, results, MARKER)
    print(results)
    return _report_faults(record.storms, record.upgrade, *record.takeovers.values())


def _report_upgrade(upgrade: Verdict) -> int:
    """Print what became of the requests during the rolling upgrade."""
    print("\n".join(markdown_table(UPGRADE_HEADINGS, upgrade_rows(upgrade))))
    control, *phases = [each.phase for each in upgrade.rounds]
    lost_otherwise = sum(each.lost_otherwise for each in phases)
    if lost_otherwise:
        print(
            f"bench-cluster: {lost_otherwise} requests were lost that were not in flight at a hand-over, "
            f"{control.lost} of {control.requests} while nothing failed",
            file=sys.stderr,
        )
    return _report_faults(upgrade) or int(lost_otherwise > 0)


def _report_failures(storms: Verdict) -> int:
    """Print what became of the requests while things failed."""
    print("\n".join(markdown_table(FAILURE_HEADINGS, failure_rows(storms))))
    counts = {name: value for name, value in storms.as_json().items() if name != "rounds"}
    print(json.dumps({"failures": len(storms.rounds), **counts}))
    return _report_faults(storms)


def _report_costs(blocks: Sequence[Block]) -> int:
    """Print what a standby costs."""
    print(json.dumps(costs_as_json(blocks)))
    print("\n".join(markdown_table(FIGURE_HEADINGS, (figure.row() for figure in cost_figures(blocks)))))
    return 0


def _report_faults(*verdicts: Verdict) -> int:
    faults = [fault for verdict in verdicts for fault in verdict.faults]
    for fault in faults:
        print(f"bench-cluster: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
