"""What a ``show`` command is: its rows, and how they are printed.

Each command has a file of its name in this room. A new column is there: one line in the type of the row, one where the
row is filled, and one where it is printed. The API and its JSON Schema have the column then without further work.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable, Generic, Optional, TypeVar

from ryu_haslb.show.column_types import Row
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column, table
from ryu_haslb.slb.real import real_name

R = TypeVar("R", bound=Optional[Row])
#: Prints rows as lines.
Text = Callable[[Iterator[Any]], Iterator[Optional[str]]]


@dataclass(frozen=True)
class Report(Generic[R]):
    """The rows of a ``show`` command, and the lines that it prints for them. None among them is a pause."""

    rows: Callable[[Sources], Iterator[R]]
    text: Callable[[Iterator[R]], Iterator[Optional[str]]]


def as_json(rows: Iterator[Optional[Row]]) -> Iterator[Optional[str]]:
    """The lines of one JSON array. None among the rows lets other work run; it is passed on."""
    yield "["
    separator = " "
    for row in rows:
        if row is None:
            yield None
        else:
            yield separator + json.dumps(row)
            separator = ","
    yield "]"


def as_table(*columns: Column) -> Callable[[Iterator[Optional[Row]]], Iterator[Optional[str]]]:
    """Print rows as a table."""
    return lambda rows: table(columns, rows)


def as_lines(*patterns: str) -> Callable[[Iterator[Row]], Iterator[str]]:
    """Print each row as the same lines with its values filled in."""

    def text(rows: Iterator[Row]) -> Iterator[str]:
        for row in rows:
            for pattern in patterns:
                yield pattern.format(**row)

    return text


def with_ports(text: Text, port: str) -> Text:
    """Print the column ``real`` with the port, in the column ``port``, where that is not the default."""
    return lambda rows: text(row and {**row, "real": real_name(row["real"], row[port])} for row in rows)
