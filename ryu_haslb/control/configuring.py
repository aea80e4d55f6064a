"""How the configuration of a running balancer is changed.

The commands of the control socket, HTTP, SIGHUP and the cluster all call these functions. They return values (changes,
diagnostics); each caller words them in its own way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Callable, Optional

import eventlet.semaphore

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control.operations import Application, clear_sessions
from ryu_haslb.control.reader_process import read_aside
from ryu_haslb.control.reading import Job, Outcome
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic

#: One change of the configuration at a time: each begins with the configuration that the one before has left.
_change = eventlet.semaphore.Semaphore()


@dataclass(frozen=True)
class Applied:
    """The outcome of a configuration that is in force now.

    ``changes`` has a line for each command that was removed (``-``) or added (``+``), none if nothing changed;
    ``warnings`` come from the reader of the configuration; ``notes`` say what else the operator has to do.
    """

    changes: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    notes: tuple[str, ...]


def apply_file(application: Application, path: str) -> Applied:
    """Replace the configuration in force by that of a file, in the language of IOS or YAML; in a cluster for all.

    Raises: ConfigurationError if the file cannot be read or has an error; then nothing changes.
    """
    _check_file(path)
    return _apply(application, path)


def compare_file(application: Application, path: str) -> tuple[str, ...]:
    """The changes that lead from the configuration in force to that of a file. Raises: ConfigurationError."""
    _check_file(path)
    return read_aside(Job(path, application.sources.configuration)).changes


def apply_shared(application: Application, text: str, source: str, is_due: Callable[[], bool]) -> Optional[Applied]:
    """Replace the configuration in force by this text, which another member of the cluster has committed.

    None if it is no longer due when it is the turn of this change. Raises: ConfigurationError; then nothing changes.
    """
    with _change:
        if not is_due():
            return None
        before = application.sources.configuration
        return _replace(application, before, read_aside(Job(source, before, text=text)))


def apply_commands(application: Application, text: str, source: str) -> Applied:
    """Apply configuration commands, one a line, to the configuration in force. ``source`` names them in diagnostics.

    Raises: ConfigurationError if one of them has an error; then nothing changes.
    """
    return _apply(application, source, text)


def _check_file(path: str) -> None:
    if os.path.exists(path) and not os.path.isfile(path):  # opening a pipe would stop the whole process
        raise ConfigurationError([Diagnostic(path, 0, "not a regular file; expected a file")])


def _apply(application: Application, source: str, commands: Optional[str] = None) -> Applied:
    """Read a file, or commands, while requests are served; then replace the configuration in force."""
    with _change:
        before = application.sources.configuration
        outcome = read_aside(Job(source, before, commands))
        reports = application.commit_configuration(outcome.text, source)
        applied = _replace(application, before, outcome)
    return replace(applied, notes=(*applied.notes, *reports))


def _replace(application: Application, before: Configuration, outcome: Outcome) -> Applied:
    for name in _ending_servers(before, outcome.configuration):
        clear_sessions(application, name)  # in slices: all at once, many sessions would stop the balancer
    application.configure(outcome.configuration)
    return Applied(outcome.changes, outcome.warnings, outcome.notes)


def _ending_servers(before: Configuration, after: Configuration) -> Iterator[str]:
    """The virtual servers that lose their sessions: those that are removed, or have another address."""
    for name, server in before.virtual_servers.items():
        kept = after.virtual_servers.get(name)
        if kept is None or kept.address != server.address:
            yield name
