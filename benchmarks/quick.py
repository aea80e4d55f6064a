"""``make bench-quick``: ratios of the controller alone, compared with those in benchmarks/reference.json.

    python -m benchmarks.quick             # exit status 1 when one has fallen by more than a third
    python -m benchmarks.quick --keep      # keep what is measured now as the reference

It prints ``ratio NAME VALUE`` lines and writes benchmarks/build/quick.json. In each ratio more is better.

Other load on the machine can only make a round slower. Therefore the best of several short rounds counts, more rounds
follow while a ratio is too low, and processor time is compared; one ratio goes by the clock, since a controller that
waits uses no processor time.

What a session among many costs beside one among few depends on the processor's caches more than on the code. This ratio
therefore has a bound of its own instead of a reference.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.alone import PRODUCT, Alone, AloneError
from benchmarks.controller_figures import TUTORIAL
from benchmarks.figures import fallen, number
from benchmarks.programs import BUILD, HERE, CompilerError
from haslb_lab.runner.termination import end_in_order

RESULTS = BUILD / "quick.json"
REFERENCE = HERE / "reference.json"
ROUNDS = 3
#: Rounds after which a ratio that is too low is the controller's fault.
MAX_ROUNDS = 9
FEW_AGAINST_MANY = "known-sessions-few-against-many"
#: Numbers of sessions whose costs are compared.
FEW, MANY = 5_000, 50_000
#: Runs over the few sessions in a round: a single one is too short to be measured.
FEW_RUNS = 5
#: The least part that a known session among few may cost of one among many. Caches make it 0.3 to 1, depending on the
#: processor and on what else runs there. A cost that grows with the number of sessions would make it 0.1.
MIN_FEW_AGAINST_MANY = 0.15
TUTORIAL_SESSIONS = 3_000
WARM_UP = 100


class Cost(NamedTuple):
    """Seconds that a request takes: of processor time, and by the clock until its packet-out."""

    processor: float
    clock: float


class UnansweredError(AloneError):
    """Requests were not answered exactly once."""


def measure_round() -> dict[str, Cost]:
    """The costs of one round; both contenders run within it."""
    with Alone(PRODUCT) as alone:
        alone.requests(0, FEW)
        idle = _idle(alone)
        costs = {
            "known of few": _cost(alone, 0.0, 0, FEW, FEW_RUNS),  # short runs: what idle costs varies as much
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
            raise UnansweredError(f"{run.sent - run.once} of {run.sent} requests were not answered exactly once")
    return Cost(processor / count / times, min(run.to_last_answer for run in runs) / count)


def ratios_of(rounds: list[dict[str, Cost]]) -> dict[str, float]:
    """The ratios of the lowest costs."""
    best = {name: Cost(*map(min, zip(*(each[name] for each in rounds)))) for name in rounds[0]}
    return {
        "new-sessions-against-tutorial": best["tutorial's new"].processor / best["new"].processor,
        "known-sessions-against-tutorial": best["tutorial's known"].processor / best["known"].processor,
        "new-sessions-by-the-clock": best["tutorial's new"].clock / best["new"].clock,
        FEW_AGAINST_MANY: best["known of few"].processor / best["known"].processor,
    }


def complaints(kept: Mapping[str, float], ratios: Mapping[str, float]) -> list[str]:
    """A line for each ratio that is too low."""
    lines = fallen(kept, ratios)
    if ratios[FEW_AGAINST_MANY] < MIN_FEW_AGAINST_MANY:
        lines.append(f"{FEW_AGAINST_MANY}: {number(ratios[FEW_AGAINST_MANY])} is below {number(MIN_FEW_AGAINST_MANY)}")
    return lines


def measure(kept: Mapping[str, float], measure_once: Callable[[], dict[str, Cost]] = measure_round) -> dict[str, float]:
    """The ratios of :data:`ROUNDS` rounds, or of more, up to :data:`MAX_ROUNDS`, while one of them is too low.

    A round without an answer to each request does not count: a controller that gets no processor time drops requests.
    Raises: AloneError when fewer than :data:`ROUNDS` rounds count.
    """
    rounds: list[dict[str, Cost]] = []
    for number_of_round in range(1, MAX_ROUNDS + 1):
        try:
            rounds.append(measure_once())
        except UnansweredError:
            if MAX_ROUNDS - number_of_round < ROUNDS - len(rounds):
                raise
        if len(rounds) >= ROUNDS and not complaints(kept, ratios_of(rounds)):
            break
    return ratios_of(rounds)


def main(words: Sequence[str]) -> int:
    """Measure, print and store the ratios, and compare them with the reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="write the reference instead of comparing with it")
    options = parser.parse_args(words)
    end_in_order()
    kept = {} if options.keep else json.loads(REFERENCE.read_text())
    try:
        ratios = measure(kept)
    except (AloneError, CompilerError) as error:
        print(f"bench-quick: {error}", file=sys.stderr)
        return 1
    for name, value in ratios.items():
        print(f"ratio {name} {number(value)}")
    RESULTS.write_text(as_text(ratios))
    if options.keep:
        REFERENCE.write_text(as_text({name: value for name, value in ratios.items() if name != FEW_AGAINST_MANY}))
    lines = complaints(kept, ratios)
    for line in lines:
        print(f"bench-quick: {line}", file=sys.stderr)
    return 1 if lines else 0


def as_text(ratios: Mapping[str, float]) -> str:
    """The ratios as they are stored."""
    return json.dumps({name: round(value, 3) for name, value in ratios.items()}, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
