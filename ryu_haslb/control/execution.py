"""Carries out one command line: finds the command, calls its handler, then filters and formats the result."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple, Optional

from ryu_haslb.control import output_filters
from ryu_haslb.control.command_table import BALANCER_COMMANDS, SECRETS, Executor
from ryu_haslb.control.handler import Events, RefusedError, Result
from ryu_haslb.control.handlers import HANDLERS
from ryu_haslb.control.operations import Application, require_leader
from ryu_haslb.control.output_filters import Form, Items
from ryu_haslb.control.protocol import HELP, JSON_FLAG, error_lines, help_answer
from ryu_haslb.errors import HaslbError
from ryu_haslb.language.grammar import END, Expectation, expected, match
from ryu_haslb.show.redundancy import standing_by
from ryu_haslb.show.report import Report, as_json

TEXT = Form(str, "Number of lines: {}".format)
JSON = Form(json.dumps, lambda total: {"count": total})


class Output(NamedTuple):
    """What a command prints.

    None among the lines is a pause: the search for the next line goes on, and the caller may do other work first.
    A ``live`` output has no end; each of its lines must be sent at once.
    """

    lines: Iterator[Optional[str]]
    live: bool = False


def execute(application: Application, words: Sequence[str], is_root: bool = False) -> Output:
    """Carry out a command; ``is_root`` is whether root asks for it.

    ``--json``, as its last word or before the filters, asks for JSON; ``|`` begins a filter.

    An error is output as well: lines that begin with the protocol's error mark. A first word ``?`` asks which words
    may stand in the place of the last one.
    """
    try:
        if words and words[0] == HELP:
            asked = words[1:] or [""]
            return Output(iter(help_answer(completions(asked[:-1], asked[-1]))))
        return _output(application, words, is_root)
    except HaslbError as error:
        return Output(iter(error_lines(error)))


def completions(words: Sequence[str], prefix: str) -> tuple[Expectation, ...]:
    """The words that may follow ``words`` and begin with ``prefix``, as ``?`` shows them.

    Raises: CommandError if ``words`` begin no command.
    """
    command, pipes = output_filters.split(words)

    def offered(beginning: str) -> tuple[Expectation, ...]:
        if pipes:
            return expected(output_filters.FILTERS, pipes[-1], beginning)
        return expected(BALANCER_COMMANDS, command, beginning)

    if JSON_FLAG in words or offered("")[-1:] != (_END,):
        return offered(prefix)
    return (*offered(prefix), *(each for each in _OUTPUT_OPTIONS if each.word.startswith(prefix)))


_END = Expectation(END, "")
_OUTPUT_OPTIONS = (
    Expectation("|", "Select or count lines"),
    Expectation(JSON_FLAG, "The same as JSON, with all fields"),
)


def _output(application: Application, words: Sequence[str], is_root: bool) -> Output:
    as_rows = bool(words) and words[-1] == JSON_FLAG
    command, pipes = output_filters.split(words[:-1] if as_rows else words)
    if command[-1:] == [JSON_FLAG]:
        as_rows = True
        command.pop()
    filtered = output_filters.read(pipes)
    found = match(BALANCER_COMMANDS, command)
    if SECRETS in found and not is_root:
        raise RefusedError(f"'{SECRETS}' is for root only; try sudo")
    if found.command.action is Executor.LEADER:
        require_leader(application)
    result = HANDLERS[found.command.template](application, found)
    live = isinstance(result, Events)
    if as_rows:
        rows = filtered(_rows(application, result), JSON)
        return Output(_json_lines(rows) if live else as_json(rows), live)
    lines = filtered(_lines(application, result), TEXT)
    return Output(chain(_remark(application), lines) if isinstance(result, Report) else lines, live)


def _remark(application: Application) -> Iterator[str]:
    """The first lines of a report: that this balancer stands by, that its configuration rolls back."""
    for text in (standing_by(application.sources), application.rollback.remark(time.monotonic())):
        if text is not None:
            yield f"[{text}]"


def _rows(application: Application, result: Result) -> Items:
    if isinstance(result, Report):
        return result.rows(application.sources)
    return result.rows if isinstance(result, Events) else _line_rows(result)


def _line_rows(lines: Iterator[Optional[str]]) -> Items:
    return (line if line is None else {"line": line} for line in lines)


def _lines(application: Application, result: Result) -> Items:
    if isinstance(result, Report):
        return result.text(result.rows(application.sources))
    return (line for row in result.rows for line in result.text(row)) if isinstance(result, Events) else result


def _json_lines(rows: Items) -> Iterator[Optional[str]]:
    """One JSON object a line; a stream has no array around it, because it has no end."""
    return (row if row is None else json.dumps(row) for row in rows)
