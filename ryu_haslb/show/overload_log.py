"""Log lines for what is too much: an overload, and the limit of sessions; with what was dropped, and since when.

::

    %SLB-4-OVERLOAD: state=overloaded since=… overload_new_mobile=12 client=10.1.1.101 requests=80 (…)
    %SLB-4-OVERLOAD: state=overloaded since=… client_metered=31 overload_new_mobile=1280 client=… requests=3012 (…)
    %SLB-6-OVERLOAD: state=over since=… client_metered=31 overload_new_mobile=2044 client=… requests=4711

The first line comes at once, further ones with a drop :data:`REPORT_INTERVAL` or more after the line before, and the
last one when nothing was dropped for :data:`CALM_INTERVAL`. So no flood causes more than two lines a minute of each
kind. ``client`` is the one with the most requests since then, and ``requests`` their number, without those that meters
of switches dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from socket import inet_ntoa
from typing import NamedTuple

from ryu_haslb.slb.client_counts import busiest
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.statistics import Statistics

#: Seconds between two looks at the counters.
CHECK_INTERVAL = 0.2
#: Seconds between two lines while it lasts.
REPORT_INTERVAL = 60.0
#: Seconds without a drop after which it is over.
CALM_INTERVAL = 60.0

_WARNING, _INFORMATIONAL = 4, 6
_EVICTIONS = "evictions"


class Kind(NamedTuple):
    """Something that there may be too much of: the counters that show it, and what an operator can do."""

    tag: str
    state: str
    counters: frozenset[str]
    advice: str


OVERLOAD = Kind(
    "OVERLOAD",
    "overloaded",
    frozenset(
        reason.value
        for reason in (
            DropReason.OVERLOAD,
            DropReason.OVERLOAD_NEW_MOBILE,
            DropReason.METERED,
            DropReason.CLIENT_METERED,
        )
    ),
    "more requests than switch and balancer serve; see 'show ip slb clients' for who else sends them",
)
LIMIT = Kind(
    "LIMIT",
    "reached",
    frozenset((_EVICTIONS, DropReason.SESSION_LIMIT.value)),
    "no room for new sessions but in place of unconfirmed ones; see 'show ip slb clients' and 'show ip slb stats'",
)


class OverloadLog:
    """What was dropped since the last look. What was dropped before the first one is not reported."""

    def __init__(self, statistics: Statistics, now: float) -> None:
        self._statistics = statistics
        self._counted = _counters(statistics)
        self._checked_at = now
        self._episodes = [_Episode(kind) for kind in (OVERLOAD, LIMIT)]

    def lines(self, statistics: Statistics, requests: Mapping[bytes, int], now: float, wall: float) -> Iterator[str]:
        """The lines that are due at ``now``, in seconds of a monotonic clock; ``wall`` is the time of the day.

        ``requests`` are those of each client (:class:`~ryu_haslb.slb.client_counts.ClientCounts`).
        """
        if now - self._checked_at < CHECK_INTERVAL:
            return
        self._checked_at = now
        if statistics is not self._statistics:  # the counters were cleared
            self._statistics, self._counted = statistics, Counter()
        counted = _counters(statistics)
        grown, self._counted = counted - self._counted, counted
        for episode in self._episodes:
            yield from episode.lines(grown, requests, now, wall)


class _Episode:
    """One kind of excess: ``_dropped`` is what it has dropped since it began, empty while there is none.

    ``_requests`` are those of each client at the last look before it began.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._dropped: Counter[str] = Counter()
        self._requests: Counter[bytes] = Counter()
        self._began = ""
        self._grew_at = self._reported_at = 0.0

    def lines(self, grown: Counter[str], requests: Mapping[bytes, int], now: float, wall: float) -> Iterator[str]:
        has_begun = bool(self._dropped)
        growth = Counter({counter: grown[counter] for counter in self._kind.counters & grown.keys()})
        if growth:
            self._dropped += growth
            self._grew_at = now
        if growth and not has_begun:
            self._began = f"{datetime.fromtimestamp(wall, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
            yield self._report(requests, now)
        elif has_begun and now - self._grew_at >= CALM_INTERVAL:
            yield self._line(_INFORMATIONAL, "over", requests)
            self._dropped.clear()
        elif growth and now - self._reported_at >= REPORT_INTERVAL:
            yield self._report(requests, now)
        if not self._dropped:
            self._requests = Counter(requests)

    def _report(self, requests: Mapping[bytes, int], now: float) -> str:
        self._reported_at = now
        return f"{self._line(_WARNING, self._kind.state, requests)} ({self._kind.advice})"

    def _line(self, severity: int, state: str, requests: Mapping[bytes, int]) -> str:
        counts = "".join(f" {counter}={count}" for counter, count in sorted(self._dropped.items()))
        since = Counter(requests) - self._requests  # a count that was cleared or forgotten meanwhile is left out
        client = "".join(f" client={inet_ntoa(each)} requests={count}" for each, count in busiest(since, 1))
        return f"%SLB-{severity}-{self._kind.tag}: state={state} since={self._began}{counts}{client}"


def _counters(statistics: Statistics) -> Counter[str]:
    """The counters that show an excess."""
    found = Counter({reason.value: count for reason, count in statistics.drops.items()})
    found[_EVICTIONS] = statistics.evictions
    return found
