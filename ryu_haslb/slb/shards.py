"""Large tables without long steps: a dictionary in parts, and the one way to go through many values in slices.

A dictionary that grows is copied as a whole whenever it is full: with 700,000 entries that takes 30 ms, in which no
request is served. A table of :data:`MAX_UNDIVIDED` entries or more is therefore kept in :data:`SHARDS` dictionaries, by
the low bits of the hash of its keys. Each of them is copied at its own time, within a fraction of a millisecond.

:func:`in_slices` takes values out of such parts, some thousand with each step, and needs no copy of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, Generic, Optional, TypeVar

K = TypeVar("K")
V = TypeVar("V")

#: The number of dictionaries that a large table is divided into; a power of two.
SHARDS: Final = 256
#: Entries up to which a table is one dictionary, which keeps the order of insertion.
MAX_UNDIVIDED: Final = 8192
#: Python does not give back the memory of removed entries. So the dictionaries of a table are rebuilt when it has this
#: many times fewer entries than at its peak, if it had more than the second number then.
_SHRINK_FACTOR: Final = 16
_MIN_SHRINK_SIZE: Final = 10_000
#: Entries that are removed between the rebuilding of one dictionary and of the next.
_SHRINK_STEP: Final = 8


def in_slices(parts: Iterable[Iterable[V]], limit: int) -> Iterator[list[V]]:
    """What the parts contain, in lists of ``limit`` and a last one that may be shorter.

    A part is read when its turn comes: what is added meanwhile may be missing, and what was removed may still be there.
    """
    waiting: list[V] = []
    for part in parts:
        waiting += part
        while len(waiting) >= limit:
            yield waiting[:limit]
            del waiting[:limit]
    if waiting:
        yield waiting


def place_of(key: object) -> tuple[int, int]:
    """The place of a key in an order that a table keeps while it grows and shrinks; no other key may have its hash."""
    return hash(key) % SHARDS, hash(key)


class Shards(Generic[K, V]):
    """A dictionary without long steps: ``size`` entries, that of a key in ``shards[hash(key) & mask]``.

    The request path reads these three attributes itself: to call a method would cost more than what the method does.
    """

    __slots__ = ("_next_to_shrink", "_peak", "mask", "shards", "size")

    def __init__(self) -> None:
        self.shards: list[dict[K, V]] = [{}]
        self.mask = 0
        self.size = 0
        self._peak = 0
        self._next_to_shrink = 0

    def __len__(self) -> int:
        return self.size

    def __contains__(self, key: K) -> bool:
        return key in self.shards[hash(key) & self.mask]

    def get(self, key: K) -> Optional[V]:
        """The value of a key; None if it has none."""
        return self.shards[hash(key) & self.mask].get(key)

    def add(self, key: K, value: V) -> bool:
        """Add an entry. False, and nothing is added, if the key has one."""
        shard = self.shards[hash(key) & self.mask]
        if key in shard:
            return False
        shard[key] = value
        self.size += 1
        if not self.mask and self.size > MAX_UNDIVIDED:
            self._divide()
        return True

    def pop(self, key: K) -> Optional[V]:
        """Remove an entry and return its value; None if the key has none."""
        value: Optional[V] = self.shards[hash(key) & self.mask].pop(key, None)
        if value is None:
            return None
        self._peak = max(self._peak, self.size)
        self.size -= 1
        if not self.size:
            self.shards, self.mask = [{}], 0
            self._peak = self._next_to_shrink = 0
        elif not self.size % _SHRINK_STEP and self.size * _SHRINK_FACTOR < self._peak > _MIN_SHRINK_SIZE:
            self._shrink_one()
        return value

    def values(self) -> Iterator[V]:
        """Every value; the table must not change meanwhile. As long as it is not divided, in the order of insertion."""
        return chain.from_iterable(shard.values() for shard in self.shards)

    def slices(self, limit: int) -> Iterator[list[V]]:
        """Every value in slices (:func:`in_slices`); the table may change between two of them."""
        return in_slices((shard.values() for shard in self.shards), limit)

    def in_order(self, after: Optional[K], limit: int) -> Iterator[list[V]]:
        """The values of keys behind this one (None: of all keys) in the order of :func:`place_of`, in slices.

        A reader that stops, and later goes on behind the last key that it has read, misses no entry that was there all
        the time.
        """
        return in_slices(self._parts_in_order(after), limit)

    def _parts_in_order(self, after: Optional[K]) -> Iterator[list[V]]:
        first = 0 if after is None else place_of(after)[0]
        parts: Sequence[Iterable[K]] = self.shards
        if not self.mask:
            parts = lists = [list[K]() for _ in range(SHARDS)]
            for key in self.shards[0]:
                lists[hash(key) % SHARDS].append(key)
        for number in range(first, SHARDS):
            keys = sorted(parts[number], key=hash)
            if after is not None and number == first:
                keys = [key for key in keys if hash(key) > hash(after)]
            yield [value for value in map(self.get, keys) if value is not None]

    def _divide(self) -> None:
        undivided = self.shards[0]
        self.shards = [{} for _ in range(SHARDS)]
        self.mask = SHARDS - 1
        for key, value in undivided.items():
            self.shards[hash(key) & self.mask][key] = value

    def _shrink_one(self) -> None:
        """Give back the memory of a storm, one dictionary after the other."""
        number = self._next_to_shrink
        self.shards[number] = dict(self.shards[number])
        self._next_to_shrink = (number + 1) % len(self.shards)
        if not self._next_to_shrink:
            self._peak = max(self.size, _MIN_SHRINK_SIZE)
