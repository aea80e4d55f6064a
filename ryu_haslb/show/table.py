"""Tables in the manner of IOS: headings, a rule, rows. Streamed: a million rows need no more memory than one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, Optional

from ryu_haslb.show.column_types import Row


class Column(NamedTuple):
    """A column of a table: the key of its values in a row, its heading, and its width with the gap to the next."""

    key: str
    heading: str
    width: int


class Heading(str):
    """A line above the rows of a table. ``| count`` does not count it."""

    __slots__ = ()


def table(columns: Sequence[Column], rows: Iterable[Optional[Row]]) -> Iterator[Optional[str]]:
    """The lines of a table of two or more columns. A value wider than its column shifts the rest of its line, as in
    IOS. None among the rows is a pause, and is passed on."""
    widths = [column.width for column in columns]
    values = itemgetter(*(column.key for column in columns))
    yield Heading(_line(widths, [column.heading for column in columns]))
    yield Heading("-" * sum(widths))
    for row in rows:
        yield None if row is None else _line(widths, map(str, values(row)))


def _line(widths: Sequence[int], values: Iterable[str]) -> str:
    return " ".join([value.ljust(width - 1) for width, value in zip(widths, values)]).rstrip()
