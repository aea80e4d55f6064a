"""The commands that a running balancer takes, at the prompt and from the shell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Callable, NamedTuple, Optional, Union

from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.control import crypto, debug, filters, operations
from ryu_haslb.control.filters import Form, Items
from ryu_haslb.control.operations import Application, Applied, UnknownVirtualServerError
from ryu_haslb.control.protocol import HELP, JSON_FLAG, SEPARATOR, error_lines, help_answer
from ryu_haslb.ipsec.charon import CharonError
from ryu_haslb.ipsec.module import ModuleError
from ryu_haslb.language.diagnostics import ConfigurationError
from ryu_haslb.language.grammar import END, Command, CommandError, Expectation, Match, Mode, expected, match
from ryu_haslb.show import reports, session_events
from ryu_haslb.show.reports import Report, as_json
from ryu_haslb.show.rows import DfpAgentRow
from ryu_haslb.show.session_events import EventRow
from ryu_haslb.show.snapshot import Sources


class RefusedError(Exception):
    """A command that is understood and cannot be carried out; the text, perhaps several lines, says why."""


class Output(NamedTuple):
    """What a command prints.

    None among the lines is a moment without one: whoever reads them can see to other things before the next line.
    A ``live`` output has no end, and each of its lines is to be seen at once.
    """

    lines: Iterator[Optional[str]]
    live: bool = False


class _Events(NamedTuple):
    """Rows without end, and how each is printed."""

    rows: Iterator[EventRow]
    text: Callable[[EventRow], Iterator[str]]


Result = Union[Report[Any], _Events, Iterator[str]]
Do = Callable[[Application, Match["Action"]], Result]
Action = Union[Report[Any], Do]

TEXT = Form(str, "Number of lines: {}".format)
JSON = Form(json.dumps, lambda total: {"count": total})


def _running_configuration(application: Application, _: Match[Action]) -> Result:
    text = write_configuration(application.sources.configuration).splitlines()
    return iter(["Building configuration...", "", *text, "end"])


def _dfp_agent(application: Application, words: Match[Action]) -> Result:
    wanted = (str(words["ADDRESS"]), words["PORT"])

    def rows(sources: Sources) -> Iterator[DfpAgentRow]:
        return (row for row in reports.DFP_AGENT.rows(sources) if (row["address"], row["port"]) == wanted)

    if not any(rows(application.sources)):
        raise RefusedError(f"no such DFP agent: {wanted[0]} {wanted[1]}; see show ip slb dfp")
    return replace(reports.DFP_AGENT, rows=rows)


def _clear_sessions(application: Application, words: Match[Action]) -> Result:
    try:
        count = operations.clear_sessions(application, words.get("NAME"))
    except UnknownVirtualServerError as error:
        raise RefusedError(f"{error}; see show ip slb vservers") from None
    return iter([f"{count} sessions cleared"])


def _clear_counters(application: Application, _: Match[Action]) -> Result:
    operations.clear_counters(application)
    return iter(["counters cleared"])


def _clear_ipsec(application: Application, _: Match[Action]) -> Result:
    return iter([f"{operations.clear_ipsec(application)} pairs of security associations cleared"])


def _clear_isakmp(application: Application, _: Match[Action]) -> Result:
    return iter([f"{operations.clear_isakmp(application)} ISAKMP associations cleared"])


def _configure(application: Application, words: Match[Action]) -> Result:
    return _applied(lambda: operations.apply_file(application, words["FILE"]))


def _config(application: Application, words: Match[Action]) -> Result:
    text = "\n".join(words["COMMANDS"].split(SEPARATOR))
    return _applied(lambda: operations.apply_commands(application, text, "command"))


def _applied(apply: Callable[[], Applied]) -> Result:
    """The lines that report an applied configuration."""
    try:
        applied = apply()
    except ConfigurationError as error:
        raise RefusedError(f"{error}\nnothing was changed") from error
    return iter([*map(str, applied.warnings), *(applied.changes or ["no changes"]), *applied.notes])


def _ipsec_sa(application: Application, _: Match[Action]) -> Result:
    return crypto.ipsec_sa(application.sources.configuration)


def _isakmp_sa(application: Application, _: Match[Action]) -> Result:
    return crypto.isakmp_sa(application.sources.configuration)


def _debug(application: Application, _: Match[Action]) -> Result:
    return _Events(debug.stream(application.sources.balancer), session_events.as_text)


def _undebug(_application: Application, _: Match[Action]) -> Result:
    return iter(["All possible debugging has been turned off: each debug lasts until its Ctrl-C"])


EXEC: Mode[Action] = Mode(
    "exec",
    (
        Command("show ip slb reals", reports.REALS, "Real servers: weight, state, sessions"),
        Command("show ip slb reals detail", reports.REALS_DETAIL, "Real servers: thresholds and counters too"),
        Command("show ip slb serverfarms", reports.SERVERFARMS, "Server farms"),
        Command("show ip slb vservers", reports.VSERVERS, "Virtual servers"),
        Command("show ip slb vservers detail", reports.VSERVERS_DETAIL, "Virtual servers: farm, clients, idle time"),
        Command("show ip slb sessions [ipmobile]", reports.SESSIONS, "Live sessions"),
        Command("show ip slb conns", reports.CONNS, "Live sessions as connections"),
        Command("show ip slb dfp", reports.DFP_AGENTS, "DFP agents"),
        Command("show ip slb dfp weights", reports.DFP_WEIGHTS, "Weights that DFP agents have set"),
        Command(
            "show ip slb dfp agent ADDRESS PORT<1-65535>", _dfp_agent, "One DFP agent, its connection and counters"
        ),
        Command("show ip slb stats", reports.STATISTICS, "Counters, and why requests were dropped"),
        Command("show crypto ipsec sa", _ipsec_sa, "IPsec's associations and what they carried"),
        Command("show crypto isakmp sa", _isakmp_sa, "IKE's associations: which peers know each other"),
        Command("show running-config", _running_configuration, "The configuration in force"),
        Command("clear ip slb sessions [NAME]", _clear_sessions, "End sessions, all or those of a virtual server"),
        Command("clear ip slb connections [NAME]", _clear_sessions, "The same: each connection is a session here"),
        Command("clear ip slb counters", _clear_counters, "Set counters to zero"),
        Command("clear crypto sa", _clear_ipsec, "End IPsec's associations; traffic makes new ones"),
        Command("clear crypto isakmp", _clear_isakmp, "End IKE's associations, and IPsec's with them"),
        Command("configure FILE", _configure, "Apply a configuration file, all of it or nothing"),
        Command("config COMMANDS", _config, "Apply configuration commands, all of them or nothing"),
        Command("debug ip slb sessions [ipmobile]", _debug, "Session events as they happen, until interrupted"),
        Command("undebug {all | ip slb sessions [ipmobile]}", _undebug, "A debug ends with Ctrl-C; nothing is left on"),
    ),
    {
        "show": "Show what the balancer knows",
        "clear": "End sessions or associations, set counters to zero",
        "crypto": "The IPsec module",
        "ipsec": "What protects traffic",
        "ip": "Server load balancing",
        "slb": "Server load balancing",
        "dfp": "Dynamic Feedback Protocol",
        "reals": "Real servers",
        "vservers": "Virtual servers",
    },
)


def execute(application: Application, words: Sequence[str]) -> Output:
    """Carry out a command. ``--json`` behind it or at the end asks for JSON, ``|`` begins a filter.

    An error is output as well, lines that begin with :data:`ERROR_MARK`. ``?`` asks what may be the last word.
    """
    try:
        if words and words[0] == HELP:
            asked = words[1:] or [""]
            return Output(iter(help_answer(completions(asked[:-1], asked[-1]))))
        return _output(application, words)
    except (CommandError, RefusedError, CharonError, ModuleError) as error:
        return Output(iter(error_lines(error)))


def completions(words: Sequence[str], prefix: str) -> tuple[Expectation, ...]:
    """What may follow these words, as ``?`` shows it; CommandError if they do not begin a command."""
    command, pipes = filters.split(words)
    found = expected(filters.FILTERS, pipes[-1], prefix) if pipes else expected(EXEC, command, prefix)
    return (*found, *_OUTPUT_OPTIONS) if found[-1:] == (_END,) and JSON_FLAG not in words else found


_END = Expectation(END, "")
_OUTPUT_OPTIONS = (Expectation("|", "Include, exclude or count lines"), Expectation(JSON_FLAG, "The same as JSON"))


def _output(application: Application, words: Sequence[str]) -> Output:
    as_rows = bool(words) and words[-1] == JSON_FLAG
    command, pipes = filters.split(words[:-1] if as_rows else words)
    if command[-1:] == [JSON_FLAG]:
        as_rows = True
        command.pop()
    filtered = filters.read(pipes)
    found = match(EXEC, command)
    action = found.command.action
    assert action is not None  # every command of this mode does something
    result = action if isinstance(action, Report) else action(application, found)
    live = isinstance(result, _Events)
    if as_rows:
        rows = filtered(_rows(application, result), JSON)
        return Output(_json_lines(rows) if live else as_json(rows), live)
    return Output(filtered(_lines(application, result), TEXT), live)


def _rows(application: Application, result: Result) -> Items:
    if isinstance(result, Report):
        return result.rows(application.sources)
    return result.rows if isinstance(result, _Events) else ({"line": line} for line in result)


def _lines(application: Application, result: Result) -> Items:
    if isinstance(result, Report):
        return result.text(result.rows(application.sources))
    return (line for row in result.rows for line in result.text(row)) if isinstance(result, _Events) else result


def _json_lines(rows: Items) -> Iterator[Optional[str]]:
    return (row if row is None else json.dumps(row) for row in rows)
