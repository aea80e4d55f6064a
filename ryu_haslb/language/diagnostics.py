"""Errors and warnings about a file, each with its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ryu_haslb.errors import HaslbError


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning. ``source`` is the file, ``line`` counts from 1; 0 is the file as a whole."""

    source: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.text}" if self.line else f"{self.source}: {self.text}"


class ConfigurationError(HaslbError):
    """A configuration that cannot be used. It carries all errors that were found; as text, one on each line."""

    def __init__(self, errors: Iterable[Diagnostic]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


class Diagnostics:
    """Collects the errors and warnings of one file."""

    #: After this many errors reading stops: the file is not a configuration.
    MAX_ERRORS = 100

    def __init__(self, source: str) -> None:
        self.source = source
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []

    def error(self, line: int, text: str) -> None:
        """Record an error. Raises ConfigurationError at :data:`MAX_ERRORS`."""
        self.errors.append(Diagnostic(self.source, line, text))
        if len(self.errors) == self.MAX_ERRORS:
            self.errors.append(Diagnostic(self.source, line, "too many errors; reading stops here"))
            self.stop_on_errors()

    def warning(self, line: int, text: str) -> None:
        """Record a warning: the file can be used all the same."""
        self.warnings.append(Diagnostic(self.source, line, text))

    def stop_on_errors(self) -> None:
        """Raise ConfigurationError with all errors in the order of their lines, if there is any."""
        if self.errors:
            raise ConfigurationError(sorted(self.errors, key=lambda error: error.line))

    def sorted_warnings(self) -> tuple[Diagnostic, ...]:
        """The warnings in the order of their lines."""
        return tuple(sorted(self.warnings, key=lambda warning: warning.line))
