"""A timing wheel: any number of timers, a constant price for each, no thread and no clock of its own."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

#: Seconds: a timer rings at most this much after its time.
RESOLUTION = 0.1


class TimingWheel(Generic[T]):
    """Items filed under the time at which they are to be looked at again."""

    def __init__(self) -> None:
        self._slots: dict[int, list[T]] = {}
        self._order: list[int] = []

    def file(self, item: T, when: float) -> None:
        """Have ``item`` come out of :meth:`due` once ``when`` is past."""
        slot = int(when / RESOLUTION) + 1
        items = self._slots.get(slot)
        if items is None:
            self._slots[slot] = [item]
            heappush(self._order, slot)
        else:
            items.append(item)

    def due(self, now: float) -> Iterator[T]:
        """Take out what is due, one by one. Whoever stops in the middle finds the rest the next time."""
        last = int(now / RESOLUTION)
        while self._order and self._order[0] <= last:
            items = self._slots[self._order[0]]
            if items:
                yield items.pop()
            else:
                del self._slots[heappop(self._order)]
