"""Reads the parts of a description so that every error is recorded, not only the first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Callable, Optional, TypeVar, cast

import yaml

from ryu_haslb.configuration.yaml.nodes import NodeError, entries, items, required, unknown_key
from ryu_haslb.errors import HaslbError
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic, Diagnostics

Value = TypeVar("Value")

#: Bytes of a description: enough for far more nodes than one machine can run.
MAX_FILE_SIZE = 1 << 16


class PartError(HaslbError):
    """A part of the description has errors, which are recorded already."""


def read_text(path: Path, expected: str) -> str:
    """The text of a file. Raises ConfigurationError with its name and ``expected`` if it cannot be read."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_SIZE + 1)
        if len(data) > MAX_FILE_SIZE:
            raise ValueError(f"larger than {MAX_FILE_SIZE >> 10} KiB")
        return data.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigurationError([Diagnostic(str(path), 0, f"cannot be read: {reason}; expected {expected}")]) from None


class Notes:
    """Records errors while a description is read, so that reading continues after each."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self._diagnostics = diagnostics

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """A context that records the error of one part and continues."""
        try:
            yield
        except NodeError as error:
            self._diagnostics.error(error.line, str(error))
        except PartError:
            pass

    def each(self, node: yaml.Node, what: str, read: Callable[[str, int, yaml.Node], Value]) -> list[Value]:
        """The results of ``read`` for each entry of a mapping (key, line, value) without errors."""
        found = []
        with self.noting():
            for key, line, value in entries(node, what):
                with self.noting():
                    found.append(read(key, line, value))
        return found

    def each_item(self, node: yaml.Node, what: str, read: Callable[[yaml.Node], Value]) -> list[Value]:
        """The results of ``read`` for each item of a list without errors."""
        found = []
        with self.noting():
            for item in items(node, what):
                with self.noting():
                    found.append(read(item))
        return found


class Fields:
    """The keys of one part. Read them all, then call :meth:`finish`, and only then use the values."""

    def __init__(self, notes: Notes, node: yaml.Node, what: str, known: Iterable[str]) -> None:
        self._notes = notes
        self._node = node
        self._what = what
        self._complete = True
        self._found: dict[str, yaml.Node] = {}
        names = tuple(known)
        for name, line, value in entries(node, what):
            with self._noting():
                if name not in names:
                    raise unknown_key(line, name, what, names)
                self._found[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def need(self, name: str, read: Callable[[yaml.Node], Value]) -> Value:
        """The value of a key that must be there."""
        with self._noting():
            return read(required(self._found, name, self._node, self._what))
        return cast(Value, None)  # not used: finish() raises

    def get(self, name: str, read: Callable[[yaml.Node], Value]) -> Optional[Value]:
        """The value of a key that may be left out."""
        return self.need(name, read) if name in self._found else None

    def each(self, name: str, read: Callable[[str, int, yaml.Node], Value]) -> list[Value]:
        """The results of ``read`` for each entry (key, line, value) of the mapping at a key; empty without the key."""
        return self.get(name, lambda node: self._notes.each(node, name, read)) or []

    def each_item(self, name: str, read: Callable[[yaml.Node], Value]) -> list[Value]:
        """The results of ``read`` for each item of the list at a key; empty without the key."""
        return self.get(name, lambda node: self._notes.each_item(node, name, read)) or []

    def finish(self) -> None:
        """Raises: PartError if a key or value had an error."""
        if not self._complete:
            raise PartError

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        complete, self._complete = self._complete, False
        with self._notes.noting():
            yield
            self._complete = complete
