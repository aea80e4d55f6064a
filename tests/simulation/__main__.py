"""``make simulate``: random runs until one breaks a rule; then the shortest history that does.

python -m simulation                    # runs of an hour each, for two minutes of wall time
python -m simulation --seed 17          # one run, and what it shrinks to
python -m simulation --seed 3 --hours 24      # a day and a night in one world
python -m simulation --runs 500 --jobs 2 --crowd
"""

from __future__ import annotations

import argparse
import sys
import time

from simulation.runs import outcomes, prepare
from simulation.shrink import shrink
from simulation.simulation import random_run


def main() -> int:
    """Run; the exit status is 1 when a rule was broken."""
    options = _options()
    prepare(options.verbose)
    first = options.seed if options.seed is not None else 1
    runs = options.runs or (1 if options.seed is not None else sys.maxsize)
    is_limited = options.seed is None and options.runs is None
    begin = time.monotonic()
    ends = begin + options.wall if is_limited else float("inf")
    requests, passed = 0, 0
    broken: dict[int, str] = {}
    for seed, outcome in outcomes(range(first, first + runs), options, ends):
        requests += outcome.requests
        if outcome.violation is None:
            passed += 1
            continue
        print(f"seed {seed}: {outcome.violation} (after {outcome.at:.0f} s, {requests} requests in all)", flush=True)
        broken[seed] = outcome.violation.rule
    if broken:
        _shrink(min(broken), broken[min(broken)], options)
        print(f"{len(broken)} failed, {passed} passed")
        return 1
    rate = requests / (time.monotonic() - begin)
    print(f"{requests} requests of simulated mobiles, {rate:.0f} a second; 0 failed, {passed} passed")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="the only run, or with --runs the first")
    parser.add_argument("--runs", type=int, help="so many runs with one seed after the other")
    parser.add_argument("--seconds", type=float, default=3600.0, help="simulated seconds of each run (3600)")
    parser.add_argument("--hours", type=float, help="the same in hours: --seed 1 --hours 24")
    parser.add_argument("--wall", type=float, default=120.0, help="without --seed and --runs: seconds in all (120)")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side (1)")
    parser.add_argument("--crowd", action="store_true", help="5 to 20 times as many mobiles, that come and go")
    parser.add_argument("--verbose", action="store_true", help="the balancer's log as well")
    options = parser.parse_args()
    if options.hours is not None:
        options.seconds = options.hours * 3600.0
    return options


def _shrink(seed: int, rule: str, options: argparse.Namespace) -> None:
    """Print the shortest history that breaks the same rule."""
    parameters, history = random_run(seed, options.seconds, options.crowd)
    smaller, shorter, seconds = shrink(parameters, history, options.seconds, rule)
    print(f"the same in {seconds:.0f} s:\n{smaller}")
    for fault in shorter:
        print(f"    {fault!r}")


if __name__ == "__main__":
    sys.exit(main())
