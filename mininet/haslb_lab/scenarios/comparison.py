"""Compares the output of a command with what is expected in the chapter's place, line by line.

Words must be equal; spacing is ignored, because the scan of the chapter lost it. Values that differ in every run (a
time, a date, a NAI hash, an SPI, the numbers and the lifetime of a security association) must have the same shape. The
rows of a table may come in any order.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple, Optional

from haslb_lab.scenarios.chapter_block import Line

_SHAPES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^\*[A-Z][a-z]{2} \d{1,2} \d\d:\d\d:\d\d(?:\.\d{3})?:", "<time>"),
        (r"(?<!\S)\d\d:\d\d:\d\d(?!\S)", "<time>"),
        (r"(?<!\S)\d\d/\d\d/\d\d(?!\S)", "<date>"),
        (r"(?<!\S)[0-9A-F]{16}(?!\S)", "<hash>"),
        (r"(?<=spi: )0x[0-9A-F]{1,8}\(\d{1,10}\)", "<spi>"),
        (r"(?<=outbound spi: )[0-9A-F]{1,8}(?!\S)", "<spi>"),
        (r"(?<=conn id: )\d+", "<number>"),
        (r"(?<=flow_id: )\d+", "<number>"),
        (r"(?<=lifetime \(k/sec\): )\(\d+/\d+\)", "<lifetime>"),
    )
)
#: The shape of the ruler line below a table's heading.
RULE = "<rule>"
_RULE = re.compile(r"\s*-{5,}\s*")


class Pair(NamedTuple):
    """A line of the chapter and its counterpart here; None if there is none. ``same``: it is what is expected."""

    line: Optional[Line]
    here: Optional[str]
    same: bool

    @property
    def printed(self) -> Optional[str]:
        """The line as the chapter prints it; a row that is missed and not printed, as it is expected."""
        if self.line is None:
            return None
        return self.line.printed if self.same else self.line.printed or self.line.expected

    @property
    def is_adapted(self) -> bool:
        """Whether it is what is expected, and something else is printed."""
        return self.same and self.line is not None and self.line.printed is not None and self.line.is_adapted


@dataclass
class Tally:
    """What a run has compared: outputs and those that differ; lines as printed and adapted ones; more rows."""

    outputs: int = 0
    differences: int = 0
    printed: int = 0
    adapted: int = 0
    more: int = 0

    def add(self, pairs: Sequence[Pair]) -> None:
        """Count an output."""
        self.outputs += 1
        self.differences += not agree(pairs)
        for line in (pair.line for pair in pairs if pair.same and pair.line is not None):
            self.more += line.printed is None
            self.adapted += line.printed is not None and line.is_adapted
            self.printed += not line.is_adapted


def shape(line: str) -> str:
    """What must be equal: the words of the line, with placeholders for values that differ in every run."""
    words = " ".join(line.split())
    for pattern, name in _SHAPES:
        words = pattern.sub(name, words)
    return RULE if _RULE.fullmatch(words) else words


def lay_beside(chapter: Sequence[Line], here: Sequence[str]) -> list[Pair]:
    """Pair the lines of two texts. Empty lines are ignored, and what is printed only has no counterpart."""
    written = [line for line in chapter if (line.expected or line.printed or "").strip()]
    end = _end_of_heading([line.expected or "" for line in written])
    there = [line for line in here if line.strip()]
    there_end = _end_of_heading(there)
    heading = _in_order(written[:end], there[:there_end])
    return [*heading, *_in_any_order(written[end:], there[there_end:])]


def agree(pairs: Iterable[Pair]) -> bool:
    """Whether all pairs of two texts are the same."""
    return all(pair.same for pair in pairs)


def _end_of_heading(lines: Sequence[str]) -> int:
    """How many lines there are up to the ruler below a table's heading; all of them if there is no table."""
    return next((number for number, line in enumerate(lines, 1) if shape(line) == RULE), len(lines))


def _in_order(chapter: Sequence[Line], here: Sequence[str]) -> Iterator[Pair]:
    left = deque(chapter)
    for line, other, same in _compared([line for line in chapter if line.expected is not None], here):
        while line is not None and left[0] is not line:
            yield Pair(left.popleft(), None, True)
        if line is not None:
            left.popleft()
        yield Pair(line, other, same)
    yield from (Pair(line, None, True) for line in left)


def _compared(chapter: Sequence[Line], here: Sequence[str]) -> Iterator[Pair]:
    """Pair lines that are expected with those that are there, both in their order."""
    matcher = SequenceMatcher(None, list(map(_shape, chapter)), list(map(shape, here)), autojunk=False)
    for kind, first, last, other_first, other_last in matcher.get_opcodes():
        for line, other in zip_longest(chapter[first:last], here[other_first:other_last]):
            yield Pair(line, other, kind == "equal")


def _in_any_order(chapter: Sequence[Line], here: Sequence[str]) -> Iterator[Pair]:
    """Pair each row with one of the same shape. Rows without a counterpart are paired at the end."""
    free: dict[str, list[int]] = {}
    for number in reversed(range(len(here))):
        free.setdefault(shape(here[number]), []).append(number)
    missing = []
    for line in chapter:
        candidates = free.get(_shape(line))
        if line.expected is None:
            yield Pair(line, None, True)
        elif candidates:
            yield Pair(line, here[candidates.pop()], True)
        else:
            missing.append(line)
    surplus = [here[number] for number in sorted(number for numbers in free.values() for number in numbers)]
    for absent, other in zip_longest(missing, surplus):
        yield Pair(absent, other, False)


def _shape(line: Line) -> str:
    return shape(line.expected or "")
