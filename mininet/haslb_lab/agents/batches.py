"""A batch: the users that one ``register`` or ``deregister`` command is about, and how far it has come."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Optional


class Purpose(Enum):
    """What a batch does to its users; the value names what they are afterwards."""

    REGISTER = "registered"
    DEREGISTER = "deregistered"


@dataclass(eq=False)
class Batch:
    """``count`` users from ``first`` on. ``failures`` counts by reason, ``home_agents`` where the others went."""

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
        """The user whose turn it is, None when all have had theirs."""
        return self.first + self.taken if self.taken < self.count else None

    @property
    def failed(self) -> int:
        """Users for whom there is no hope left."""
        return sum(self.failures.values())

    @property
    def complete(self) -> bool:
        """Whether every user has succeeded or failed."""
        return self.succeeded + self.failed == self.count

    def progress(self) -> dict[str, object]:
        """How far it is, for JSON."""
        return {self.purpose.value: self.succeeded, "failed": self.failed, "of": self.count}

    def result(self, seconds: float) -> dict[str, object]:
        """How it went, for JSON."""
        return {
            **self.progress(),
            "seconds": round(seconds, 3),
            "retransmissions": self.retransmissions,
            "home_agents": dict(sorted(self.home_agents.items())),
            "failures": dict(sorted(self.failures.items())),
        }
