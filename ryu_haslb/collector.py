"""Python's collector of reference cycles, kept from walking the session table while mobiles wait.

A full collection looks at every object that lives: with a hundred thousand sessions that is a pause of tens of
milliseconds, and a storm of new sessions brings one after the other. Sessions are in no cycle, so nothing is gained by
it; the few cycles that there are (errors, connections that ended) can wait for a quiet moment.
"""

from __future__ import annotations

import gc

#: Young objects are still looked at, in larger portions; a full collection by itself is out of reach.
_THRESHOLDS = (10_000, 20, 1_000_000)
#: Seconds between full collections, at least, and the most sessions with which one is short enough.
_INTERVAL = 60.0
_MOST_SESSIONS = 10_000


class QuietCollector:
    """Collects cycles once a minute, when no request has come since the last look and few sessions live."""

    def __init__(self, now: float) -> None:
        self._collected_at = now
        self._requests = 0
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)

    def look(self, requests: int, sessions: int, now: float) -> None:
        """To be called now and then with the number of requests so far and of sessions that live."""
        quiet = requests == self._requests
        self._requests = requests
        if quiet and sessions <= _MOST_SESSIONS and now >= self._collected_at + _INTERVAL:
            gc.collect()
            self._collected_at = now
