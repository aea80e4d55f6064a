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


class RulesOfSwitch(Protocol):
    """The waiting rules of one switch."""

    def __len__(self) -> int: ...

    def give_up(self, count: int) -> None:
        """Forget so many of the rules, and :meth:`RecoveryRoom.release` them."""


class RecoveryRoom:
    """The waiting rules of all switches: ``pending`` is their number, ``targets`` that of the places they lead to."""

    def __init__(self) -> None:
        self.pending = self.targets = 0
        self._of_switches: set[RulesOfSwitch] = set()

    def has_room(self, rules: RulesOfSwitch, places: int) -> bool:
        """Whether another rule may wait, where the limit allows so many further sessions; another switch may give up
        some for it."""
        if self.pending >= places:
            self._make_room(rules)
        return self.pending < places

    def take(self, rules: RulesOfSwitch, count: int = 1) -> None:
        """So many further rules of a switch wait."""
        self._of_switches.add(rules)
        self.pending += count

    def release(self, count: int = 1) -> None:
        """So many rules do not wait any more."""
        self.pending -= count

    def has_room_for_target(self, own: int) -> bool:
        """Whether the rules of a switch that has so many targets may have another one."""
        return self.targets < MAX_TARGETS_OF_ALL or own < MIN_TARGETS

    def end(self, rules: RulesOfSwitch, targets: int) -> None:
        """The rules of a switch are no longer waited for; they led to so many targets."""
        self.targets -= targets
        if rules in self._of_switches:
            self._of_switches.remove(rules)
            self.pending -= len(rules)

    def _make_room(self, rules: RulesOfSwitch) -> None:
        largest = max(self._of_switches, key=len, default=rules)
        excess = len(largest) - len(rules)
        if excess > 1:
            largest.give_up(min(excess // 2, _STEP))
