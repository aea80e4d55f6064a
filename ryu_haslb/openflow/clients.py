"""Which clients crowd out others when there are more requests than can be served. Pure.

A client is the source address of requests: a foreign agent. While one alone brings too much nothing is to be gained
here; where there are several, those that bring more than their share are held back to it, so that the others get
through. Shares are max-min fair: whoever wants less than an equal share gets what it wants, the rest is divided.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Optional

#: Requests a second that a switch may send to the controller: more than Open vSwitch and this balancer ever served
#: together on two cores (docs/performance.md).
MOST_REQUESTS = 50_000
#: In terms of what is served: beyond, reading what is dropped keeps the controller from serving. Within, it can choose.
_MOST_READ = 2.0
_LEAST_READ = 1000.0
#: Clients held back at once, each by a meter of its own. Where more than these crowd none is: they may be made up.
MOST_HELD = 32
#: Clients told apart in one review; the memory that strangers can make us use.
_MOST_SEEN = 1000
#: Seconds of overload that it takes to tell what can be served.
_SHORTEST_LOOK = 0.5
#: The part of what was served last that is divided: the rest is room to notice that there is more.
_DIVIDED = 0.9
#: What a client that is held back may bring more after a review without overload, and what all may.
_GROWTH = 1.25
_RECOVERY = 2.0
#: Reviews without a drop after which a client is held back no longer.
_QUIET_REVIEWS = 10


@dataclass
class _Held:
    rate: float
    quiet: int = 0


class Clients:
    """The clients of one switch. ``let_in`` and ``shed`` count requests since an overload began or was reviewed.

    ``of_all`` is how many requests a second may come from all that are not held back.
    """

    def __init__(self) -> None:
        self.of_all: float = MOST_REQUESTS
        self.let_in = 0
        self.shed = 0
        self._since: Optional[float] = None
        self._seen: dict[bytes, int] = {}
        self._held: dict[bytes, _Held] = {}

    def overloaded(self, now: float) -> None:
        """Not all requests can be served at the moment."""
        if self._since is None:
            self._since = now
            self.let_in = self.shed = 0

    def saw(self, client: bytes) -> None:
        """A request came while not all can be served."""
        if client in self._seen or len(self._seen) < _MOST_SEEN:
            self._seen[client] = self._seen.get(client, 0) + 1

    def spares(self, client: bytes) -> bool:
        """Whether its requests are let in because it is others who crowd."""
        return bool(self._held) and client not in self._held

    def review(self, now: float, dropped: Mapping[bytes, float]) -> dict[bytes, int]:
        """Who is held back from now on, and to how many requests a second; to be called about once a second.

        ``dropped`` is what the meters take from the clients a second.
        """
        if self._since is None:
            self._relax(dropped)
        elif now >= self._since + _SHORTEST_LOOK:
            self._divide(now - self._since, dropped)
            self._since = None
            self._seen.clear()
        return {client: max(1, int(held.rate)) for client, held in self._held.items()}

    def forget(self) -> None:
        """Hold no client back."""
        self._held.clear()

    def _divide(self, seconds: float, dropped: Mapping[bytes, float]) -> None:
        served = self.let_in / seconds
        if self.shed + self.let_in > _MOST_READ * self.let_in:
            self.of_all = min(max(_MOST_READ * served, _LEAST_READ), MOST_REQUESTS)
        of_each = (self.let_in + self.shed) / seconds / max(1, sum(self._seen.values()))
        wanted = {client: count * of_each for client, count in self._seen.items()}
        for client, rate in dropped.items():
            wanted[client] = wanted.get(client, 0.0) + rate
        share = fair_share(wanted.values(), _DIVIDED * served)
        crowding = [client for client, rate in wanted.items() if rate > share]
        alone = len(crowding) == len(wanted) == 1
        self._held = {} if alone or len(crowding) > MOST_HELD else {client: _Held(share) for client in crowding}

    def _relax(self, dropped: Mapping[bytes, float]) -> None:
        self.of_all = min(self.of_all * _RECOVERY, MOST_REQUESTS)
        for client, held in list(self._held.items()):
            if dropped.get(client):
                held.rate *= _GROWTH
                held.quiet = 0
            else:
                held.quiet += 1
                if held.quiet >= _QUIET_REVIEWS:
                    del self._held[client]


def fair_share(wanted: Collection[float], capacity: float) -> float:
    """The most that anybody gets when ``capacity`` is divided fairly; infinite when there is enough for all."""
    left = capacity
    for served, rate in enumerate(sorted(wanted)):
        share = left / (len(wanted) - served)
        if rate > share:
            return share
        left -= rate
    return float("inf")
