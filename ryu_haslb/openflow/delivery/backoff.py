"""When to try again what a switch has rejected: after 1 s, then after 2 s, 4 s and so on, up to 60 s. Pure."""

from __future__ import annotations

from typing import Optional

#: Seconds before the first further attempt, and before each of the last.
MIN_RETRY_INTERVAL = 1.0
MAX_RETRY_INTERVAL = 60.0


class Backoff:
    """The attempts of one kind at one switch. ``is_failing`` is True from a rejection until :meth:`reset`."""

    def __init__(self, max_interval: float = MAX_RETRY_INTERVAL) -> None:
        self.is_failing = False
        self._max_interval = max_interval
        self._interval = 0.0
        self._retry_at: Optional[float] = None

    def on_rejected(self, now: float) -> bool:
        """An attempt was rejected: wait, longer than the last time. True for the first rejection since :meth:`reset`.

        A further rejection while it waits belongs to the same attempt.
        """
        is_first, self.is_failing = not self.is_failing, True
        if self.must_wait(now):
            return is_first
        self._interval = min(max(2 * self._interval, MIN_RETRY_INTERVAL), self._max_interval)
        self._retry_at = now + self._interval
        return is_first

    def on_accepted(self) -> None:
        """An attempt succeeded: the next one need not wait, and after a further rejection the wait is short again."""
        self._interval = 0.0
        self._retry_at = None

    def shorten_wait(self, now: float) -> None:
        """The reason of the rejections may be gone: wait no longer than after the first rejection."""
        if self._retry_at is not None:
            self._retry_at = min(self._retry_at, now + MIN_RETRY_INTERVAL)

    def reset(self) -> None:
        """Begin anew: nothing is rejected any more."""
        self.is_failing = False
        self.on_accepted()

    def must_wait(self, now: float) -> bool:
        """Whether it is too early for the next attempt."""
        return self._retry_at is not None and now < self._retry_at
