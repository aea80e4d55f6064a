"""How many TLS handshakes one peer may begin: each costs the event loop some milliseconds. Pure.

Connections beyond the limit wait for their turn, in no order, within the limits of :mod:`.unserved_connections`.
"""

from __future__ import annotations

#: TLS handshakes a second of one peer, and at once: a machine may have many bridges, which all connect anew.
MAX_HANDSHAKE_RATE, HANDSHAKE_BURST = 50.0, 100.0
#: Peers that are remembered; those that have waited longest are forgotten first.
MAX_PEERS = 4096


class HandshakeLimit:
    """A token bucket for each peer (:func:`.unserved_connections.peer_of`)."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, peer: str, now: float) -> bool:
        """Whether a peer may begin a handshake now."""
        tokens, at = self._buckets.pop(peer, (HANDSHAKE_BURST, now))
        tokens = min(HANDSHAKE_BURST, tokens + (now - at) * MAX_HANDSHAKE_RATE)
        may = tokens >= 1.0
        if len(self._buckets) >= MAX_PEERS:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[peer] = tokens - may, now
        return may
