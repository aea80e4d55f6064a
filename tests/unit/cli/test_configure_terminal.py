"""``configure terminal``: modes as on IOS; a command that is not in the grammar is refused at once."""

from __future__ import annotations

import pytest

from ryu_haslb.cli.configure_terminal import ConfigureTerminal
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


def test_comments_and_empty_lines_add_nothing() -> None:
    assert typed("", "! a remark", "   ").commands == []


def test_the_question_mark_speaks_of_the_open_mode() -> None:
    terminal = typed("ip slb serverfarm HAFARM", "real 10.1.1.51")
    assert [word for word, _ in terminal.offers("re")] == ["reassign", "retry"]
    assert terminal.offers("weight ")[0][0] == "<0-255>"
    assert terminal.offers("ip slb v")[0][0] == "vserver"
