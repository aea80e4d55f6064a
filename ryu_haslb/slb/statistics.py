"""What the balancer counts: requests, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ryu_haslb.slb.drop_reason import DropReason


@dataclass
class Statistics:
    """Counters since the start or the last ``clear ip slb counters``.

    Every request is dispatched or dropped: ``requests == dispatched + dropped``. ``evictions`` are sessions that ended
    to make room for others (:mod:`.session_limit`).
    """

    requests: int = 0
    dispatched: int = 0
    assignments: int = 0
    retries: int = 0
    reassignments: int = 0
    deregistrations: int = 0
    timeouts: int = 0
    evictions: int = 0
    drops: dict[DropReason, int] = field(default_factory=lambda: dict.fromkeys(DropReason, 0))

    @property
    def dropped(self) -> int:
        """Drops for any reason."""
        return sum(self.drops.values())

    def count_dropped(self, reason: DropReason, count: int = 1) -> None:
        """Count packets that were dropped before the balancer could decide about them."""
        self.requests += count
        self.drops[reason] += count

    def uncount_forwarded(self) -> None:
        """A request that was counted as dispatched has come back; the balancer counts it again."""
        self.requests -= 1
        self.dispatched -= 1

    def count_undelivered(self, reason: DropReason, count: int = 1) -> None:
        """Count dispatched requests as dropped instead: they did not get through the switch, as far as is known.

        Those that were dispatched before the counters were cleared are not counted at all.
        """
        count = min(count, self.dispatched)
        self.dispatched -= count
        self.drops[reason] += count
