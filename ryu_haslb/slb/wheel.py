"""A timing wheel: one more timer costs the same, however many there are. It has no thread and reads no clock.

A slot holds the timers of 0.1 seconds. It is found by its number, and a heap has the numbers of all slots.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Seconds of a slot: a timer may be so late.
RESOLUTION: Final = 0.1


class TimingWheel(Generic[T]):
    """Items, each scheduled for a time."""

    def __init__(self) -> None:
        self._slots: dict[int, list[T]] = {}
        self._heap: list[int] = []

    def schedule(self, item: T, when: float) -> None:
        """Let :meth:`due` return ``item`` once ``when`` is past."""
        slot = int(when / RESOLUTION) + 1
        items = self._slots.get(slot)
        if items is None:
            self._slots[slot] = [item]
            heappush(self._heap, slot)
        else:
            items.append(item)

    def due(self, now: float) -> Iterator[T]:
        """Take out the items that are due, one by one. A caller that stops early gets the rest the next time."""
        last = int(now / RESOLUTION)
        while self._heap and self._heap[0] <= last:
            items = self._slots[self._heap[0]]
            if items:
                yield items.pop()
            else:
                del self._slots[heappop(self._heap)]
