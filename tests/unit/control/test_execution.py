"""Commands of the balancer: abbreviations, filters, JSON, errors, and changes while it runs."""

from __future__ import annotations

import json
import os
import re
import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cluster_member import standing_by_member
from command_words import HAFARM, spellings
from control_process import Application
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.cluster.database import Database
from ryu_haslb.configuration.model import Configuration, DfpAgent
from ryu_haslb.control import handlers
from ryu_haslb.control.command_table import BALANCER_COMMANDS, WRITE_MEMORY
from ryu_haslb.control.execution import completions, execute
from ryu_haslb.control.handlers import HANDLERS
from ryu_haslb.control.protocol import SEPARATOR
from ryu_haslb.control.startup_file import StartupFile
from ryu_haslb.language.grammar import match


def run(application: Application, *words: str) -> list[str]:
    return [line for line in execute(application, words).lines if line is not None]


def show(application: Application, command: str) -> list[str]:
    return run(application, *command.split())


def config(application: Application, *commands: str) -> list[str]:
    return run(application, "config", SEPARATOR.join(commands))


@pytest.mark.parametrize(("prefix", "offered"), [("--", ["--json"]), ("|", ["|"]), ("det", ["detail"])])
def test_options_of_the_output_are_completed_by_their_beginning(prefix: str, offered: list[str]) -> None:
    assert [each.word for each in completions(["show", "ip", "slb", "sessions"], prefix)] == offered


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_the_uptime_is_not_that_of_a_wall_clock_that_jumps(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    application, jumped = Application(), time.time() + jump
    monkeypatch.setattr(time, "time", lambda: jumped)
    monkeypatch.setattr(time, "monotonic", lambda: handlers._STARTED_AT + 61.5)
    assert show(application, "show version")[1:] == ["uptime is 0:01:01"]


@pytest.mark.parametrize("template", [command.template for command in BALANCER_COMMANDS.commands])
def test_every_command_answers_in_json(template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("haslb.ios").write_text(HAFARM)
    monkeypatch.setattr(Database, "is_connected", True)  # without it a member refuses to hand over
    application = Application(2)
    application.startup_file = StartupFile("haslb.ios")
    application.add_agents(DfpAgent(IPv4Address("10.1.1.51"), 500))
    if template.startswith(("configure confirm", "configure revert")):
        application.rollback.arm(HAFARM, 5, 0.0)
    output = execute(application, [*spellings(template), "--json"])
    if not output.live:
        assert all(isinstance(row, dict) for row in json.loads("\n".join(filter(None, output.lines))))


@pytest.mark.parametrize("command", ["sh ip sl rea", "SHOW IP SLB REALS", "sho i sl rea"])
def test_words_may_be_abbreviated(command: str) -> None:
    application = Application(4)
    assert show(application, command) == show(application, "show ip slb reals")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("show ip slb s", "% 's' is ambiguous: serverfarms, sessions, stats"),
        ("show ip slb raels", "did you mean 'reals'?"),
        ("show ip slb", "% incomplete command: after 'show ip slb' expected "),
        ("show ip slb reals now", "% after 'show ip slb reals' expected 'detail' or 'sfarm', not 'now'"),
        ("show ip slb dfp agent 10.1.1.51 0", "a number from 1 to 65535, not '0'"),
        ("show ip slb dfp agent 10.1.1.99 500", "% no such DFP agent: 10.1.1.99 500; see show ip slb dfp"),
        ("clear ip slb sessions MIPSBL", "% no such virtual server: MIPSBL; see show ip slb vservers"),
        (
            "show ip slb reals | grep x",
            "% 'grep' is not a command here; expected 'begin', 'count', 'exclude', 'include' or 'section'",
        ),
        ("show ip slb reals |", "% incomplete command: expected"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(command: str, complaint: str) -> None:
    (line,) = show(Application(), command)
    assert line.startswith("% ")
    assert complaint in line


def test_a_wrong_filter_keeps_a_command_from_being_carried_out() -> None:
    application = Application(3)
    assert show(application, "clear ip slb sessions | frobnicate")[0].startswith("% ")
    assert application.bench.reals[0].sessions == 2


def test_include_and_exclude_split_the_lines() -> None:
    application = Application(4)
    every = show(application, "show ip slb sessions")
    included = show(application, "show ip slb sessions | include 10.1.1.52")
    assert len(included) == 2
    assert [line for line in every if line not in included] == show(
        application, "show ip slb sessions | exclude 10.1.1.52"
    )


def test_begin_shows_the_rest_of_the_lines() -> None:
    application = Application(4)
    every = show(application, "show running-config")
    found = show(application, "show running-config | begin ip slb vserver")
    assert found[0] == "ip slb vserver MIPSLB"
    assert found == every[-len(found) :]


def test_a_section_is_a_line_and_what_is_indented_below_it() -> None:
    """IOS: show running-config | section REGEX; the words of the text need no quotes there."""
    application = Application(4)
    assert show(application, "show running-config | section real 10.1.1.5") == [
        *(" real 10.1.1.51", "  weight 1", "  inservice"),
        *(" real 10.1.1.52", "  weight 1", "  inservice"),
    ]
    assert show(application, "show running-config | section serverfarm HAFARM | include real") == [
        " real 10.1.1.51",
        " real 10.1.1.52",
    ]
    detail = show(application, "show ip slb sessions detail | section user3@")
    assert len(detail) == 4
    assert detail == show(application, "show ip slb sessions nai mwts-mip-np-user3@ispxyz.com detail")
    (row,) = json.loads("".join(show(application, "show ip slb sessions | section user3@ --json")))
    assert row["identity"] == "mwts-mip-np-user3@ispxyz.com"


def test_count_counts_rows_and_no_headings() -> None:
    application = Application(4)
    assert show(application, "show ip slb sessions | count") == ["Number of lines: 4"]
    assert show(application, "show ip slb sessions | count 10.1.1.52") == ["Number of lines: 2"]
    assert show(application, "show ip slb sessions | include 10.1.1.52 | count") == ["Number of lines: 2"]


def test_filters_keep_json_json() -> None:
    application = Application(4)
    for command in ("show ip slb sessions --json | include user1@", "show ip slb sessions | include user1@ --json"):
        (row,) = json.loads("\n".join(show(application, command)))
        assert row["identity"] == "mwts-mip-np-user1@ispxyz.com"
    assert json.loads("".join(show(application, "show ip slb sessions | count --json"))) == [{"count": 4}]


def test_a_filter_that_finds_nothing_pauses_at_each_row() -> None:
    """A search through a million rows must not be one step: other work has its turn at each row."""
    lines = list(execute(Application(50), ["show", "ip", "slb", "sessions", "|", "count", "nothing"]).lines)
    assert lines[:-1] == [None] * 52


def test_a_session_is_found_by_its_nai_in_one_step() -> None:
    """A search through a million rows would take seconds: its index is used, and nothing else is looked at."""
    application = Application(50)
    command = "show ip slb sessions ipmobile nai mwts-mip-np-user7@ispxyz.com"
    lines = list(execute(application, command.split()).lines)
    assert len(lines) == 3
    assert lines[:2] == show(application, "show ip slb sessions")[:2]
    assert lines[2] in show(application, "show ip slb sessions")
    detail = list(execute(application, [*command.split(), "detail"]).lines)
    assert len(detail) == 4
    assert str(detail[0]).startswith("MIPSLB, NAI = mwts-mip-np-user7@ispxyz.com, NAI hash = ")
    assert show(application, command + "x") == lines[:2], "a mobile without a session"


def test_the_nai_is_in_the_text_of_every_detail() -> None:
    application = Application(4)
    (line,) = show(application, "show ip slb conns detail | include user3@")
    assert line.split(", ")[1] == "NAI = mwts-mip-np-user3@ispxyz.com"


@pytest.mark.parametrize(
    ("filters", "selected"),
    [
        ("vserver MIPSLB", [1, 2, 3, 4]),
        ("serverfarm HAFARM real 10.1.1.52", [2, 4]),
        ("real 10.1.1.52:434 client 15.1.1.0 255.255.255.0", [2, 4]),
        ("client 15.1.1.51", [1, 2, 3, 4]),
        ("cl 15.1.1.52", []),
    ],
)
def test_filters_select_the_same_rows_for_each_command(filters: str, selected: list[int]) -> None:
    """IOS: show ip slb sessions [vserver V] [client A MASK] [detail]."""
    application = Application(4)
    rows = json.loads("".join(show(application, f"show ip slb sessions {filters} --json")))
    assert [row["identity"] for row in rows] == [f"mwts-mip-np-user{number}@ispxyz.com" for number in selected]
    assert len(show(application, f"show ip slb conns {filters}")) == 2 + len(selected)
    assert show(application, f"clear ip slb sessions {filters}") == [f"{len(selected)} sessions cleared"]
    assert show(application, "show ip slb sessions | count") == [f"Number of lines: {4 - len(selected)}"]


def test_filters_pause_where_they_find_nothing() -> None:
    lines = list(execute(Application(100), ["show", "ip", "slb", "sessions", "client", "1.2.3.4"]).lines)
    assert lines[2:] == [None] * 5, "each after twenty sessions"


def test_reals_farms_and_virtual_servers_are_selected_by_name() -> None:
    """IOS: reals [sfarm F], serverfarms [name F] [detail], vservers [name V]."""
    application = Application(3)
    config(application, "ip slb serverfarm OTHER", "real 10.1.1.61")
    assert len(show(application, "show ip slb reals")) == 2 + 3
    assert [line.split()[:2] for line in show(application, "show ip slb reals sfarm OTHER")[2:]] == [
        ["10.1.1.61", "OTHER"]
    ]
    assert show(application, "show ip slb reals sfarm OTHER detail")[0].startswith("10.1.1.61, OTHER, ")
    assert show(application, "show ip slb serverfarms name HAFARM detail") == [
        "HAFARM, type = server farm, predictor = ROUNDROBIN, nat = none",
        "  virtual servers = MIPSLB, bind id = 0",
        "  real servers = 2",
        "    10.1.1.51, weight = 1, OPERATIONAL, conns = 2",
        "    10.1.1.52, weight = 1, OPERATIONAL, conns = 1",
    ]
    assert len(show(application, "show ip slb vservers name MIPSLB")) == 2 + 1
    assert show(application, "show ip slb vservers name X") == ["% no such virtual server: X; see show ip slb vservers"]
    assert show(application, "show ip slb reals sfarm X") == ["% no such server farm: X; see show ip slb serverfarms"]


def test_the_question_mark_offers_the_filters() -> None:
    offered = [line.split("\t") for line in run(Application(), "?", "clear", "ip", "slb", "sessions", "")]
    assert [word for word, _ in offered] == [
        *("WORD", "client", "nai", "real", "serverfarm", "vserver"),
        *("<cr>", "|", "--json"),
    ]
    assert all(text for word, text in offered if word != "<cr>")


def test_clear_ends_sessions_and_sets_counters_to_zero() -> None:
    application = Application(4)
    assert show(application, "clear ip slb connections MIPSLB") == ["4 sessions cleared"]
    assert show(application, "show ip slb sessions | count") == ["Number of lines: 0"]
    assert show(application, "clear ip slb counters") == ["counters cleared"]
    (requests, *_) = json.loads("".join(show(application, "show ip slb stats --json")))
    assert (requests["counter"], requests["value"]) == ("requests", 0)


def test_single_commands_change_the_running_configuration_and_keep_sessions() -> None:
    application = Application(4)
    assert config(application, HAFARM, "real 10.1.1.51", "no inservice", "real 10.1.1.53", "weight 2") == [
        "- ip slb serverfarm HAFARM / real 10.1.1.51 / inservice",
        "+ ip slb serverfarm HAFARM / real 10.1.1.53",
        "+ ip slb serverfarm HAFARM / real 10.1.1.53 / weight 2",
        "real server 10.1.1.51 of farm HAFARM goes out of service: 2 sessions stay until they end",
    ]
    assert [row.split()[3:] for row in show(application, "show ip slb reals")[2:]] == [
        ["OUTOFSERVICE", "2", "yes"],
        ["OPERATIONAL", "2", "yes"],
        ["OUTOFSERVICE", "0", "no"],
    ]


def test_a_mistake_in_the_last_line_changes_nothing(tmp_path: Path) -> None:
    application = Application(4)
    before = application.configuration
    path = tmp_path / "new.ios"
    path.write_text(f"{HAFARM}\n real 10.1.1.51\n  weight 200\n  weight 300\n")
    lines = run(application, "configure", str(path), "--yes")
    assert lines == [f"% {path}:4: after 'weight' expected a number from 0 to 255, not '300'", "% nothing was changed"]
    assert config(application, HAFARM, "no real 10.1.1.51", "frobnicate")[-1] == "% nothing was changed"
    assert application.configuration is before


def test_an_unchanged_configuration_has_no_changes(tmp_path: Path) -> None:
    application = Application()
    path = tmp_path / "same.ios"
    path.write_text("\n".join(show(application, "show running-config")))
    assert run(application, "configure", str(path), "--yes") == ["no changes"]
    assert run(application, "configure", "replace", str(path), "--yes") == ["no changes"]


def test_a_plan_without_changes_is_applied_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``configure`` ends a retirement, also with the file that is in force."""
    application = Application()
    path = tmp_path / "same.ios"
    path.write_text("\n".join(show(application, "show running-config")))
    lines = run(application, "configure", str(path), "--dry-run")
    assert lines[0] == "no changes"
    applied: list[Configuration] = []
    monkeypatch.setattr(application, "configure", applied.append)
    assert run(application, "configure", str(path), *lines[-1].split()[-2:]) == ["no changes"]
    assert applied == [application.configuration]


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused = f"% {pipe}: cannot be read: not a regular file; expected a file"
    assert run(Application(), "configure", str(pipe), "--yes")[0] == refused


def test_the_question_mark_lists_what_may_come_next() -> None:
    application = Application()
    assert run(application, "?", "show", "ip", "slb", "se") == [
        "serverfarms\tServer farms",
        "sessions\tLive sessions",
    ]
    assert [line.split("\t")[0] for line in run(application, "?", "show", "ip", "slb", "reals", "")] == [
        "detail",
        "sfarm",
        "<cr>",
        "|",
        "--json",
    ]
    assert [each.word for each in completions(["show", "ip", "slb", "reals", "|"], "")] == [
        *("begin", "count", "exclude", "include", "section"),
    ]
    assert run(application, "?")[0].startswith("clear\t")
    assert run(application, "?", "frobnicate", "")[0].startswith("% 'frobnicate' is not a command here")


@given(st.lists(st.text(max_size=12) | st.sampled_from(["show", "ip", "slb", "|", "count", "--json", "?", "reals"])))
def test_any_words_are_answered(words: list[str]) -> None:
    output = execute(Application(), words)
    assert output.live or isinstance(list(output.lines), list)


def test_a_balancer_that_stands_by_answers_and_says_so() -> None:
    application = Application(2)
    application.member = standing_by_member()
    lines = run(application, "show", "ip", "slb", "reals")
    assert lines[0] == "[member-b stands by; no member leads]"
    assert lines[1:] == run(Application(2), "show", "ip", "slb", "reals")
    assert json.loads("\n".join(run(application, "show", "ip", "slb", "reals", "--json")))


def test_the_clock_is_shown_as_on_ios() -> None:
    (line,) = execute(Application(), ["show", "clock"]).lines
    assert re.fullmatch(r"\*\d\d:\d\d:\d\d\.\d{3} UTC [A-Z][a-z]{2} [A-Z][a-z]{2} \d{1,2} 20\d\d", line or "")


def test_the_file_of_the_start_is_written_by_the_words_of_ios_too() -> None:
    assert match(BALANCER_COMMANDS, ["wr"]).command is match(BALANCER_COMMANDS, ["write", "memory"]).command
    copying = match(BALANCER_COMMANDS, ["copy", "run", "start"]).command
    assert HANDLERS[copying.template] is HANDLERS[WRITE_MEMORY]
