"""The commands that a running balancer takes, at the prompt and from the shell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple, Optional, Protocol, Union

from ryu_haslb.configuration.diagnostics import ConfigurationError
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control import debug, filters
from ryu_haslb.control.changes import changes
from ryu_haslb.ios.grammar import Command, Expectation, Match, Mode, expected, match
from ryu_haslb.ios.reader import read_configuration
from ryu_haslb.ios.writer import write_configuration
from ryu_haslb.show import reports
from ryu_haslb.show.reports import Report, as_json
from ryu_haslb.show.snapshot import Row, Sources

JSON_FLAG = "--json"


class Application(Protocol):
    """What commands act on."""

    @property
    def sources(self) -> Sources:
        """What can be shown."""

    def configure(self, configuration: Configuration) -> None:
        """Go by another configuration from now on."""

    def clear_sessions(self, virtual_server: Optional[str]) -> int:
        """End the sessions of one virtual server, or all; how many they were. KeyError for an unknown name."""

    def clear_counters(self) -> None:
        """Set every counter to zero."""


class Output(NamedTuple):
    """What a command prints. A ``live`` output has no end, and each of its lines is to be seen at once."""

    lines: Iterator[str]
    live: bool = False


Do = Callable[[Application, Match["Action"]], Union[Output, Report]]
Action = Union[Report, Do]


def _running_configuration(application: Application, _: Match[Action]) -> Output:
    text = write_configuration(application.sources.configuration).splitlines()
    return Output(iter(["Building configuration...", "", *text, "end"]))


def _dfp_agent(_: Application, words: Match[Action]) -> Report:
    wanted = (str(words["ADDRESS"]), words["PORT"])

    def rows(sources: Sources) -> Iterator[Row]:
        return (row for row in reports.DFP_AGENT.rows(sources) if (row["address"], row["port"]) == wanted)

    return reports.DFP_AGENT._replace(rows=rows)


def _clear_sessions(application: Application, words: Match[Action]) -> Output:
    try:
        count = application.clear_sessions(words.get("NAME"))
    except KeyError:
        return Output(iter([f"% no such virtual server: {words['NAME']}; see show ip slb vservers"]))
    return Output(iter([f"{count} sessions cleared"]))


def _clear_counters(application: Application, _: Match[Action]) -> Output:
    application.clear_counters()
    return Output(iter(["counters cleared"]))


def _configure(application: Application, words: Match[Action]) -> Output:
    try:
        loaded = load(words["FILE"])
    except ConfigurationError as error:
        return _refused(error)
    return _apply(application, loaded.configuration, [str(warning) for warning in loaded.warnings])


def _config(application: Application, words: Match[Action]) -> Output:
    text = "\n".join(words["COMMANDS"].split(SEPARATOR))
    try:
        configuration, warnings = read_configuration(text, "command", application.sources.configuration)
    except ConfigurationError as error:
        return _refused(error)
    return _apply(application, configuration, [str(warning) for warning in warnings])


def _refused(error: ConfigurationError) -> Output:
    lines = [f"% {line}" for line in str(error).splitlines()]
    return Output(iter([*lines, "% nothing was changed"]))


def _apply(application: Application, configuration: Configuration, warnings: Sequence[str]) -> Output:
    what = list(changes(application.sources.configuration, configuration))
    application.configure(configuration)
    return Output(iter([*warnings, *(what or ["no changes"])]))


def _debug(application: Application, _: Match[Action]) -> Output:
    return Output(debug.stream(application.sources.balancer), live=True)


#: Stands between the commands of ``config``: they come as one word each, and a word holds no line feed.
SEPARATOR = "\x1f"

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
        Command("show running-config", _running_configuration, "The configuration in force"),
        Command("clear ip slb sessions [NAME]", _clear_sessions, "End sessions, all or those of a virtual server"),
        Command("clear ip slb connections [NAME]", _clear_sessions, "The same: each connection is a session here"),
        Command("clear ip slb counters", _clear_counters, "Set counters to zero"),
        Command("configure FILE", _configure, "Apply a configuration file, all of it or nothing"),
        Command("config COMMANDS", _config, "Apply configuration commands, all of them or nothing"),
        Command("debug ip slb sessions [ipmobile]", _debug, "Session events as they happen, until interrupted"),
    ),
)


def execute(application: Application, words: Sequence[str]) -> Output:
    """Carry out a command; CommandError when it is none. ``--json`` at its end asks for JSON, ``|`` begins a filter."""
    command, pipes = filters.split(words)
    wants_json = command[-1:] == [JSON_FLAG]
    found = match(EXEC, command[:-1] if wants_json else command)
    action = found.command.action
    assert action is not None  # every command of this mode does something
    done = action if isinstance(action, Report) else action(application, found)
    if isinstance(done, Report):
        rows = done.rows(application.sources)
        output = Output(as_json(rows) if wants_json else done.text(rows))
    else:
        output = Output(as_json({"line": line} for line in done.lines), done.live) if wants_json else done
    return output._replace(lines=filters.apply(output.lines, pipes)) if pipes else output


def completions(words: Sequence[str], prefix: str) -> tuple[Expectation, ...]:
    """What may follow these words, as ``?`` shows it; CommandError if they do not begin a command."""
    command, pipes = filters.split(words)
    return expected(filters.FILTERS, pipes[-1], prefix) if pipes else expected(EXEC, command, prefix)
