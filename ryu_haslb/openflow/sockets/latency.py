"""The latency of packet-ins in the controller: from the read that brings them to the write that answers them."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

#: Upper bounds of the buckets, in seconds.
BOUNDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class LatencyHistogram:
    """Counts of packets by latency. One observation covers all packets of one read: reading the clock costs time."""

    def __init__(self) -> None:
        self.sum = 0.0
        self._counts = [0] * (len(BOUNDS) + 1)

    def observe(self, seconds: float, packets: int) -> None:
        """Count this many packets, each of which took at most this long."""
        self.sum += seconds * packets
        self._counts[bisect_left(BOUNDS, seconds)] += packets

    @property
    def count(self) -> int:
        """The number of all packets."""
        return sum(self._counts)

    def cumulative(self) -> list[tuple[float, int]]:
        """Each upper bound, and how many packets took no longer. Packets beyond the last bound are in :attr:`count`."""
        return list(zip(BOUNDS, accumulate(self._counts)))
