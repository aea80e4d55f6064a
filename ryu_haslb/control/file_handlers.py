"""Commands about whole configurations: merge a file, replace by a file, confirm, roll back, write the file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Callable

from eventlet import tpool

from ryu_haslb.configuration.ios.writer import has_secrets, write_configuration
from ryu_haslb.configuration.loader import framed, is_yaml
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control import configuring
from ryu_haslb.control.change_log import log_change
from ryu_haslb.control.command_table import COPY_RUNNING, DRY_RUN, NO_CHANGES, PLAN_LINE, WRITE_MEMORY, YES
from ryu_haslb.control.configuring import Change
from ryu_haslb.control.handler import Handler, RefusedError, Result, Words
from ryu_haslb.control.operations import Application
from ryu_haslb.language.diagnostics import ConfigurationError

_NO_CONSEQUENCES = "no session ends or moves"
# Files are written by one thread. Eventlet would begin twenty, and each of them may keep a descriptor of its own.
tpool.set_num_threads(1)


def changed(change: Callable[[], Change]) -> Result:
    """The lines that report a change. Raises: RefusedError with every diagnostic of one that is refused."""
    done = _unless_refused(change)
    return iter([*map(str, done.warnings), *(done.changes or [NO_CHANGES]), *done.consequences, *done.notes])


def _unless_refused(change: Callable[[], Change]) -> Change:
    try:
        return change()
    except ConfigurationError as error:
        raise RefusedError(f"{error}\nnothing was changed") from error


def _merge(application: Application, words: Words) -> Result:
    return _change_by_file(application, words, words["FILE"], is_merged=True)


def _replace(application: Application, words: Words) -> Result:
    return _change_by_file(application, words, words["FILE"], is_merged=False)


def _replace_from_own_file(application: Application, words: Words) -> Result:
    return _change_by_file(application, words, application.startup_file.path, is_merged=False)


def _change_by_file(application: Application, words: Words, path: str, *, is_merged: bool) -> Result:
    if DRY_RUN in words:
        return _planned(_unless_refused(lambda: configuring.plan_file(application, path, is_merged=is_merged)))
    plan = words.get("NAME")
    if plan is None and YES not in words:
        raise RefusedError(
            f"a change by a file needs a confirmation, and there is no terminal to ask at; {YES} applies it, {DRY_RUN} "
            "shows what it changes\nnothing was changed"
        )
    done = _unless_refused(lambda: configuring.apply_file(application, path, is_merged=is_merged, plan=plan))
    if plan is not None and done.changes:  # the operator has seen the rest
        return iter([f"applied, {len(done.changes)} lines changed", *done.notes])
    return iter([*_lines_of(done), *done.notes])


def _planned(change: Change) -> Iterator[str]:
    yield from _lines_of(change)
    yield from change.notes
    yield f"{PLAN_LINE}{change.plan}"


def _lines_of(change: Change) -> list[str]:
    lines = [*map(str, change.warnings), *(change.changes or [NO_CHANGES]), *change.consequences]
    return [*lines, _NO_CONSEQUENCES] if change.changes and not change.consequences else lines


def _confirm(application: Application, words: Words) -> Result:
    minutes, rollback = words.get("MINUTES"), application.rollback
    if minutes is None:
        rollback.confirm()
        return iter(["confirmed: the configuration in force stays; 'write memory' keeps it in the file"])
    rollback.arm(write_configuration(application.sources.configuration), minutes, time.monotonic())
    return iter([f"changes from now on roll back in {minutes} min unless 'configure confirm'"])


def _revert(application: Application, _: Words) -> Result:
    return changed(lambda: configuring.roll_back(application, time.monotonic))


def _show_rollback(application: Application, _: Words) -> Result:
    return iter([application.rollback.remark(time.monotonic()) or "no change waits to be confirmed"])


def _write_memory(application: Application, words: Words) -> Result:
    remark = application.rollback.remark(time.monotonic())
    if remark is not None:
        raise RefusedError(f"{remark}; confirm or revert the change before it is written\nnothing was written")
    configuration, file = application.sources.configuration, application.startup_file
    text = framed(_text(configuration, file.path), file.path)
    tpool.execute(file.write, text, is_forced=YES in words)
    log_change(configuring.CONSOLE, [f"written to {file.path}"])
    lines = [f"{file.path}: {len(text.splitlines())} lines written"]
    if file.is_open_to_others() and has_secrets(configuration):
        lines.append("it holds passwords or keys, and others than its owner may read it: chmod 600")
    return iter(lines)


def _text(configuration: Configuration, path: str) -> str:
    """The configuration in the form that the file has; see :func:`ryu_haslb.configuration.loader.load`."""
    if not is_yaml(path):
        return write_configuration(configuration)
    from ryu_haslb.configuration.yaml.writer import write_yaml  # noqa: PLC0415 - 13 ms of each start, and few use YAML

    return write_yaml(configuration)


#: The handler of each of these commands, by its template.
FILE_HANDLERS: dict[str, Handler] = {
    "configure FILE [--dry-run | --yes | --plan NAME]": _merge,
    "configure replace FILE [--dry-run | --yes | --plan NAME]": _replace,
    "configure --from-file [--dry-run | --yes | --plan NAME]": _replace_from_own_file,
    "configure confirm [MINUTES<1-1440>]": _confirm,
    "configure revert now": _revert,
    "show archive config rollback timer": _show_rollback,
    WRITE_MEMORY: _write_memory,
    COPY_RUNNING: _write_memory,
}
