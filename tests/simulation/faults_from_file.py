"""Faults from a file that a tester of the balancer has written: ``python -m simulation --faults FILE`` (README.md)."""

from __future__ import annotations

from functools import lru_cache
from random import Random
from runpy import run_path
from typing import Any

from simulation.faults import Fault
from simulation.parameters import Parameters


@lru_cache(maxsize=1)
def _read(path: str) -> dict[str, Any]:
    """What the file defines. To run it adds its kinds of faults to :data:`simulation.faults.FAULTS`."""
    return run_path(path)


def with_faults_of_file(
    path: str, parameters: Parameters, history: list[Fault], seconds: float, seed: int
) -> list[Fault]:
    """The history of a seed, and the faults of the file among it."""
    own = _read(path)["faults"](parameters, seconds, Random(f"{seed} own faults"))
    return sorted([*history, *(Fault(*each) for each in own)], key=lambda fault: fault.at)
