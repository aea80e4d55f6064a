"""Finds the clients that exceed their fair share during an overload, and the rate limits for them. Pure.

A client is a source address of requests: a PDSN or another foreign agent. During an overload the requests of each
client are counted. About once a second (:meth:`Clients.update_rate_limits`) the rate that was served is divided among
the clients by max-min fairness: a client that sends less than an equal share is served completely, and the rest of its
share is divided among the others. Example: 1,000 requests/s are served; clients send 3,000, 300 and 50; 90 % are
divided::

    50 -> 50     300 -> 300     3000 -> rate-limited to 900 - 50 - 300 = 550

Meters of the switch enforce the rate limits (:mod:`.meters`): there the excess costs next to nothing. A client that is
alone is never rate-limited, since there is no other to protect. If more clients exceed their share than there are
meters, none is rate-limited, since their addresses may be forged.

A limit grows while there is no overload, and is lifted when it has not dropped a request for some time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Optional

#: Requests per second that a switch may send to the controller: more than Open vSwitch and this balancer have ever
#: served together on two cores (docs/performance.md).
MAX_REQUEST_RATE = 50_000
#: Requests read, as a multiple of requests served. The controller must read more requests than it serves to be able to
#: choose among them. Above this ratio, reading requests that it then drops leaves too little time to serve others.
_MAX_READ_RATIO = 2.0
#: Requests per second that all clients together may send, at least.
_MIN_TOTAL_RATE = 1000.0
#: Clients that are rate-limited at the same time. Each has a meter of its own.
MAX_RATE_LIMITED_CLIENTS = 32
#: Clients whose requests are counted. The limit bounds the memory that forged addresses can take.
_MAX_COUNTED_CLIENTS = 1000
#: Seconds of overload after which the rate that can be served is known.
_MIN_MEASURING_INTERVAL = 0.5
#: The part of the served rate that is divided. The rest lets the controller find out that it can serve more.
_DIVIDED_PART = 0.9
#: Factor per update without overload: for the limit of a client that still drops, and for the limit of all together.
_CLIENT_RATE_GROWTH = 1.25
_TOTAL_RATE_GROWTH = 2.0
#: Updates without a drop after which a rate limit is lifted.
_MAX_UPDATES_WITHOUT_DROP = 10


@dataclass
class _RateLimit:
    """Requests per second, and the number of updates since the limit has dropped anything."""

    rate: float
    updates_without_drop: int = 0


class Clients:
    """The clients of one switch.

    ``admitted`` and ``dropped`` count requests since the overload began or the last update. ``total_rate`` is the
    number of requests per second that all clients without a rate limit may send together.
    """

    def __init__(self) -> None:
        self.total_rate = float(MAX_REQUEST_RATE)
        self.admitted = 0
        self.dropped = 0
        self._overload_since: Optional[float] = None
        self._requests: dict[bytes, int] = {}
        self._limits: dict[bytes, _RateLimit] = {}

    def on_overload(self, now: float) -> None:
        """An overload was noticed: begin to count, unless counting has begun already."""
        if self._overload_since is None:
            self._overload_since = now
            self.admitted = self.dropped = 0

    def record_request(self, client: bytes) -> None:
        """Count a request that came during an overload."""
        if client in self._requests or len(self._requests) < _MAX_COUNTED_CLIENTS:
            self._requests[client] = self._requests.get(client, 0) + 1

    def record_dropped(self, client: bytes) -> None:
        """Count a request that came during an overload and was dropped."""
        self.record_request(client)
        self.dropped += 1

    def is_crowded_out(self, client: bytes) -> bool:
        """Whether other clients are rate-limited and this one is not: its requests are admitted."""
        return bool(self._limits) and client not in self._limits

    def update_rate_limits(self, now: float, dropped: Mapping[bytes, float]) -> dict[bytes, int]:
        """Update the rate limits; to be called about once a second. Returns requests per second by client.

        ``dropped`` is what the meters have dropped since the last update, in requests per second by client.
        """
        if self._overload_since is None:
            self._raise_limits(dropped)
        elif now >= self._overload_since + _MIN_MEASURING_INTERVAL:
            self._divide(now - self._overload_since, dropped)
            self._overload_since = None
            self._requests.clear()
        return {client: max(1, int(limit.rate)) for client, limit in self._limits.items()}

    def lift_rate_limits(self) -> None:
        """Rate-limit no client."""
        self._limits.clear()

    def _divide(self, seconds: float, dropped: Mapping[bytes, float]) -> None:
        """Divide what was served in these seconds of overload."""
        served = self.admitted / seconds
        if self.dropped + self.admitted > _MAX_READ_RATIO * self.admitted:
            self.total_rate = min(max(_MAX_READ_RATIO * served, _MIN_TOTAL_RATE), MAX_REQUEST_RATE)
        rate_per_count = (self.admitted + self.dropped) / seconds / max(1, sum(self._requests.values()))
        demand = {client: count * rate_per_count for client, count in self._requests.items()}
        for client, rate in dropped.items():
            demand[client] = demand.get(client, 0.0) + rate
        share = fair_share(demand.values(), _DIVIDED_PART * served)
        exceeding = [client for client, rate in demand.items() if rate > share]
        is_alone = len(exceeding) == len(demand) == 1
        if is_alone or len(exceeding) > MAX_RATE_LIMITED_CLIENTS:
            self._limits = {}
        else:
            self._limits = {client: _RateLimit(share) for client in exceeding}

    def _raise_limits(self, dropped: Mapping[bytes, float]) -> None:
        """There was no overload: raise the limits that still drop, lift those that have dropped nothing for long."""
        self.total_rate = min(self.total_rate * _TOTAL_RATE_GROWTH, MAX_REQUEST_RATE)
        for client, limit in list(self._limits.items()):
            if dropped.get(client):
                limit.rate *= _CLIENT_RATE_GROWTH
                limit.updates_without_drop = 0
            else:
                limit.updates_without_drop += 1
                if limit.updates_without_drop >= _MAX_UPDATES_WITHOUT_DROP:
                    del self._limits[client]


def fair_share(demand: Collection[float], capacity: float) -> float:
    """The max-min fair share: no demand is served beyond it. Infinite when the capacity covers every demand."""
    left = capacity
    for served, rate in enumerate(sorted(demand)):
        share = left / (len(demand) - served)
        if rate > share:
            return share
        left -= rate
    return float("inf")
