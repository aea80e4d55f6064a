"""How many session rules of an earlier run may wait to become sessions, at all switches together. Pure.

A switch may report any number of rules, and a host may pass for any number of switches. So all of them together have
the places that the limit of sessions leaves. If these are taken, the switch with the most waiting rules gives up some
for another one; the rules that it gives up are not recovered.
"""

from __future__ import annotations

from typing import Final, Protocol

#: Places that rules lead to (each some 1 kB) of all switches; and those that each may have beyond it: home agents times
#: virtual servers.
MAX_TARGETS_OF_ALL: Final = 1 << 17
MIN_TARGETS: Final = 128
#: Waiting rules that are given up at once.
_STEP: Final = 1000


class Recovering(Protocol):
    """The recovery of one switch; ``pending`` is the number of its rules that wait."""

    @property
    def pending(self) -> int: ...

    def give_up(self, count: int) -> None:
        """Forget so many of the rules, and :meth:`RecoveryRoom.release` them."""


class RecoveryRoom:
    """The waiting rules of all switches: ``pending`` is their number, ``targets`` that of the places they lead to."""

    def __init__(self) -> None:
        self.pending = self.targets = 0
        self._recoveries: set[Recovering] = set()

    def has_room(self, recovery: Recovering, places: int) -> bool:
        """Whether another rule may wait, where the limit allows so many further sessions; another switch may give up
        some for it."""
        if self.pending >= places:
            self._make_room(recovery)
        return self.pending < places

    def take(self, recovery: Recovering, count: int = 1) -> None:
        """So many further rules of a switch wait."""
        self._recoveries.add(recovery)
        self.pending += count

    def release(self, count: int = 1) -> None:
        """So many rules do not wait any more."""
        self.pending -= count

    def has_room_for_target(self, own: int) -> bool:
        """Whether the rules of a switch that has so many targets may have another one."""
        return self.targets < MAX_TARGETS_OF_ALL or own < MIN_TARGETS

    def end(self, recovery: Recovering, targets: int) -> None:
        """The rules of a switch are no longer waited for; they led to so many targets."""
        self.targets -= targets
        if recovery in self._recoveries:
            self._recoveries.remove(recovery)
            self.pending -= recovery.pending

    def _make_room(self, recovery: Recovering) -> None:
        largest = max(self._recoveries, key=lambda each: each.pending, default=recovery)
        excess = largest.pending - recovery.pending
        if excess > 1:
            largest.give_up(min(excess // 2, _STEP))
