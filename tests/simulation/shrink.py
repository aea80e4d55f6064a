"""The shortest history that breaks the same rule: faults and mobiles are left out as long as it still breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from simulation.faults import MOBILE_FAULTS, Fault
from simulation.parameters import Parameters
from simulation.simulation import simulate


def shrink(
    parameters: Parameters,
    history: list[Fault],
    seconds: float,
    rule: str,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Parameters, list[Fault], float]:
    """A smaller run that violates ``rule``: parameters, faults, seconds."""

    def breaks(candidate: Parameters, faults: list[Fault]) -> bool:
        violation = simulate(candidate, faults, seconds).violation
        return violation is not None and violation.rule == rule

    seconds = min(seconds, simulate(parameters, history, seconds).at)
    size = max(1, len(history) // 2)
    while history and size:
        progress(f"{len(history)} faults, {parameters.mobiles} mobiles")
        for start in range(0, len(history), size):
            shorter = history[:start] + history[start + size :]
            if breaks(parameters, shorter):
                history = shorter
                break
        else:
            size //= 2
    for mobiles in (1, 2, 5, 10, 20, 50):
        used = [each.arguments[0] for each in history if each.kind in MOBILE_FAULTS]
        if max(used, default=-1) < mobiles < parameters.mobiles:
            smaller = replace(parameters, mobiles=mobiles)
            if breaks(smaller, history):
                parameters = smaller
                break
    return parameters, history, min(seconds, simulate(parameters, history, seconds).at)
