"""Which HTTP connection is closed when there are too many. Pure: time is an argument.

A connection *waits* while its next request is incomplete: it is new, idle, or sends its header slowly. It *answers*
while its request is carried out. Both have a limit of their own, so that slow and idle clients take no place from
requests. ``/metrics`` has places that no other request takes, so that monitoring goes on under any load.

When a place is needed, the oldest connection of the client address with the most connections is closed. A stranger
with many connections therefore displaces only its own, unless every address has as few as that one.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Callable

#: Connections without a complete request.
MAX_WAITING = 64
#: Requests that are answered at the same time, except those for ``/metrics``.
MAX_ANSWERS = 32
#: Requests for ``/metrics`` that are answered at the same time.
MAX_SCRAPES = 4
#: Seconds that an answer may take before it can lose its place to another client of the same address. An answer
#: without readers that are slow takes milliseconds.
PLACE_TIMEOUT = 5.0
#: Bits of an IPv6 address that stand for one client: a host can have all addresses of its network.
_IPV6_CLIENT_PREFIX = 64


class Phase(Enum):
    """What a connection does; each phase has its own places."""

    WAITING = MAX_WAITING
    ANSWERING = MAX_ANSWERS
    SCRAPING = MAX_SCRAPES


@dataclass(eq=False)
class Client:
    """A connection: the network that its address stands for, what it does and since when, and how to close it."""

    peer: str
    close: Callable[[], None]
    phase: Phase
    since: float


class Clients:
    """All connections of one server."""

    def __init__(self) -> None:
        self._clients: dict[Client, None] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def admit(self, address: str, close: Callable[[], None], now: float) -> Client:
        """A new connection. If there are too many without a request, another one is closed."""
        client = Client(peer_of(address), close, Phase.WAITING, now)
        self._make_room(client, Phase.WAITING, now)
        self._clients[client] = None
        return client

    def begin(self, client: Client, is_scrape: bool, now: float) -> bool:
        """Whether a complete request can be answered now; a connection that answers for too long may be closed."""
        phase = Phase.SCRAPING if is_scrape else Phase.ANSWERING
        if client not in self._clients or not self._make_room(client, phase, now):
            return False
        client.phase, client.since = phase, now
        return True

    def wait(self, client: Client, now: float) -> None:
        """The answer is written, and the connection waits for its next request."""
        if client in self._clients:
            self._make_room(client, Phase.WAITING, now)
            client.phase, client.since = Phase.WAITING, now

    def remove(self, client: Client) -> None:
        """The connection has ended."""
        self._clients.pop(client, None)

    def _make_room(self, newcomer: Client, phase: Phase, now: float) -> bool:
        """Close a connection if ``phase`` is full. False: none of them may be closed."""
        holders = [each for each in self._clients if each.phase is phase and each is not newcomer]
        if len(holders) < phase.value:
            return True
        leaving = _leaving(holders)
        if phase is Phase.ANSWERING and leaving.peer == newcomer.peer and now - leaving.since < PLACE_TIMEOUT:
            return False
        del self._clients[leaving]
        leaving.close()
        return True


def _leaving(holders: Iterable[Client]) -> Client:
    """The oldest connection of the address that holds most."""
    held = Counter(each.peer for each in holders)
    return min(holders, key=lambda each: (-held[each.peer], each.since))


def peer_of(address: str) -> str:
    """The client that an address stands for: the address, or the network of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:  # the server listens on IPv6 and IPv4 together
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, _IPV6_CLIENT_PREFIX), strict=False))
