"""``make simulate``: random runs until one breaks a rule; then the shortest history that does.

python -m simulation                    # runs of an hour each, for two minutes of wall time
python -m simulation --seed 17          # one run, and what it shrinks to
python -m simulation --seed 3 --hours 24      # a day and a night in one world
python -m simulation --runs 500
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time

from simulation.shrink import shrink
from simulation.simulation import random_run, simulate


def main() -> int:
    """Run; the exit status is 1 when a rule was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="the only run, or with --runs the first")
    parser.add_argument("--runs", type=int, help="so many runs with one seed after the other")
    parser.add_argument("--seconds", type=float, default=3600.0, help="simulated seconds of each run (3600)")
    parser.add_argument("--hours", type=float, help="the same in hours: --seed 1 --hours 24")
    parser.add_argument("--wall", type=float, default=120.0, help="without --seed and --runs: seconds in all (120)")
    parser.add_argument("--verbose", action="store_true", help="the balancer's log as well")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO if options.verbose else logging.CRITICAL, stream=sys.stdout)
    if options.hours is not None:
        options.seconds = options.hours * 3600.0
    first = options.seed if options.seed is not None else 1
    runs = options.runs or (1 if options.seed is not None else sys.maxsize)
    gc.freeze()  # the modules are never garbage: no collection looks at them
    ends = time.monotonic() + options.wall
    requests = 0
    begin = time.monotonic()
    for done, seed in enumerate(range(first, first + runs)):
        if options.seed is None and options.runs is None and time.monotonic() > ends:
            runs = done
            break
        parameters, history = random_run(seed, options.seconds)
        outcome = simulate(parameters, history, options.seconds)
        requests += outcome.requests
        if outcome.violation is not None:
            print(
                f"seed {seed}: {outcome.violation} (after {outcome.at:.0f} s, {requests} requests in all)", flush=True
            )
            smaller, shorter, seconds = shrink(parameters, history, options.seconds, outcome.violation.rule)
            print(f"the same in {seconds:.0f} s:\n{smaller}")
            for fault in shorter:
                print(f"    {fault!r}")
            print(f"1 failed, {done} passed")
            return 1
    rate = requests / (time.monotonic() - begin)
    print(f"{requests} requests of simulated mobiles, {rate:.0f} a second; 0 failed, {runs} passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
