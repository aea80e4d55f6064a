"""Predictors: which real server takes a new session (``predictor roundrobin | leastconns``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Optional, Protocol

from ryu_haslb.configuration.model import Predictor as PredictorName
from ryu_haslb.slb.real import RealServer

#: Switches with a rotation of their own, at most. With one more, all these rotations begin anew.
MAX_ROTATIONS: Final = 1024


class Predictor(Protocol):
    """Chooses among the real servers of a farm."""

    def choose(
        self, reals: Sequence[RealServer], datapath_id: int, other_than: Optional[RealServer]
    ) -> Optional[RealServer]:
        """The real server for a new session at this switch, never ``other_than``; None when none can take it."""


class WeightedRoundRobin:
    """Weights 3, 1, 2 give A A A B C C, and round again (the chapter's "Load Balancing in HA-SLB").

    A real server that accepts no sessions loses the rest of its turn. A changed weight counts from the next choice on.

    A real server that other switches can reach, but not this one, keeps its turn for them. This switch meanwhile uses a
    rotation of its own. Without one, the next real server in order would get all sessions of that turn.
    """

    def __init__(self) -> None:
        self._rotation = _Rotation()
        self._of_switch: dict[int, _Rotation] = {}

    def choose(
        self, reals: Sequence[RealServer], datapath_id: int, other_than: Optional[RealServer]
    ) -> Optional[RealServer]:
        real = self._rotation.advance(reals, datapath_id, other_than, waits=True)
        if real is None or datapath_id in real.reachable_from:
            return real
        if datapath_id not in self._of_switch:
            if len(self._of_switch) >= MAX_ROTATIONS:
                self._of_switch.clear()
            self._of_switch[datapath_id] = _Rotation()
        return self._of_switch[datapath_id].advance(reals, datapath_id, other_than, waits=False)


class _Rotation:
    """Whose turn it is, and how many sessions it had in this turn."""

    def __init__(self) -> None:
        self._position = 0
        self._served = 0

    def advance(
        self, reals: Sequence[RealServer], datapath_id: int, other_than: Optional[RealServer], waits: bool
    ) -> Optional[RealServer]:
        """The next real server that accepts a session; with ``waits`` also one that only other switches can reach."""
        if self._position >= len(reals):
            self._position = self._served = 0
        for _ in range(len(reals) + 1):  # one more than there are reals: the first may have only finished its turn
            real = reals[self._position]
            if self._served < real.weight and real is not other_than:
                if real.accepts_sessions_from(datapath_id):
                    self._served += 1
                    return real
                if waits and real.accepts_sessions_elsewhere(datapath_id):
                    return real
            self._position = (self._position + 1) % len(reals)
            self._served = 0
        return None


class LeastConnections:
    """Chooses the real server with the fewest sessions in proportion to its weight, or the first one of several."""

    def choose(
        self, reals: Sequence[RealServer], datapath_id: int, other_than: Optional[RealServer]
    ) -> Optional[RealServer]:
        chosen: Optional[RealServer] = None
        fewest = 0.0
        for real in reals:  # whether it accepts a session is looked up last: it costs most, and few have a lower load
            load = real.sessions / real.weight if real.weight else 0.0
            is_better = chosen is None or load < fewest
            if is_better and real is not other_than and real.accepts_sessions_from(datapath_id):
                chosen, fewest = real, load
        return chosen


PREDICTORS: Final[dict[PredictorName, type[Predictor]]] = {
    PredictorName.ROUND_ROBIN: WeightedRoundRobin,
    PredictorName.LEAST_CONNECTIONS: LeastConnections,
}
