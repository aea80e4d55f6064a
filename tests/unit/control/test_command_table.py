"""The table of commands: each has one executor, a help text, and a handler if the balancer carries it out."""

from __future__ import annotations

import pytest

from ryu_haslb.control.command_table import BALANCER_COMMANDS, COMMANDS, OPERATOR_COMMANDS, Executor
from ryu_haslb.control.handlers import HANDLERS
from ryu_haslb.language.grammar import expected, match


def test_every_command_of_the_balancer_has_a_handler_and_every_handler_a_command() -> None:
    assert set(HANDLERS) == {command.template for command in BALANCER_COMMANDS.commands}


def test_every_command_has_an_executor_and_help() -> None:
    assert all(command.action is not None and command.help for command in COMMANDS)
    assert len(Executor.__members__) == len(Executor), "two of the same text would be one"


def test_both_processes_know_the_first_word_of_every_command() -> None:
    first_words = {each.word for each in expected(OPERATOR_COMMANDS, [])}
    assert {each.word for each in expected(BALANCER_COMMANDS, [])} < first_words
    of_haslb_alone = first_words - {each.word for each in expected(BALANCER_COMMANDS, [])}
    alone = {"check", "cluster", "completion", "schema", "switch-test", "exit", "logout", "quit"}
    habits = {"disable", "enable", "help", "terminal"}
    assert of_haslb_alone == alone | habits


@pytest.mark.parametrize("word", ["show", "clear", "configure", "config", "debug", "undebug"])
def test_both_processes_show_the_same_help(word: str) -> None:
    (offered,) = [each for each in expected(OPERATOR_COMMANDS, []) if each.word == word]
    (listed,) = [each for each in expected(BALANCER_COMMANDS, []) if each.word == word]
    assert offered.help == listed.help != ""


@pytest.mark.parametrize(
    ("line", "executor"),
    [
        ("sh ip slb reals", Executor.BALANCER),
        ("show", Executor.BALANCER),
        ("debug anything", Executor.BALANCER_STREAM),
        ("configure terminal", Executor.CONFIGURE_TERMINAL),
        ("configure new.ios", Executor.BALANCER_FILE),
        ("config one two", Executor.BALANCER_CONFIG),
        ("check -", Executor.CHECK),
        ("quit", Executor.EXIT),
        ("term len 0", Executor.HABIT),
        ("en", Executor.HABIT),
        ("help", Executor.HELP),
    ],
)
def test_haslb_tells_by_the_first_words_who_carries_a_command_out(line: str, executor: Executor) -> None:
    assert match(OPERATOR_COMMANDS, line.split()).command.action is executor
