"""The highest rate that still goes well: rising until it does not, then halving the doubt. Pure."""

from __future__ import annotations

from typing import Callable

STEP = 1.5
#: The search ends when the rate that went well and the one that did not are this close.
PRECISION = 0.05
MOST_TRIALS = 12
#: Requests a second that no contender here comes near; the search never asks for more.
CEILING = 200_000.0


def highest_rate(goes_well: Callable[[float], bool], first: float) -> float:
    """Search upwards from ``first``, or downwards if that is too much; 0 when nothing went well.

    ``goes_well`` is tried at most :data:`MOST_TRIALS` times.
    """
    good, bad = 0.0, 0.0
    rate = first
    for _ in range(MOST_TRIALS):
        if goes_well(rate):
            good = rate
        else:
            bad = rate
        if good >= CEILING or (good and bad and bad / good <= 1 + PRECISION):
            break
        if not bad:
            rate = min(good * STEP, CEILING)
        elif not good:
            rate = bad / STEP
        else:
            rate = (good * bad) ** 0.5
    return good
