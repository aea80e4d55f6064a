"""Manual pages follow from the command table and the parsers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from ryu_haslb.cli.parsers import PARSERS
from ryu_haslb.cli.run import SETTINGS
from ryu_haslb.control.command_table import COMMANDS

SPEC = importlib.util.spec_from_file_location("manual", Path(__file__).parents[2] / "docs" / "manual.py")
assert SPEC is not None
assert SPEC.loader is not None
manual = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(manual)

PAGES: dict[str, str] = {name: text.replace("\\-", "-").replace("\\(aq", "'") for name, text in manual.pages()}


def test_each_command_has_a_page() -> None:
    own = {f"haslb-{name}.1".replace("-.", ".") for name in PARSERS}
    assert set(PAGES) == own | {"haslb-manager.1", "haslb-dfp-agent.1"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.template)
def test_the_page_of_haslb_has_each_command_of_the_table(command: object) -> None:
    assert f"\\fB{command.template}\\fR\n{command.help}\n" in PAGES["haslb.1"]  # type: ignore[attr-defined]


def test_the_page_of_haslb_run_has_each_setting() -> None:
    for option, variable, value, meaning in SETTINGS:
        assert f"\\fB{option} {value}\\fR\n{meaning}; {variable}\n" in PAGES["haslb-run.1"]


def test_no_line_of_text_begins_as_a_request_of_roff_does() -> None:
    known = {".TH", ".SH", ".TP", ".RS", ".RE", ".nf", ".fi", ".B", ".BR", ".RI"}
    for name, text in PAGES.items():
        begun = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
        assert begun <= known, name
