"""The weight that a home agent reports (HA-SLB chapter, "Dispatched mode with DFP")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ryu_haslb.errors import InvalidValueError

DEFAULT_MAX_WEIGHT = 25
#: Top of the scale on which free processor time and free memory are measured; 0 means none free.
FULLY_FREE = 16


@dataclass(frozen=True)
class HomeAgentLoad:
    """The load of a home agent, from which its weight is computed.

    ``cpu`` and ``memory`` are free shares, 0 to 16. ``usage_cps`` is the rate of calls per second over the last minute.
    ``available_cps`` is the limit for it; None: no limit is configured, and the rate does not count.

    :raises InvalidValueError: a number is negative, or a share is above 16.
    """

    bindings: int
    max_bindings: int
    cpu: int = FULLY_FREE
    memory: int = FULLY_FREE
    usage_cps: int = 0
    available_cps: Optional[int] = None

    def __post_init__(self) -> None:
        for name in ("bindings", "max_bindings", "usage_cps", "available_cps"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InvalidValueError(f"{name} is {value}; expected 0 or more")
        for name in ("cpu", "memory"):
            share = getattr(self, name)
            if not 0 <= share <= FULLY_FREE:
                raise InvalidValueError(f"{name} is {share}; expected 0 (none free) to {FULLY_FREE} (all free)")


def dfp_weight(load: HomeAgentLoad, max_weight: int = DEFAULT_MAX_WEIGHT) -> int:
    """The weight, 0 to ``max_weight``; 0 if the home agent is full, at its rate limit, or allowed no bindings or calls.

    The one division comes last: whole numbers divided earlier would be rounded down to 0 too soon.
    """
    free_bindings = max(0, load.max_bindings - load.bindings)
    free_cps, available_cps = 1, 1
    if load.available_cps is not None:
        free_cps, available_cps = max(0, load.available_cps - load.usage_cps), load.available_cps
    divisor = load.max_bindings * 2 * FULLY_FREE * available_cps
    if divisor == 0:
        return 0
    return free_bindings * (load.cpu + load.memory) * free_cps * max_weight // divisor
