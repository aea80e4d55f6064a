"""``configure terminal``: modes as on IOS; a command that is not in the grammar is refused at once."""

from __future__ import annotations

import pytest

from ryu_haslb.cli.configure_terminal import ConfigureTerminal, is_end, lines_until_end
from ryu_haslb.configuration.ios.lines import OpenTextError
from ryu_haslb.language.grammar import CommandError


def typed(*lines: str) -> ConfigureTerminal:
    terminal = ConfigureTerminal()
    for line in lines:
        terminal.enter(line)
    return terminal


def test_a_command_opens_the_mode_that_the_prompt_names() -> None:
    terminal = typed("ip slb serverfarm HAFARM", "real 10.1.1.51")
    assert terminal.mode.name == "config-slb-real"
    terminal.enter("real 10.1.1.52")
    assert terminal.mode.name == "config-slb-real"
    terminal.enter("exit")
    assert terminal.mode.name == "config-slb-sfarm"
    terminal.enter("ip slb vserver MIPSLB")
    assert terminal.mode.name == "config-slb-vserver"


@pytest.mark.parametrize("last", [["end"], ["exit", "exit", "exit"]])
def test_end_and_exit_from_the_outermost_mode_are_last(last: list[str]) -> None:
    assert typed("ip slb serverfarm HAFARM", "real 10.1.1.51", *last).done


def test_a_wrong_command_is_refused_at_once_and_not_kept() -> None:
    terminal = typed("ip slb serverfarm HAFARM", "real 10.1.1.51")
    with pytest.raises(CommandError, match="did you mean 'weight'"):
        terminal.enter("weigth 3")
    with pytest.raises(CommandError, match="a number from 0 to 255"):
        terminal.enter("weight 300")
    assert terminal.commands == ["ip slb serverfarm HAFARM", "real 10.1.1.51"]


@pytest.mark.parametrize("line", ["show running-config", " sh run"])
def test_show_without_do_is_refused_and_a_copied_prompt_with_it_is_not(line: str) -> None:
    """A file may begin with it; here the operator waits for its output."""
    terminal = typed("ip slb serverfarm HAFARM", f"7600#{line.lstrip()}", "Building configuration...")
    with pytest.raises(CommandError, match="is not a command here"):
        terminal.enter(line)
    assert terminal.commands == ["ip slb serverfarm HAFARM"]


@pytest.mark.parametrize("line", ["macro name M", "banner motd #text"])
def test_a_text_that_its_line_does_not_end_is_refused_and_hides_nothing(line: str) -> None:
    terminal = typed("ip slb serverfarm HAFARM")
    with pytest.raises(OpenTextError, match="has no end"):
        terminal.enter(line)
    terminal.enter("real 10.1.1.51")
    assert terminal.commands == ["ip slb serverfarm HAFARM", "real 10.1.1.51"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [("end\n", True), (" END \n", True), ("en\n", True), ("e\n", False), ("end now\n", False), ("\n", False)],
)
def test_the_end_of_configuration_mode_may_be_abbreviated_as_any_command(line: str, expected: bool) -> None:
    assert is_end(line) is expected


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        (["exit", "show version"], 0),
        (["ip slb serverfarm HAFARM", "exit", "ip slb vserver MIPSLB", "exit", "exit", "show version"], 4),
        (["ip slb serverfarm HAFARM", "real 10.1.1.51", "end", "exit"], 2),
        (["ip slb serverfram HAFARM", "exit", "ip slb vserver MIPSLB", "exit", "exit", "end", "show version"], 5),
        (["macro name M", "exit", "exit", "@", "end", "show version"], 4),
    ],
)
def test_exit_from_the_outermost_mode_ends_configuration_mode_in_a_pipe_unless_the_mode_is_not_known(
    lines: list[str], count: int
) -> None:
    assert list(lines_until_end(lines)) == lines[:count]


def test_comments_and_empty_lines_add_nothing() -> None:
    assert typed("", "! a remark", "   ").commands == []


def test_the_question_mark_speaks_of_the_open_mode() -> None:
    terminal = typed("ip slb serverfarm HAFARM", "real 10.1.1.51")
    assert [word for word, _ in terminal.offers("re")] == ["reassign", "retry"]
    assert terminal.offers("weight ")[0][0] == "<0-255>"
    assert terminal.offers("ip slb v")[0][0] == "vserver"


@pytest.mark.parametrize("line", ["do show ip slb reals", "  DO   show ip slb reals "])
def test_do_carries_out_another_command_at_once_and_keeps_the_mode(line: str) -> None:
    """IOS: do COMMAND, in any configuration mode."""
    done: list[str] = []
    terminal = ConfigureTerminal(done.append)
    for each in ("ip slb serverfarm HAFARM", line, "real 10.1.1.51"):
        terminal.enter(each)
    assert done == ["show ip slb reals"]
    assert terminal.commands == ["ip slb serverfarm HAFARM", "real 10.1.1.51"]
    assert terminal.mode.name == "config-slb-real"


def test_the_question_mark_behind_do_speaks_of_the_other_commands() -> None:
    asked: list[str] = []

    def offers(text: str) -> list[tuple[str, str]]:
        asked.append(text)
        return [("show", "Show state")]

    terminal = ConfigureTerminal(offers=offers)
    assert terminal.offers("do sh") == [("show", "Show state")]
    assert terminal.offers("do ") == [("show", "Show state")]
    assert asked == ["sh", ""]
    assert "do" in [word for word, _ in terminal.offers("")]
    assert terminal.offers("do")[0][0] == "do"
    assert "do" not in [word for word, _ in terminal.offers("ip ")]
