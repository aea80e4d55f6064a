"""A process that can be stopped (SIGSTOP) and go on: meanwhile its input and its timers wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulation.clock import Clock

Call = tuple[Callable[..., None], tuple[Any, ...]]


class ProcessClock:
    """Calls functions of a process at their time, or when it goes on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._late: list[Call] = []
        self.is_stopped = False

    @property
    def now(self) -> float:
        """The time, which passes for a stopped process as well."""
        return self._clock.now

    def after(self, seconds: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function so many seconds from now."""
        self._clock.after(seconds, self.call, function, *arguments)

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function now, if the process runs."""
        if self.is_stopped:
            self._late.append((function, arguments))
        else:
            function(*arguments)

    def go_on(self) -> None:
        """Call what was to be called meanwhile."""
        self.is_stopped = False
        late, self._late = self._late, []
        for function, arguments in late:
            self.call(function, *arguments)


class Process:
    """The two kinds of events of a process: what comes in, and what it does at its own time."""

    def __init__(self, clock: Clock) -> None:
        self.inputs, self.timers = ProcessClock(clock), ProcessClock(clock)

    @property
    def is_stopped(self) -> bool:
        """Whether it was sent SIGSTOP."""
        return self.inputs.is_stopped

    def stop(self) -> None:
        """SIGSTOP."""
        self.inputs.is_stopped = self.timers.is_stopped = True

    def go_on(self, timers_first: bool) -> None:
        """SIGCONT: whether the event loop comes to its timers or to its sockets first is chance."""
        first, second = (self.timers, self.inputs) if timers_first else (self.inputs, self.timers)
        second.is_stopped = True
        first.go_on()
        second.go_on()
