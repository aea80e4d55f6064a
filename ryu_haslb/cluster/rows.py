"""Rows of the database as plain values, and what has to change so that a table has the wanted rows. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple, Optional, Union

from ryu_haslb.language.wording import printable

#: What a column holds: an atom, or a set of atoms as a sorted tuple.
Value = Union[str, int, bool, tuple[int, ...], tuple[str, ...]]
#: A row by the names of its columns.
Columns = Mapping[str, Value]
#: The values of the columns that tell a row from all others of its table.
Key = tuple[Value, ...]


class Kind(NamedTuple):
    """A table: its name, the columns of its key, and the others."""

    table: str
    key: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        return self.key + self.values

    def key_of(self, row: Columns) -> Key:
        """The key of a row."""
        return tuple(row[column] for column in self.key)


@dataclass
class Changes:
    """What is to be done to a table. Rows that are there already are named by their identifiers.

    ``verify`` names a column: rows that are updated or deleted must not have another value there by then.
    """

    kind: Kind
    insert: list[Columns] = field(default_factory=list)
    update: dict[Any, Columns] = field(default_factory=dict)
    delete: list[Any] = field(default_factory=list)
    verify: Optional[str] = None

    def __len__(self) -> int:
        return len(self.insert) + len(self.update) + len(self.delete)

    def first(self, number: int) -> Changes:
        """Some of the changes, deletions first: what a transaction of a limited size can have."""
        delete = self.delete[:number]
        update = dict(list(self.update.items())[: number - len(delete)])
        return Changes(self.kind, self.insert[: number - len(delete) - len(update)], update, delete)


def shown(value: object, limit: int) -> str:
    """What a column has, which may be anything, as a text of at most so many characters for logs and terminals."""
    return printable(str(value)[:limit])


def difference(
    kind: Kind,
    present: Mapping[Any, Columns],
    wanted: Iterable[Columns],
    is_owned: Callable[[Columns], bool] = lambda _: True,
) -> Changes:
    """What turns the ``present`` rows (by identifier) into the ``wanted`` ones; rows that are not owned are left alone.

    An update has only the columns that differ.
    """
    changes = Changes(kind)
    missing: dict[Hashable, Columns] = {kind.key_of(row): row for row in wanted}
    for identifier, row in present.items():
        if not is_owned(row):
            missing.pop(kind.key_of(row), None)
            continue
        row_wanted = missing.pop(kind.key_of(row), None)
        if row_wanted is None:
            changes.delete.append(identifier)
            continue
        differing = {column: row_wanted[column] for column in kind.values if row_wanted[column] != row[column]}
        if differing:
            changes.update[identifier] = differing
    changes.insert += missing.values()
    return changes
