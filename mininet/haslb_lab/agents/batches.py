"""A batch: the users of one ``register`` or ``deregister`` command, and its progress."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Optional


class Purpose(Enum):
    """What a batch does with its users; the value is their state afterwards."""

    REGISTER = "registered"
    DEREGISTER = "deregistered"


@dataclass(eq=False)
class Batch:
    """``count`` users from ``first`` on. ``failures`` counts by reason, ``home_agents`` counts successes by address."""

    purpose: Purpose
    first: int
    count: int
    taken: int = 0
    succeeded: int = 0
    retransmissions: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    home_agents: Counter[str] = field(default_factory=Counter)

    @property
    def next_user(self) -> Optional[int]:
        """The next user to start; None when all have been started."""
        return self.first + self.taken if self.taken < self.count else None

    @property
    def failed(self) -> int:
        """Users that have failed."""
        return sum(self.failures.values())

    @property
    def complete(self) -> bool:
        """Whether every user has succeeded or failed."""
        return self.succeeded + self.failed == self.count

    def progress(self) -> dict[str, object]:
        """Its progress, for JSON."""
        return {self.purpose.value: self.succeeded, "failed": self.failed, "of": self.count}

    def result(self, seconds: float) -> dict[str, object]:
        """Its result, for JSON."""
        return {
            **self.progress(),
            "seconds": round(seconds, 3),
            "retransmissions": self.retransmissions,
            "home_agents": dict(sorted(self.home_agents.items())),
            "failures": dict(sorted(self.failures.items())),
        }
