"""``make bench``: every contender side by side, round after round, then the controller alone.

    python -m benchmarks.run --rounds 3 --seconds 3

Takes about a quarter of an hour. Writes benchmarks/results.json, docs/performance.md, docs/images/performance.svg.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Optional

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.alone import AloneError
from benchmarks.controller_figures import Report, controller_figures
from benchmarks.labs import CONTENDERS, Contender
from benchmarks.plot import draw
from benchmarks.programs import HERE, CompilerError
from benchmarks.record import Record, Round, machine
from benchmarks.report import markdown, print_tables, put_into
from benchmarks.search import SMALL_STEP, highest_rate
from benchmarks.storm import Outcome, Storm
from haslb_lab.errors import LabError
from haslb_lab.runner.termination import end_in_order

RESULTS = HERE / "results.json"
DOCUMENT = HERE.parent / "docs" / "performance.md"
PICTURE = HERE.parent / "docs" / "images" / "performance.svg"

#: A further round begins its search at this part of the rate that the first round found, in smaller steps.
RESUME = 0.9


def measure_round(contender: Contender, first: Optional[Round], seconds: float, report: Report) -> Round:
    """Search the highest rate that the contender sustains, each trial in a new lab; then measure at half that rate."""
    trials: list[Outcome] = []

    def goes_well(rate: float) -> bool:
        report(f"{contender.name}: {rate:,.0f} new sessions a second")
        with Storm(contender) as storm:
            outcome = storm.new_sessions(rate, seconds)
        trials.append(outcome)
        return outcome.sustained

    if first is not None and first.highest:
        highest = highest_rate(goes_well, first.highest * RESUME, SMALL_STEP)
    else:
        highest = highest_rate(goes_well, float(contender.first_rate))
    half = max(highest / 2, 1.0)
    report(f"{contender.name}: delays at {half:,.0f} a second")
    with Storm(contender) as storm:
        new = storm.new_sessions(half, seconds)
        known = storm.known_sessions(half, new.sent)
    return Round(highest, trials, new, known)


def measure(rounds: int, seconds: float, report: Report) -> Record:
    """Run the rounds of all contenders in turn, so that a busy moment of the machine does not affect one alone."""
    record = Record(machine())
    for number in range(rounds):
        for contender in CONTENDERS:
            done = record.rounds.setdefault(contender.name, [])
            first = done[0] if done else None
            done.append(measure_round(contender, first, seconds, _in_round(number + 1, report)))
    record.alone = list(controller_figures(rounds, report))
    return record


def _in_round(number: int, report: Report) -> Report:
    return lambda what: report(f"round {number}, {what}")


def main(words: Sequence[str]) -> int:
    """Measure, print and store the results, and update the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one storm, default %(default)s")
    options = parser.parse_args(words)
    end_in_order()
    console = Console(highlight=False)
    try:
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as bar:
            task = bar.add_task("")

            def report(what: str) -> None:
                bar.update(task, description=what)
                if not console.is_terminal:
                    console.print(what)

            record = measure(options.rounds, options.seconds, report)
    except (LabError, AloneError, CompilerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted, and cleaned up", file=sys.stderr)
        return 130
    print_tables(record, console)
    RESULTS.write_text(json.dumps(record.as_json(), indent=1) + "\n")
    draw(record, PICTURE)
    put_into(DOCUMENT, markdown(record))
    console.print(f"Written: {RESULTS}, {PICTURE}, and the results in {DOCUMENT}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
