"""What is wrong with, or remarkable about, a configuration file: each finding with its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnostic:
    """One finding. ``line`` counts from 1; 0 means that it is about the file as a whole."""

    source: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.text}" if self.line else f"{self.source}: {self.text}"


class ConfigurationError(Exception):
    """A configuration that cannot be used; it carries every error found, and prints them one a line."""

    def __init__(self, errors: Iterable[Diagnostic]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


class Diagnostics:
    """Collects the errors and warnings of one file."""

    #: Beyond this a file is nonsense and reading stops.
    MOST_ERRORS = 100

    def __init__(self, source: str) -> None:
        self.source = source
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []

    def error(self, line: int, text: str) -> None:
        """Note an error; raises ConfigurationError when there are too many to go on."""
        self.errors.append(Diagnostic(self.source, line, text))
        if len(self.errors) == self.MOST_ERRORS:
            self.errors.append(Diagnostic(self.source, line, "too many errors; the rest is not looked at"))
            self.stop_on_errors()

    def warning(self, line: int, text: str) -> None:
        """Note something that does not keep the file from being used."""
        self.warnings.append(Diagnostic(self.source, line, text))

    def stop_on_errors(self) -> None:
        """Raise what has been collected, in the order of the lines, if there is any error."""
        if self.errors:
            raise ConfigurationError(sorted(self.errors, key=lambda error: error.line))

    def sorted_warnings(self) -> tuple[Diagnostic, ...]:
        """The warnings in the order of the lines."""
        return tuple(sorted(self.warnings, key=lambda warning: warning.line))
