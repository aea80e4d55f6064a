"""Compares the output of a command with the chapter's, line by line.

Words must be equal; spacing is ignored, because the scan of the chapter lost it. Values that differ in every run (a
time, a date, a NAI hash, an SPI, the numbers and the lifetime of a security association) must have the same shape. The
rows of a table may come in any order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple, Optional

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
    """A line of the chapter and its counterpart here; None if there is none."""

    chapter: Optional[str]
    here: Optional[str]
    same: bool


def shape(line: str) -> str:
    """What must be equal: the words of the line, with placeholders for values that differ in every run."""
    words = " ".join(line.split())
    for pattern, name in _SHAPES:
        words = pattern.sub(name, words)
    return RULE if _RULE.fullmatch(words) else words


def lay_beside(chapter: Sequence[str], here: Sequence[str]) -> list[Pair]:
    """Pair the lines of two texts. Empty lines are ignored."""
    chapter_head, chapter_rows = _cut(chapter)
    here_head, here_rows = _cut(here)
    return [*_in_order(chapter_head, here_head), *_in_any_order(chapter_rows, here_rows)]


def agree(pairs: Iterable[Pair]) -> bool:
    """Whether all pairs of two texts are the same."""
    return all(pair.same for pair in pairs)


def _cut(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines up to the ruler below a table's heading, and the rows of the table."""
    written = [line for line in lines if line.strip()]
    end = next((number for number, line in enumerate(written, 1) if shape(line) == RULE), len(written))
    return written[:end], written[end:]


def _in_order(chapter: Sequence[str], here: Sequence[str]) -> Iterator[Pair]:
    matcher = SequenceMatcher(None, [shape(line) for line in chapter], [shape(line) for line in here], autojunk=False)
    for kind, first, last, other_first, other_last in matcher.get_opcodes():
        for line, other in zip_longest(chapter[first:last], here[other_first:other_last]):
            yield Pair(line, other, kind == "equal")


def _in_any_order(chapter: Sequence[str], here: Sequence[str]) -> Iterator[Pair]:
    """Pair each row with one of the same shape. Rows without a counterpart are paired at the end."""
    free: dict[str, list[int]] = {}
    for number in reversed(range(len(here))):
        free.setdefault(shape(here[number]), []).append(number)
    missing = []
    for line in chapter:
        candidates = free.get(shape(line))
        if candidates:
            yield Pair(line, here[candidates.pop()], True)
        else:
            missing.append(line)
    surplus = [here[number] for number in sorted(number for numbers in free.values() for number in numbers)]
    for line, other in zip_longest(missing, surplus):
        yield Pair(line, other, False)
