"""Searches the highest rate that is sustained: raises the rate until one is not, then halves the interval. Pure."""

from __future__ import annotations

from typing import Callable

STEP = 1.5
#: The step of a search that begins near the rate that it is to find.
SMALL_STEP = 1.2
#: The search ends when the highest rate that was sustained and the lowest that was not differ by this part.
PRECISION = 0.05
MAX_TRIALS = 12
#: Requests a second at which the search ends. No contender comes near it.
MAX_RATE = 200_000.0


def highest_rate(goes_well: Callable[[float], bool], first: float, step: float = STEP) -> float:
    """Search upwards from ``first``, or downwards if that rate is not sustained; 0 if no rate is.

    ``goes_well`` is tried at most :data:`MAX_TRIALS` times.
    """
    good, bad = 0.0, 0.0
    rate = first
    for _ in range(MAX_TRIALS):
        if goes_well(rate):
            good = rate
        else:
            bad = rate
        if good >= MAX_RATE or (good and bad and bad / good <= 1 + PRECISION):
            break
        if not bad:
            rate = min(good * step, MAX_RATE)
        elif not good:
            rate = bad / step
        else:
            rate = (good * bad) ** 0.5
    return good
