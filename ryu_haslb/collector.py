"""Python's collector of reference cycles, kept from walking the session table while mobiles wait.

A full collection looks at every object that lives: with a hundred thousand sessions that is a pause of tens of
milliseconds, and a storm of new sessions brings one after the other. Sessions are in no cycle, so nothing is gained by
it; the few cycles that there are (errors, connections that ended) can wait for a quiet moment.
"""

from __future__ import annotations

import gc

#: Two thousand young objects are looked at in a fraction of a millisecond. What outlives that is left alone: to look at
#: a storm's two hundred thousand sessions once more, as Python would, is a pause of 40 ms.
_THRESHOLDS = (2_000, 1_000_000, 1_000_000)
#: Seconds between collections of what is older, at least, and the most sessions with which a full one is short enough.
_INTERVAL = 60.0
_MOST_SESSIONS = 10_000
#: Portions of young objects since the last collection with which another one is short enough.
_MOST_PORTIONS = 10


class QuietCollector:
    """Collects cycles once a minute, when no request has come since the last look."""

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
        if not quiet or now < self._collected_at + _INTERVAL:
            return
        self._collected_at = now
        if sessions <= _MOST_SESSIONS:
            gc.collect()
        elif gc.get_count()[1] <= _MOST_PORTIONS:
            gc.collect(1)
        else:
            gc.freeze()  # a storm has passed; its sessions need not be looked at ever again
