"""How far a switch is behind with what it was sent. It decides which requests are let in.

A barrier goes behind what was sent. Its answer comes back through every queue that there is: ours, the switch's, and on
the way back the packet-ins that the controller has not read yet. Those who flood fill the way back, whatever is let
in; so the quickest answer of the last moments is taken off: what is left is the work that the switch was given.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import NamedTuple

#: Seconds that the oldest barrier waits longer than the quickest did, and bytes that no answer covers: beyond these,
#: requests of mobiles that are not known are dropped. At twice as much every request is.
MOST_SECONDS = 0.1
MOST_BYTES = 1_000_000
#: Barriers under way at once; with more the answers would say no more.
_MOST_BARRIERS = 64
#: Seconds for which the quickest answer counts, at least, and the most that is taken off for it.
_MOMENT = 1.0
_MOST_TAKEN_OFF = 0.4


class Load(IntEnum):
    """Which requests are let in."""

    NORMAL = 0
    HIGH = 1
    FULL = 2


class _Barrier(NamedTuple):
    xid: int
    sent: int
    at: float


class Backlog:
    """What one connection has carried to its switch and no barrier has confirmed; ``sent`` is all that it carried."""

    def __init__(self) -> None:
        self._barriers: deque[_Barrier] = deque()
        self._marked = 0
        self._confirmed = 0
        self._quickest = self._quickest_before = _MOST_TAKEN_OFF
        self._moment_ends = 0.0

    def is_due(self, sent: int) -> bool:
        """Whether something was sent behind the last barrier."""
        return sent > self._marked and len(self._barriers) < _MOST_BARRIERS

    def barrier(self, xid: int, sent: int, now: float) -> None:
        """A barrier was sent; ``sent`` counts it as well."""
        self._barriers.append(_Barrier(xid, sent, now))
        self._marked = sent

    def confirmed(self, xid: int, now: float) -> bool:
        """A barrier reply. False when it answers none of these barriers."""
        if all(barrier.xid != xid for barrier in self._barriers):
            return False
        while True:
            barrier = self._barriers.popleft()
            self._confirmed = barrier.sent
            if barrier.xid == xid:
                self._answered_after(now - barrier.at, now)
                return True

    def age(self, now: float) -> float:
        """Seconds that the oldest barrier has waited; 0 when none does."""
        return now - self._barriers[0].at if self._barriers else 0.0

    def load(self, sent: int, now: float) -> Load:
        """What the switch can be given beside what it has."""
        seconds = self.age(now) - min(self._quickest, self._quickest_before)
        behind = max(0.0, seconds / MOST_SECONDS, (sent - self._confirmed) / MOST_BYTES)
        return Load(min(int(behind), Load.FULL))

    def _answered_after(self, seconds: float, now: float) -> None:
        if now >= self._moment_ends:
            self._quickest, self._quickest_before = _MOST_TAKEN_OFF, self._quickest
            self._moment_ends = now + _MOMENT
        self._quickest = min(self._quickest, seconds)
