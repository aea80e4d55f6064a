"""Writes the manual pages, from the command table and the parsers: ``python docs/manual.py FOLDER``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Callable

# The code of this checkout, not that of an installed package.
sys.path.insert(0, str(Path(__file__).parents[1]))

from ryu_haslb import __version__
from ryu_haslb.cli.parsers import PARSERS
from ryu_haslb.control.command_table import COMMANDS
from ryu_haslb.dfp.command_line import parser as agent_parser

#: The pages: the name of the command, its summary, its parser.
PAGES: Mapping[str, tuple[str, Callable[[], argparse.ArgumentParser]]] = {
    "haslb": ("operate a balancer of Mobile IP home agents", PARSERS[""]),
    "haslb run": ("start a balancer", PARSERS["run"]),
    "haslb check": ("check a configuration file", PARSERS["check"]),
    "haslb switch-test": ("test which features a switch has, and how fast it is", PARSERS["switch-test"]),
    "haslb cluster": ("make the files of a cluster's database servers", PARSERS["cluster"]),
    "haslb completion": ("print the completion of a shell", PARSERS["completion"]),
    "haslb-dfp-agent": ("report the weight of a home agent", agent_parser),
}
_MANAGER = """\
.TH HASLB-MANAGER 1 "" "{product}"
.SH NAME
haslb\\-manager \\- run the balancer as an application of its OpenFlow engine
.SH SYNOPSIS
.B haslb\\-manager ryu_haslb.app
.RI [ OPTION ...]
.SH DESCRIPTION
.BR haslb\\-run (1)
starts this command. Its options are those of the engine, os\\-ken or Ryu;
.B haslb\\-manager \\-\\-help
lists them. The environment has the settings that
.BR haslb\\-run (1)
names; HASLB_CONFIG is the configuration file.
"""


def pages() -> Iterator[tuple[str, str]]:
    """The file name and the text of each manual page."""
    for name, (summary, parser) in PAGES.items():
        yield f"{name.replace(' ', '-')}.1", "\n".join(_page(name, summary, parser())) + "\n"
    yield "haslb-manager.1", _MANAGER.format(product=f"ryu-haslb {__version__}")


def document() -> Iterator[str]:
    """The same as one page of Markdown, with the help of each command."""
    yield from ("# Command lines", "", "What each command prints with `--help`; the manual pages say the same.", "")
    for name, (summary, parser) in PAGES.items():
        yield from (f"## {name}", "", f"{summary.capitalize()}.", "", "```text", parser().format_help(), "```", "")
    yield from ("## Commands of a balancer", "", "| command | effect |", "| --- | --- |")
    for each in COMMANDS:
        template = each.template.replace("|", "\\|")
        yield f"| `{template}` | {each.help} |"


def _page(name: str, summary: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    title = name.replace(" ", "-")
    usage = parser.format_usage().partition("usage: ")[2].split()
    yield f'.TH {_escaped(title.upper())} 1 "" "ryu-haslb {__version__}"'
    yield from (".SH NAME", f"{_escaped(title)} \\- {summary}", ".SH SYNOPSIS", _escaped(" ".join(usage)))
    yield from (".SH DESCRIPTION", _escaped(parser.description or ""))
    if name == "haslb":
        yield from (".SH COMMANDS", *_entries((each.template, each.help) for each in COMMANDS))
        yield from _entries([("run FILE [OPTION ...]", "Start a balancer: see haslb-run(1)")])
    for group in parser._action_groups:  # argparse has no other way to list them
        shown = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if shown:
            yield f".SH {(group.title or 'options').upper()}"
            yield from filter(None, [_escaped(group.description or "")])
            for action in shown:
                yield from _action(action)
    if parser.epilog:
        yield from (".SH NOTES", ".nf", _escaped(parser.epilog), ".fi")
    others = [f".BR {_escaped(other.replace(' ', '-'))} (1)" for other in PAGES if other != name]
    yield from (".SH SEE ALSO", *others)


def _action(action: argparse.Action) -> Iterator[str]:
    if isinstance(action, argparse._SubParsersAction):
        about = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, parser in action.choices.items():
            yield from _entries([(" ".join(parser.format_usage().partition(" cluster ")[2].split()), about[name])])
            yield from (".RS", *(line for each in parser._actions[1:] for line in _action(each)), ".RE")
        return
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    term = ", ".join(f"{option} {value}".rstrip() for option in action.option_strings) or str(value or action.dest)
    yield from _entries([(term, action.help or "")])


def _entries(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in entries:
        yield from (".TP", f"\\fB{_escaped(term)}\\fR", _escaped(text))


def _escaped(text: str) -> str:
    """Text as roff prints it: its marks escaped, and no line that begins as a request does."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").splitlines()
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in lines)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file, page in pages():
        (folder / file).write_text(page)
