"""A timing wheel: timers at a constant cost for each, however many there are. It has no thread and reads no clock."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Seconds that a timer may be late.
RESOLUTION: Final = 0.1


class TimingWheel(Generic[T]):
    """Items, each scheduled for a time."""

    def __init__(self) -> None:
        self._slots: dict[int, list[T]] = {}
        self._order: list[int] = []

    def schedule(self, item: T, when: float) -> None:
        """Let :meth:`due` return ``item`` once ``when`` is past."""
        slot = int(when / RESOLUTION) + 1
        items = self._slots.get(slot)
        if items is None:
            self._slots[slot] = [item]
            heappush(self._order, slot)
        else:
            items.append(item)

    def due(self, now: float) -> Iterator[T]:
        """Take out the items that are due, one by one. A caller that stops early gets the rest the next time."""
        last = int(now / RESOLUTION)
        while self._order and self._order[0] <= last:
            items = self._slots[self._order[0]]
            if items:
                yield items.pop()
            else:
                del self._slots[heappop(self._order)]
