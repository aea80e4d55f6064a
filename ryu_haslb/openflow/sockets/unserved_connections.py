"""Which connections to the OpenFlow port are not served yet, how long they may stay, and which goes if there are more.

Every host that reaches the port can open connections, and a connection costs memory and a descriptor. So those that are
not served are limited, in time and in number, for each peer and in all. A served connection is never closed for another
one. When there are more, the one that has waited longest goes: a switch is served within milliseconds, so that the
oldest is the one that is least likely to be a switch. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Optional, TypeVar

#: Seconds from the connection to the end of both handshakes, TLS and OpenFlow.
HANDSHAKE_TIMEOUT = 10.0
#: Connections that are not served, in all. A thousand switches may connect at once after a failure of the network.
MAX_UNSERVED = 1024
#: Connections that are not served of one peer: a machine may have many bridges.
MAX_UNSERVED_OF_PEER = 128

#: Bits of an IPv6 address that a subscriber does not choose (RFC 6177).
_IPV6_PREFIX = 64

Connection = TypeVar("Connection")


@dataclass
class _Waiting:
    peer: str
    deadline: Optional[float]


@dataclass
class Unserved(Generic[Connection]):
    """The connections that are not served, each with its peer, in the order in which they came."""

    max_in_all: int = MAX_UNSERVED
    max_of_peer: int = MAX_UNSERVED_OF_PEER
    _waiting: dict[Connection, _Waiting] = field(default_factory=dict)
    _of_peer: dict[str, dict[Connection, None]] = field(default_factory=dict)

    @classmethod
    def within(cls, descriptors: int) -> Unserved[Connection]:
        """With limits that leave three quarters of the process's descriptors for what is served."""
        return cls(min(MAX_UNSERVED, max(1, descriptors // 4)), min(MAX_UNSERVED_OF_PEER, max(1, descriptors // 16)))

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._waiting)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._waiting

    def add(self, connection: Connection, host: str, now: float) -> Optional[Connection]:
        """Record a new connection of a host; the older one that has to be closed for it, or None."""
        peer = peer_of(host)
        victim = None
        if len(self._of_peer.get(peer, ())) >= self.max_of_peer:
            victim = next(iter(self._of_peer[peer]))
        elif len(self._waiting) >= self.max_in_all:
            victim = self.oldest()
        if victim is not None:
            self.discard(victim)
        self._waiting[connection] = _Waiting(peer, now + HANDSHAKE_TIMEOUT)
        self._of_peer.setdefault(peer, {})[connection] = None
        return victim

    def oldest(self) -> Optional[Connection]:
        """Of the peer with the most connections that are not served, the oldest; None if there is no connection."""
        if not self._waiting:
            return None
        peer = max(self._of_peer, key=lambda each: len(self._of_peer[each]))
        return next(iter(self._of_peer[peer]))

    def complete(self, connection: Connection) -> None:
        """A connection has completed its handshake and is not served: it may stay unless its place is needed."""
        if connection in self._waiting:
            self._waiting[connection].deadline = None

    def discard(self, connection: Connection) -> None:
        """A connection is served, or has ended."""
        waiting = self._waiting.pop(connection, None)
        if waiting is not None:
            of_peer = self._of_peer[waiting.peer]
            del of_peer[connection]
            if not of_peer:
                del self._of_peer[waiting.peer]

    def expired(self, now: float) -> Iterator[Connection]:
        """The connections that have not completed their handshake in time."""
        for connection, waiting in list(self._waiting.items()):
            if waiting.deadline is not None and now >= waiting.deadline:
                yield connection


def peer_of(host: str) -> str:
    """The peer that an address belongs to: the IPv4 address, or the IPv6 network of 64 bits, which has one owner."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)
