"""The record of one ``make bench``: the measurements, and the figures that are derived from them."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figure
from benchmarks.labs import NULL, PRODUCT, TUTORIAL, Contender
from benchmarks.storm import Outcome

#: The percentiles of delays that are compared, and their names.
SHARES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}


@dataclass
class Round:
    """One round of one contender: the highest rate that it sustained, and the storms of the round."""

    highest: float
    trials: list[Outcome]
    half: Outcome
    known: Outcome


@dataclass
class Record:
    """All rounds by the contender's name, and the figures of the controller alone."""

    machine: dict[str, Any]
    rounds: dict[str, list[Round]] = field(default_factory=dict)
    alone: list[Figure] = field(default_factory=list)

    def rate(self, contender: Contender) -> float:
        """The median of the highest rates that the contender sustained."""
        return median(each.highest for each in self.rounds[contender.name])

    def delay(self, contender: Contender, share: str) -> float:
        """The median of a percentile (``p50``, ``p99``, ``p999``) at half the highest rate, in milliseconds."""
        return median(float(getattr(each.half, share)) for each in self.rounds[contender.name])

    def delay_ratio(self, contender: Contender, share: str) -> float:
        """The median over the rounds of a delay in units of the null controller's delay in the same round."""
        pairs = zip(self.rounds[contender.name], self.rounds[NULL.name])
        return median(ratio(getattr(each.half, share), getattr(null.half, share)) for each, null in pairs)

    def storm_figures(self) -> list[Figure]:
        """The product's figures through Open vSwitch, with their targets. All are ratios of one run."""
        rate = self.rate(PRODUCT)
        rounds = self.rounds[PRODUCT.name]
        halves = [outcome for each in rounds for outcome in (each.half, each.known)]
        best = [outcome for each in rounds for outcome in each.trials if outcome.asked == each.highest]
        behind = max((outcome.rules_seconds * outcome.rate / outcome.sent for outcome in best), default=0.0)
        faults = sum(outcome.lost + outcome.twice + outcome.wrong for outcome in halves)
        delays = (
            Figure(
                f"delay at half the rate, {name}, against the null controller",
                self.delay_ratio(PRODUCT, share),
                "times",
                2,
            )
            for share, name in SHARES.items()
        )
        return [
            Figure("new sessions, against the null controller", ratio(rate, self.rate(NULL)), "times", 0.6, True),
            Figure("new sessions, against the tutorials' way", ratio(rate, self.rate(TUTORIAL)), "times", 4, True),
            *delays,
            Figure(
                "all rules in place after the storm's end, against its length, at the highest rate",
                behind,
                "times",
                0.1,
            ),
            Figure("lost, twice or at a wrong home agent, at half the rate", faults, "requests", 0),
        ]

    def figures(self) -> list[Figure]:
        """Every figure."""
        return [*self.storm_figures(), *self.alone]

    def as_json(self) -> dict[str, Any]:
        """All measurements and figures."""
        return {
            "machine": self.machine,
            "contenders": {
                name: [
                    {
                        "highest": each.highest,
                        "half": each.half.as_json(),
                        "known": each.known.as_json(),
                        "trials": [outcome.as_json() for outcome in each.trials],
                    }
                    for each in rounds
                ]
                for name, rounds in self.rounds.items()
            },
            "figures": [figure.as_json() for figure in self.figures()],
        }


def ratio(value: float, other: float) -> float:
    """``value`` divided by ``other``; infinite if ``other`` is 0."""
    return value / other if other else float("inf")


def machine() -> dict[str, Any]:
    """The properties of the machine on which the figures depend, and its load before."""
    described = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in described if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "open vswitch": _first_line("ovs-vswitchd", "--version"),
        "load before": round(os.getloadavg()[0], 2),
    }


def _first_line(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return answer.splitlines()[0].rpartition(" ")[2] if answer else "none"
