"""``make bench-quick``: ratios of the controller alone, compared with those in benchmarks/reference.json.

    python -m benchmarks.quick             # exit status 1 when one has fallen by more than a third
    python -m benchmarks.quick --keep      # keep what is measured now as the reference

It prints ``ratio NAME VALUE`` lines and writes benchmarks/build/quick.json. In each ratio more is better.

Other load on the machine can only make a round slower. Therefore the best of several short rounds counts, and
processor time is compared; one ratio goes by the clock, since a controller that waits uses no processor time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.alone import PRODUCT, Alone, AloneError
from benchmarks.controller_figures import TUTORIAL
from benchmarks.figures import fallen, number
from benchmarks.programs import BUILD, HERE, CompilerError
from haslb_lab.runner.termination import end_in_order

RESULTS = BUILD / "quick.json"
REFERENCE = HERE / "reference.json"
ROUNDS = 3
FEW, MANY = 10_000, 50_000
TUTORIAL_SESSIONS = 3_000
WARM_UP = 100


class Cost(NamedTuple):
    """Seconds that a request takes: of processor time, and by the clock until its packet-out."""

    processor: float
    clock: float


def measure_round() -> dict[str, Cost]:
    """The costs of one round; both contenders run within it."""
    with Alone(PRODUCT) as alone:
        alone.requests(0, FEW)
        idle = _idle(alone)
        costs = {
            "known of few": _cost(alone, idle, 0, FEW, times=MANY // FEW),
            "new": _cost(alone, idle, FEW, MANY),
            "known": _cost(alone, idle, FEW, MANY),
        }
    with Alone(TUTORIAL) as alone:
        alone.requests(0, WARM_UP)
        idle = _idle(alone)
        costs["tutorial's new"] = _cost(alone, idle, WARM_UP, TUTORIAL_SESSIONS)
        costs["tutorial's known"] = _cost(alone, idle, WARM_UP, TUTORIAL_SESSIONS)
    return costs


def _idle(alone: Alone) -> float:
    """Processor time of a run without requests: each run waits for late packet-outs, which costs time as well."""
    before = alone.processor_time()
    alone.requests(0, 0)
    return alone.processor_time() - before


def _cost(alone: Alone, idle: float, first: int, count: int, times: int = 1) -> Cost:
    before = alone.processor_time()
    runs = [alone.requests(first, count) for _ in range(times)]
    processor = alone.processor_time() - before - times * idle
    for run in runs:
        if run.once != run.sent:
            raise AloneError(f"{run.sent - run.once} of {run.sent} requests were not answered exactly once")
    return Cost(processor / count / times, min(run.to_last_answer for run in runs) / count)


def ratios_of(rounds: list[dict[str, Cost]]) -> dict[str, float]:
    """The ratios of the lowest costs."""
    best = {name: Cost(*map(min, zip(*(each[name] for each in rounds)))) for name in rounds[0]}
    return {
        "new-sessions-against-tutorial": best["tutorial's new"].processor / best["new"].processor,
        "known-sessions-against-tutorial": best["tutorial's known"].processor / best["known"].processor,
        "known-sessions-many-against-few": best["known of few"].processor / best["known"].processor,
        "new-sessions-by-the-clock": best["tutorial's new"].clock / best["new"].clock,
    }


def main(words: Sequence[str]) -> int:
    """Measure, print and store the ratios, and compare them with the reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="write the reference instead of comparing with it")
    options = parser.parse_args(words)
    end_in_order()
    try:
        ratios = ratios_of([measure_round() for _ in range(ROUNDS)])
    except (AloneError, CompilerError) as error:
        print(f"bench-quick: {error}", file=sys.stderr)
        return 1
    for name, value in ratios.items():
        print(f"ratio {name} {number(value)}")
    text = json.dumps({name: round(value, 3) for name, value in ratios.items()}, indent=1) + "\n"
    RESULTS.write_text(text)
    if options.keep:
        REFERENCE.write_text(text)
        return 0
    complaints = fallen(json.loads(REFERENCE.read_text()), ratios)
    for line in complaints:
        print(f"bench-quick: {line}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
