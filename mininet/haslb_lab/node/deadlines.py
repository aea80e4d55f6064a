"""Many deadlines for one timer."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from itertools import count
from typing import Generic, Optional, TypeVar

Key = TypeVar("Key", bound=Hashable)

#: Outdated entries that the heap may hold beyond one for each deadline.
_SLACK = 64


class Deadlines(Generic[Key]):
    """At most one deadline for each key. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._times: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._sequence = count()

    def __len__(self) -> int:
        return len(self._times)

    def set(self, key: Key, time: float) -> None:
        """Set the deadline of ``key``, in place of an earlier one."""
        self._times[key] = time
        heapq.heappush(self._heap, (time, next(self._sequence), key))
        if len(self._heap) > 2 * len(self._times) + _SLACK:
            self._drop_outdated()

    def cancel(self, key: Key) -> None:
        """Remove the deadline of ``key``, if it has one."""
        self._times.pop(key, None)

    def next(self) -> Optional[float]:
        """The earliest deadline, or None."""
        while self._heap:
            time, _, key = self._heap[0]
            if self._times.get(key) == time:
                return time
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now: float) -> Iterator[Key]:
        """Remove and generate the keys whose deadline has passed, earliest first."""
        while (time := self.next()) is not None and time <= now:
            key = heapq.heappop(self._heap)[2]
            del self._times[key]
            yield key

    def _drop_outdated(self) -> None:
        """Remove replaced and cancelled entries from the heap, so that it does not grow with the number of changes."""
        self._heap = [entry for entry in self._heap if self._times.get(entry[2]) == entry[0]]
        heapq.heapify(self._heap)
