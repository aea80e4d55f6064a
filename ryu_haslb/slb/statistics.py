"""What the balancer counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from ryu_haslb.slb.drops import DropReason


@dataclass
class Statistics:
    """Counters since the start. Every request is dispatched or dropped: ``requests == dispatched + dropped``."""

    requests: int = 0
    dispatched: int = 0
    assignments: int = 0
    retries: int = 0
    reassignments: int = 0
    deregistrations: int = 0
    timeouts: int = 0
    drops: dict[DropReason, int] = field(default_factory=lambda: dict.fromkeys(DropReason, 0))

    @property
    def dropped(self) -> int:
        """Drops for any reason."""
        return sum(self.drops.values())
