"""The visitor table of a PDSN: the mobiles that have registered through it (RFC 5944 section 3.7.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Optional

from haslb_lab.node.deadlines import Deadlines


@dataclass(frozen=True)
class Visitor:
    """One registered mobile.

    ``lifetime`` is in seconds, ``expires`` a time of the monotonic clock (None: never). ``time_to_register`` is the
    time in seconds from the first request to the reply, ``retransmissions`` included.
    """

    user: int
    nai: str
    home_address: IPv4Address
    home_agent: IPv4Address
    identification: int
    lifetime: int
    expires: Optional[float]
    retransmissions: int
    time_to_register: float


#: Called with the user number and entry of each visitor that registers or renews, and with None when its entry ends.
Watch = Callable[[int, Optional[Visitor]], None]


def unwatched(_user: int, _visitor: Optional[Visitor]) -> None:
    """Ignore the change."""


class VisitorTable:
    """All visitors, by their user number."""

    def __init__(self, watch: Watch = unwatched) -> None:
        self._watch = watch
        self._visitors: dict[int, Visitor] = {}
        self._expiries: Deadlines[int] = Deadlines()

    def __len__(self) -> int:
        return len(self._visitors)

    def __iter__(self) -> Iterator[Visitor]:
        return iter(self._visitors.values())

    def get(self, user: int) -> Optional[Visitor]:
        """The visitor entry of a user, or None."""
        return self._visitors.get(user)

    def put(self, visitor: Visitor) -> None:
        """Add a visitor or replace the user's earlier entry."""
        self._visitors[visitor.user] = visitor
        if visitor.expires is None:
            self._expiries.cancel(visitor.user)
        else:
            self._expiries.set(visitor.user, visitor.expires)
        self._watch(visitor.user, visitor)

    def remove(self, user: int) -> None:
        """Remove the entry of a user, if there is one."""
        if self._visitors.pop(user, None) is not None:
            self._expiries.cancel(user)
            self._watch(user, None)

    def clear(self) -> int:
        """Remove all visitors and return how many there were."""
        users = list(self._visitors)
        for user in users:
            self.remove(user)
        return len(users)

    def expire(self, now: float) -> None:
        """Remove the visitors whose lifetime is over."""
        for user in self._expiries.pop_due(now):
            self.remove(user)

    def next_expiry(self) -> Optional[float]:
        """When :meth:`expire` must be called next; None: not before the table changes."""
        return self._expiries.next()
