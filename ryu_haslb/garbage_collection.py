"""Python's collector of reference cycles, kept from walking the session table while requests wait.

A full collection visits each live object: with a hundred thousand sessions that is a pause of tens of milliseconds, and
a storm of new sessions triggers one after the other. Sessions are in no reference cycle, so these collections find
nothing. Connections and clients that have ended leave no cycles either (``tests/support/cycles.py``), and the few that
errors leave can wait for a moment without requests. They do not wait for ever: a balancer that always has requests
collects every ten minutes, or when they are many. What a storm has left behind is collected a minute after its
sessions have ended. Until then the rules whose removal the switch may still reject are in memory, and may be very many.
"""

from __future__ import annotations

import gc

#: Allocations that trigger a collection of each generation. Two thousand young objects are visited in a fraction of a
#: millisecond. The older generations are not collected by themselves: a further visit to the objects of two hundred
#: thousand new sessions, as Python does by default, is a pause of 40 ms.
_THRESHOLDS = (2_000, 1_000_000, 1_000_000)
#: Minimum seconds between collections of the older generations.
_COLLECTION_INTERVAL = 60.0
#: Seconds after which the older generations are collected although requests come all the time.
_MAX_COLLECTION_INTERVAL = 600.0
#: Collections of young objects, of 2,000 each that stay, after which there is no waiting for a quiet moment: some 10 MB
#: and 10 ms. It bounds what a cycle that is not known could leave: a stranger can open many connections.
_MAX_GROWTH = 50
#: Maximum of sessions with which a full collection is short enough; and seconds from the end of more sessions until it
#: is short again. The rules of sessions that were cleared are in memory for some seconds after the switch has removed
#: them, since their removal may still be rejected.
_MAX_SESSIONS = 10_000
_AFTER_MANY_SESSIONS = 60.0
#: Maximum of collections of young objects since the last one of the middle generation with which that is short enough.
_MAX_YOUNG_COLLECTIONS = 10


class QuietCollector:
    """Collects reference cycles once a minute, if no request has come since the last call."""

    def __init__(self, now: float) -> None:
        self._collected_at = now
        self._requests = 0
        self._has_frozen = False
        self._has_few_from = now
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)

    def collect_if_quiet(self, requests: int, sessions: int, now: float) -> None:
        """Collect if it is due. To be called in each tick, with the requests so far and the number of live sessions."""
        quiet = requests == self._requests
        self._requests = requests
        interval = _COLLECTION_INTERVAL if quiet else _MAX_COLLECTION_INTERVAL
        if sessions > _MAX_SESSIONS:
            self._has_few_from = now + _AFTER_MANY_SESSIONS
        has_few = now >= self._has_few_from
        has_grown = has_few and gc.get_count()[1] > _MAX_GROWTH
        if now < self._collected_at + interval and not has_grown:
            return
        self._collected_at = now
        if has_few:
            self._collect()
        elif gc.get_count()[1] <= _MAX_YOUNG_COLLECTIONS:
            gc.collect(1)
        else:
            gc.freeze()  # a storm has passed: exempt its sessions from all later collections
            self._has_frozen = True

    def _collect(self) -> None:
        """Collect everything, what was frozen with the sessions of a storm included."""
        if not self._has_frozen:
            gc.collect()
            return
        self._has_frozen = False
        gc.unfreeze()
        gc.collect()
        gc.freeze()
