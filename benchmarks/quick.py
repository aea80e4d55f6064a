"""``make bench-quick``: ratios of the controller alone, held against those that are kept in benchmarks/reference.json.

    python -m benchmarks.quick             # exit status 1 when one has fallen by more than a third
    python -m benchmarks.quick --keep      # keep what is measured now as the reference

It prints ``ratio NAME VALUE`` lines and writes benchmarks/build/quick.json. In each ratio more is better.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from benchmarks.alone import PRODUCT, Alone, AloneError, Run
from benchmarks.controller_figures import TUTORIAL
from benchmarks.figures import fallen, medians, number
from benchmarks.programs import BUILD, HERE, CompilerError

RESULTS = BUILD / "quick.json"
REFERENCE = HERE / "reference.json"
ROUNDS = 3
FEW, MANY = 2_000, 40_000
TUTORIAL_SESSIONS = 4_000


def measure_round() -> dict[str, float]:
    """The ratios of one round; both contenders run within it, so that a slow moment slows both."""
    with Alone(PRODUCT) as alone:
        alone.new_sessions(FEW)
        known_of_few = alone.known_sessions(0, FEW)
        new = alone.new_sessions(MANY)
        known = alone.known_sessions(0, MANY)
    with Alone(TUTORIAL) as alone:
        others_new = alone.new_sessions(TUTORIAL_SESSIONS)
        others_known = alone.known_sessions(0, TUTORIAL_SESSIONS)
    return {
        "new-sessions-against-tutorial": _rate(new) / _rate(others_new),
        "known-sessions-against-tutorial": _rate(known) / _rate(others_known),
        "known-sessions-many-against-few": _rate(known) / _rate(known_of_few),
    }


def _rate(run: Run) -> float:
    """Requests a second that were answered exactly once."""
    return run.once / run.to_last_answer


def main(words: Sequence[str]) -> int:
    """Measure, print, write down, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="write the reference instead of comparing with it")
    options = parser.parse_args(words)
    try:
        ratios = medians([measure_round() for _ in range(ROUNDS)])
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
