"""``make simulate``: random runs until one breaks a rule; then the shortest history that does.

python -m simulation                          # for two minutes: runs of 20 minutes each, then crowds at clusters
python -m simulation --seed 17                # one run, and what it shrinks to
python -m simulation --seed 3 --hours 24      # a day and a night in one world
python -m simulation --runs 500 --crowd       # many mobiles, which send many requests, for 200 seconds each
python -m simulation --runs 500 --clusters    # seeds that stand for clusters alone
python -m simulation --seed 3 --hours 24 --faults my_faults.py    # with faults of your own (README.md)
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator

from ryu_haslb import build
from simulation.runs import Batch, prepare, results
from simulation.shrink import shrink
from simulation.simulation import CLUSTER_PERIOD

#: Seconds that a run takes in its world: an hour, or 200 seconds with a crowd.
RUN_TIME, CROWD_TIME = 3600.0, 200.0
#: The seeds that ``make simulate`` plays if nothing else is asked for, without a crowd for so many seconds, and with
#: one: they have been seen to break no rule.
SEEDS, SHORT_TIME = range(1, 31), 1200.0
CROWD_SEEDS = range(CLUSTER_PERIOD, 61, CLUSTER_PERIOD)
#: The part of the time that runs without a crowd have, where neither they nor crowds are asked for.
SHARE = 0.25


def main() -> int:
    """Run; the exit status is 1 when a rule was broken."""
    options = _options()
    prepare(options.verbose)
    begin = time.monotonic()
    requests, passed = 0, 0
    for batch in _batches(options, begin):
        broken: dict[int, str] = {}
        in_batch, batch_begin = requests, time.monotonic()
        for seed, outcome in results(batch):
            requests += outcome.requests
            if outcome.violation is None:
                passed += 1
                continue
            print(
                f"seed {seed}: {outcome.violation} (after {outcome.at:.0f} s, {requests} requests in all)", flush=True
            )
            broken[seed] = outcome.violation.rule
        if broken:
            _shrink(min(broken), broken[min(broken)], batch)
            print(f"{len(broken)} failed, {passed} passed")
            return 1
        if batch.is_crowded and not options.crowd:
            _print_rate("in clusters", requests - in_batch, batch_begin)
    _print_rate("in all", requests, begin)
    print(f"0 failed, {passed} passed")
    return 0


def _print_rate(where: str, requests: int, begin: float) -> None:
    rate = requests / (time.monotonic() - begin)
    print(f"{requests} requests of simulated mobiles {where}, {rate:.0f} a second ({build()})", flush=True)


def _batches(options: argparse.Namespace, begin: float) -> Iterator[Batch]:
    """What is asked for; else both kinds of runs, for so long."""
    step = CLUSTER_PERIOD if options.clusters else 1
    first = options.seed if options.seed is not None else step
    first += -first % step
    runs = options.runs or (1 if options.seed is not None else sys.maxsize // step - 1)
    batch = Batch(
        seeds=range(first, first + runs * step, step),
        seconds=options.seconds or (CROWD_TIME if options.crowd else RUN_TIME),
        is_crowded=options.crowd,
        jobs=options.jobs,
        is_verbose=options.verbose,
        faults=options.faults,
    )
    if options.seed is not None or options.runs is not None:
        yield batch
    elif options.crowd or options.clusters or options.seconds:
        yield batch._replace(ends=begin + options.wall)
    else:
        yield batch._replace(seeds=SEEDS, seconds=SHORT_TIME, ends=begin + SHARE * options.wall)
        yield batch._replace(seeds=CROWD_SEEDS, seconds=CROWD_TIME, is_crowded=True, ends=begin + options.wall)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="the only run, or with --runs the first")
    parser.add_argument("--runs", type=int, help="so many runs with one seed after the other")
    parser.add_argument("--seconds", type=float, help="simulated seconds of each run (3600; with --crowd 200)")
    parser.add_argument("--hours", type=float, help="the same in hours: --seed 1 --hours 24")
    parser.add_argument("--wall", type=float, default=120.0, help="without --seed and --runs: seconds in all (120)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs side by side (the processors)")
    parser.add_argument("--crowd", action="store_true", help="thousands of mobiles, which send many requests")
    parser.add_argument("--clusters", action="store_true", help="only seeds that stand for clusters")
    parser.add_argument("--faults", default="", help="a Python file with faults of your own (README.md)")
    parser.add_argument("--verbose", action="store_true", help="the balancer's log as well")
    options = parser.parse_args()
    if options.hours is not None:
        options.seconds = options.hours * 3600.0
    return options


def _shrink(seed: int, rule: str, batch: Batch) -> None:
    """Print the shortest history that breaks the same rule."""
    parameters, history = batch.run_of(seed)
    smaller, shorter, seconds = shrink(parameters, history, batch.seconds, rule)
    print(f"the same in {seconds:.0f} s:\n{smaller}")
    for fault in shorter:
        print(f"    {fault!r}")


if __name__ == "__main__":
    sys.exit(main())
