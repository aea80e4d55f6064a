"""How much a property or a slow test gets of examples, cases and simulated time: all in ``ci``, a share in ``dev``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from hypothesis import settings

_T = TypeVar("_T")


def examples(full: int) -> int:
    """Scale a number of examples by the profile in force: all of them in ``ci``, a share in ``dev``, at least one."""
    return max(1, full * settings().max_examples // settings.get_profile("ci").max_examples)


def some(cases: Iterable[_T]) -> list[_T]:
    """All cases of a slow test in ``ci``; in ``dev`` the same share as of examples, at least the first and the last."""
    every = list(cases)
    count = min(len(every), max(2, examples(len(every))))
    return [every[number * (len(every) - 1) // (count - 1)] for number in range(count)]


def seconds(full: float, least: float) -> float:
    """The simulated seconds of a slow history: all in ``ci``, a share as of examples in ``dev``, but ``least``."""
    return max(least, full * settings().max_examples / settings.get_profile("ci").max_examples)
