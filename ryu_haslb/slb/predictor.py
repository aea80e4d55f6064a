"""Predictors: which real server takes a new session (``predictor roundrobin | leastconns``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Optional, Protocol

from ryu_haslb.configuration.model import Predictor as PredictorName
from ryu_haslb.slb.real import RealServer


class Predictor(Protocol):
    """Chooses among the real servers of a farm."""

    def choose(
        self, reals: Sequence[RealServer], datapath_id: int, other_than: Optional[RealServer]
    ) -> Optional[RealServer]:
        """The real server for a new session at this switch, never ``other_than``; None when none can take it."""


class WeightedRoundRobin:
    """Weights 3, 1, 2 give A A A B C C, and round again (the chapter's "Load Balancing in HA-SLB").

    A real server that accepts no sessions loses the rest of its turn. A changed weight counts from the next choice on.
    """

    def __init__(self) -> None:
        self._position = 0
        self._served = 0

    def choose(
        self, reals: Sequence[RealServer], datapath_id: int, other_than: Optional[RealServer]
    ) -> Optional[RealServer]:
        if self._position >= len(reals):
            self._position = self._served = 0
        for _ in range(len(reals) + 1):  # one more than there are reals: the first may have only finished its turn
            real = reals[self._position]
            if self._served < real.weight and real.accepts_sessions_from(datapath_id) and real is not other_than:
                self._served += 1
                return real
            self._position = (self._position + 1) % len(reals)
            self._served = 0
        return None


class LeastConnections:
    """The fewest sessions in proportion to the weight; among equals the first of the farm."""

    def choose(
        self, reals: Sequence[RealServer], datapath_id: int, other_than: Optional[RealServer]
    ) -> Optional[RealServer]:
        candidates = [real for real in reals if real.accepts_sessions_from(datapath_id) and real is not other_than]
        return min(candidates, key=lambda real: real.sessions / real.weight) if candidates else None


PREDICTORS: Final[dict[PredictorName, type[Predictor]]] = {
    PredictorName.ROUND_ROBIN: WeightedRoundRobin,
    PredictorName.LEAST_CONNECTIONS: LeastConnections,
}
