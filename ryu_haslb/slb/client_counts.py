"""How many requests each client has sent, and how many of them were dropped. Pure.

A client is a source address, which may be forged, so the memory is bounded: when there are too many clients, those that
have sent least are forgotten. One that is forgotten and comes back counts from 0. The request path only adds to two
dictionaries; :meth:`ClientCounts.forget_least` is for the timers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Clients that are remembered, and those that are left when there are more. Between two timer ticks there may be more.
MAX_CLIENTS = 4096
KEPT_CLIENTS = 1024


class ClientCounts:
    """Counters by the packed addresses of clients, since the start or the last ``clear ip slb counters``."""

    def __init__(self) -> None:
        self.requests: dict[bytes, int] = {}
        self.dropped: dict[bytes, int] = {}

    def record_request(self, client: bytes) -> None:
        """A request of a client has come."""
        self.requests[client] = self.requests.get(client, 0) + 1

    def uncount_request(self, client: bytes) -> None:
        """A request that was recorded has come back, and is recorded again."""
        if self.requests.get(client):
            self.requests[client] -= 1

    def record_dropped(self, client: bytes) -> None:
        """A request of a client was dropped."""
        self.dropped[client] = self.dropped.get(client, 0) + 1

    def record_unread(self, client: bytes) -> None:
        """A packet of a client was dropped before the balancer could decide about it."""
        self.record_request(client)
        self.record_dropped(client)

    def forget_least(self) -> None:
        """Forget the clients that have sent least, if there are too many."""
        if len(self.requests) > MAX_CLIENTS:
            self.requests = dict(busiest(self.requests, KEPT_CLIENTS))
            self.dropped = {client: count for client, count in self.dropped.items() if client in self.requests}


def busiest(counts: Mapping[bytes, int], limit: int) -> Iterable[tuple[bytes, int]]:
    """The clients with the highest counts, the highest first; of equal ones in the order of their addresses."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]
