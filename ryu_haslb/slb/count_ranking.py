"""A ranking by count: which of many has the most, up to a factor of two. Each step takes constant time.

The ranking keeps its members by the number of binary digits of their counts, their *level*. A level changes only when
a count reaches a power of two, or falls below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Optional, TypeVar


class Counted:
    """Something with a ``count``. ``level`` is the number of its binary digits. A :class:`Ranking` changes both."""

    __slots__ = ("count", "level")

    def __init__(self) -> None:
        self.count = 0
        self.level = 0


T = TypeVar("T", bound=Counted)


class Ranking(Generic[T]):
    """The members with a count above 0, by level."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels: list[dict[T, None]] = []

    def __iter__(self) -> Iterator[T]:
        """All members, the lowest level first."""
        return (each for level in self._levels for each in level)

    def most(self) -> Optional[T]:
        """A member whose count is more than half of the highest one; None if there is no member."""
        levels = self._levels
        while levels and not levels[-1]:
            levels.pop()
        return next(iter(levels[-1])) if levels else None

    def increase(self, each: T) -> None:
        """Count one more."""
        count = each.count = each.count + 1
        if not count & count - 1:  # a power of two: one more binary digit
            self._change_level(each, count.bit_length())

    def decrease(self, each: T) -> None:
        """Count one less."""
        count = each.count = each.count - 1
        if not count & count + 1:  # one binary digit less
            self._change_level(each, count.bit_length())

    def _change_level(self, each: T, level: int) -> None:
        levels = self._levels
        if each.level:
            del levels[each.level - 1][each]
        each.level = level
        if level:
            while len(levels) < level:
                levels.append({})
            levels[level - 1][each] = None
