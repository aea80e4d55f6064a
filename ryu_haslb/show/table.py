"""Tables in the manner of IOS: a heading, a rule, rows; streamed, so that a million rows need no more room than one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """A heading and the width that its column has, the gap to the next one included."""

    heading: str
    width: int


class Heading(str):
    """A line above the rows of a table. It is no row, so nobody counts it."""

    __slots__ = ()


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a table. A value wider than its column pushes the rest of the row aside, as in IOS."""
    yield Heading(_line(columns, [column.heading for column in columns]))
    yield Heading("-" * sum(column.width for column in columns))
    for row in rows:
        yield _line(columns, [str(value) for value in row])


def _line(columns: Sequence[Column], values: Sequence[str]) -> str:
    cells = [value.ljust(column.width - 1) for column, value in zip(columns, values)]
    return " ".join(cells).rstrip()
