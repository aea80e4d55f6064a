"""How the configuration of a running balancer is changed.

The commands of the control socket, HTTP, SIGHUP and the cluster all call these functions. They return values (changes,
diagnostics); each caller words them in its own way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Callable, Optional

import eventlet
import eventlet.semaphore

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control.change_log import log_applied
from ryu_haslb.control.operations import Application, clear_sessions
from ryu_haslb.control.plans import PlanChangedError, consequences, ends, identifier_of
from ryu_haslb.control.reader_process import read_aside
from ryu_haslb.control.reading import Job, Outcome
from ryu_haslb.control.rollback import SOURCE
from ryu_haslb.language.diagnostics import Diagnostic
from ryu_haslb.show.state_history import Kind
from ryu_haslb.slb.session_filter import SessionFilter

#: One change of the configuration at a time: each begins with the configuration that the one before has left.
_change = eventlet.semaphore.Semaphore()
#: An operator who uses the control socket.
CONSOLE = "console"


@dataclass(frozen=True)
class Change:
    """A change of the configuration, planned or in force now.

    ``changes`` has a line for each command that is removed (``-``) or added (``+``), none if nothing changes;
    ``warnings`` come from the reader of the configuration; ``notes`` say what else the operator has to do.
    ``consequences`` are sentences about sessions that end or move. ``plan`` stands for this change and no other.
    """

    changes: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    notes: tuple[str, ...]
    consequences: tuple[str, ...] = ()
    plan: str = field(default="", compare=False)


def apply_file(
    application: Application, path: str, *, is_merged: bool = False, plan: Optional[str] = None, by: str = CONSOLE
) -> Change:
    """Replace the configuration in force by that of a file, in the language of IOS or YAML; in a cluster for all.

    A file that ``is_merged`` is executed after what is in force, as IOS does. ``plan`` is the identifier of a change
    that :func:`plan_file` has returned: no other change is applied. ``by`` names the author of the change in the log.

    Raises: ConfigurationError if the file cannot be read or has an error, PlanChangedError; then nothing changes.
    """
    return _apply(application, lambda before: Job(path, before, is_merged=is_merged), by, plan)


def plan_file(application: Application, path: str, *, is_merged: bool = False) -> Change:
    """What :func:`apply_file` would change. Raises: ConfigurationError."""
    outcome = read_aside(Job(path, application.sources.configuration, is_merged=is_merged))
    return _change_of(application, outcome)


def apply_shared(application: Application, text: str, source: str, is_due: Callable[[], bool]) -> Optional[Change]:
    """Replace the configuration in force by this text, which another member of the cluster has committed.

    None if it is no longer due when it is the turn of this change. Raises: ConfigurationError; then nothing changes.
    """
    with _change:
        if not is_due():
            return None
        before = application.sources.configuration
        outcome = read_aside(Job(source, before, text=text))
        change = _change_of(application, outcome)
        _replace(application, before, outcome)
        _record(application, source, change)
        return change


def apply_commands(application: Application, text: str, source: str, by: str = CONSOLE) -> Change:
    """Apply configuration commands, one a line, to the configuration in force.

    ``source`` names them in diagnostics, and ``by`` says in the log who has given them.

    Raises: ConfigurationError if one of them has an error; then nothing changes.
    """
    return _apply(application, lambda before: Job(source, before, text), by)


def roll_back(application: Application, now: Callable[[], float]) -> Change:
    """Go back to the configuration that was in force when ``configure confirm MINUTES`` was given.

    Raises: NotArmedError, RollingBackError; ConfigurationError or UndecidedError if it has to be tried again.
    """
    text = application.rollback.begin()
    succeeded = False
    try:
        change = _apply(application, lambda before: Job(SOURCE, before, text=text), SOURCE)
        succeeded = True
    finally:
        application.rollback.end(succeeded, now())
    return change


def _apply(
    application: Application, job_of: Callable[[Configuration], Job], by: str, plan: Optional[str] = None
) -> Change:
    """Read a file, or commands, while requests are served; then replace the configuration in force."""
    with _change:
        before = application.sources.configuration
        job = job_of(before)
        seen = application.startup_file.seen(job.source)
        outcome = read_aside(job)
        change = _change_of(application, outcome)
        if plan not in (None, change.plan):
            raise PlanChangedError
        confirm_by = application.rollback.confirm_by(time.monotonic(), time.time())
        on_applied = application.commit_configuration(outcome.text, job.source + confirm_by, job.basis)
        _replace(application, before, outcome)
        reports = on_applied()
        application.startup_file.record(seen)
        _record(application, job.source, change)
        log_applied(by, change.changes, outcome.configuration, change.consequences)
    return replace(change, notes=(*change.notes, *reports))


def _record(application: Application, source: str, change: Change) -> None:
    history = application.sources.history
    if history is not None and change.changes:
        history.record(Kind.CONFIGURATION, source, f"{len(change.changes)} lines", "none")


def _change_of(application: Application, outcome: Outcome) -> Change:
    found = []
    for sentence in consequences(application.sources, outcome.configuration) if outcome.changes else ():
        if sentence is None:
            eventlet.sleep(0)
        else:
            found.append(sentence)
    return Change(outcome.changes, outcome.warnings, outcome.notes, tuple(found), identifier_of(outcome.digest))


def _replace(application: Application, before: Configuration, outcome: Outcome) -> None:
    for name in before.virtual_servers:
        if ends(before.virtual_servers[name], outcome.configuration):
            clear_sessions(application, SessionFilter(name))  # in slices: many at once would stop the balancer
    application.configure(outcome.configuration)
