"""The virtual clock: events in the order of their time, and nothing else moves time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Protocol


class Scheduler(Protocol):
    """Calls functions later."""

    def after(self, seconds: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call ``function`` so many seconds from now."""


class Clock:
    """Calls functions at their time. Two events of one moment happen in the order in which they were scheduled."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, when: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call ``function`` at a time; a time that is past means now, behind what is scheduled for now already."""
        self.after(max(0.0, when - self.now), function, *arguments)

    def after(self, seconds: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call ``function`` so many seconds from now."""
        count = self._count = self._count + 1
        heappush(self._events, (self.now + seconds, count, function, arguments))

    def run_until(self, end: float) -> None:
        """Let everything happen that is scheduled up to ``end``."""
        events = self._events
        while events and events[0][0] <= end:
            self.now, _, function, arguments = heappop(events)
            function(*arguments)
        self.now = end
