"""The prompt: history, completion and ``?``, asked of a running balancer."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_process import control_process
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from ryu_haslb.cli.client import ControlError
from ryu_haslb.cli.configure_terminal import ConfigureTerminal
from ryu_haslb.cli.next_words import help_lines, offers_of
from ryu_haslb.cli.prompt import KeywordCompleter, Pasted, _History, command_lines, configuration_lines, history
from ryu_haslb.language.grammar import CommandError


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("control") / "haslb.sock"
    with control_process(path):
        yield str(path)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path


def completed(control: str, text: str) -> list[str]:
    completer = KeywordCompleter(offers_of(control))
    document = Document(text)
    return [
        text[: len(text) + completion.start_position] + completion.text
        for completion in completer.get_completions(document, CompleteEvent())
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("sh", ["show "]),
        ("show ip sl", ["show ip slb "]),
        ("sh ip slb ser", ["sh ip slb serverfarms "]),
        ("show ip slb reals | in", ["show ip slb reals | include "]),
        ("configure t", ["configure terminal "]),
        ("show ip slb dfp agent ", []),
        ("show 'ip", []),
        ("frobnicate ", []),
    ],
)
def test_tab_completes_keywords(control: str, text: str, lines: list[str]) -> None:
    assert completed(control, text) == lines


def test_the_question_mark_lists_words_and_their_help(control: str) -> None:
    lines = help_lines(offers_of(control)("show ip slb se"))
    assert lines == ["  serverfarms  Server farms", "  sessions     Live sessions"]


def test_help_about_nonsense_is_an_error(control: str, tmp_path: Path) -> None:
    with pytest.raises(
        ControlError,
        match=r"after 'show' expected 'archive', 'clock', 'crypto', 'ip', .* or '[^']+', not 'frobnicate'",
    ):
        offers_of(control)("show frobnicate ")
    with pytest.raises(CommandError):
        offers_of(control)("frobnicate x")
    with pytest.raises(ControlError, match="no balancer serves"):
        offers_of(str(tmp_path / "absent"))("show ")


def test_lines_are_read_until_ctrl_d_and_ctrl_c_drops_one(control: str) -> None:
    with create_pipe_input() as keys:
        keys.send_text("show ip slb reals\nsho\x03sh ip slb ser\n\x04")
        assert list(command_lines("haslb#", offers_of(control), keys, DummyOutput())) == [
            "show ip slb reals",
            "sh ip slb ser",
        ]


SECRETS = (
    "ip slb dfp password secret",
    "ip slb df pa 0 secret",
    "crypto isakmp key secret address 192.0.2.1",
    "cry is key secret address 192.0.2.1",
)


def test_history_is_kept_for_its_owner_and_without_passwords(control: str, home: Path) -> None:
    """However they are abbreviated."""
    with create_pipe_input() as keys:
        keys.send_text("".join(f"config '{each}'\n" for each in SECRETS) + "show ip slb reals\n\x04")
        assert len(list(command_lines("haslb#", offers_of(control), keys, DummyOutput()))) == 1 + len(SECRETS)
    path = home / ".haslb_history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "show ip slb reals" in path.read_text()
    assert "secret" not in path.read_text()


def test_history_goes_where_the_system_keeps_state(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    history().store_string("no such folder: kept in memory")
    (home / "state").mkdir()
    history().store_string("show ip slb reals")
    assert "show ip slb reals" in (home / "state" / "haslb_history").read_text()


def test_history_follows_no_link_of_another_user(home: Path) -> None:
    """``sudo`` may keep the home of the user who has become root."""
    (home / ".haslb_history").symlink_to(home / "target")
    history().store_string("show ip slb reals")
    assert not (home / "target").exists()


def test_history_stays_in_memory_where_the_disk_is_full() -> None:
    lines = _History(os.open("/dev/full", os.O_RDWR))
    lines.append_string("show ip slb reals")
    assert lines.get_strings() == ["show ip slb reals"]


def test_history_stays_in_the_file_that_was_opened(home: Path) -> None:
    lines = history()
    (home / ".haslb_history").rename(home / "opened")
    (home / ".haslb_history").symlink_to(home / "target")
    lines.store_string("show ip slb reals")
    assert "show ip slb reals" in (home / "opened").read_text()
    assert not (home / "target").exists()


def test_configuration_mode_reads_commands_until_ctrl_d() -> None:
    terminal = ConfigureTerminal()
    with create_pipe_input() as keys:
        keys.send_text("ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 3\n\x04")
        for line in configuration_lines(terminal, keys, DummyOutput()):
            terminal.enter(line)
    assert terminal.commands == ["ip slb serverfarm HAFARM", "real 10.1.1.51", "weight 3"]


def test_ctrl_c_gives_up_configuration_mode() -> None:
    with create_pipe_input() as keys:
        keys.send_text("ip slb serverfarm HAFARM\n\x03")
        lines = configuration_lines(ConfigureTerminal(), keys, DummyOutput())
        assert next(lines) == "ip slb serverfarm HAFARM"
        with pytest.raises(KeyboardInterrupt):
            next(lines)


PASTE = "\x1b[200~{}\x1b[201~"


def test_a_pasted_text_is_carried_out_line_by_line_and_its_last_piece_can_be_edited(
    control: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Terminals paste a text as a whole (xterm's bracketed paste), with the line ends of their own choice."""
    with create_pipe_input() as keys:
        keys.send_text("show " + PASTE.format("version\nconf t\r\n end\r\rshow ip slb re") + "als\r\x04")
        lines = list(command_lines("haslb#", offers_of(control), keys, DummyOutput()))
    assert lines == ["show version", "conf t", " end", "", "show ip slb reals"]
    assert capsys.readouterr().out == "haslb#conf t\nhaslb# end\nhaslb#\n", "as if they were typed"
    entered = [line for line in (home / ".haslb_history").read_text().splitlines() if line.startswith("+")]
    assert entered == ["+show version", "+conf t", "+ end", "+show ip slb reals"]


def test_a_text_that_is_pasted_into_a_search_of_the_history_is_not_carried_out(control: str) -> None:
    """Ctrl-R begins the search, and Ctrl-C gives it up."""
    with create_pipe_input() as keys:
        keys.send_text("\x12" + PASTE.format("show clock\nretire\nretire\n") + "\x03show version\r\x04")
        assert list(command_lines("haslb#", offers_of(control), keys, DummyOutput())) == ["show version"]


def test_a_text_pasted_at_the_prompt_goes_on_in_configuration_mode_and_behind_it(control: str) -> None:
    pasted: Pasted = deque()
    with create_pipe_input() as keys:
        keys.send_text(PASTE.format("conf t\nip slb vserver V\nend\nshow version\n") + "\x04")
        lines = command_lines("haslb#", offers_of(control), keys, DummyOutput(), pasted)
        assert next(lines) == "conf t"
        inner = configuration_lines(ConfigureTerminal(), keys, DummyOutput(), pasted)
        assert [next(inner), next(inner)] == ["ip slb vserver V", "end"]
        assert list(lines) == ["show version"]


def test_ctrl_z_enters_the_line_and_ends_configuration_mode() -> None:
    """As on IOS."""
    pasted: Pasted = deque()
    with create_pipe_input() as keys:
        keys.send_text("ip slb vserver V\x1a")
        lines = configuration_lines(ConfigureTerminal(), keys, DummyOutput(), pasted)
        assert [next(lines), next(lines)] == ["ip slb vserver V", "end"]
    assert list(pasted) == [""]
