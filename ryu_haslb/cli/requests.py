"""From the words that an operator types to the request that the balancer gets."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ryu_haslb.control.command_table import DRY_RUN, OPERATOR_COMMANDS, PLAN, YES, Executor
from ryu_haslb.control.protocol import JSON_FLAG, SEPARATOR
from ryu_haslb.language.grammar import match


def executor_of(words: Sequence[str]) -> Executor:
    """The process that carries this command out. Raises: CommandError if the words are no command."""
    executor = match(OPERATOR_COMMANDS, _as_on_ios(_without_output_options(words))).command.action
    assert executor is not None  # every command of the table has one
    return executor


def request_words(executor: Executor, words: Sequence[str]) -> list[str]:
    """The words to send: paths are absolute, since the balancer has a working directory of its own, and the
    configuration commands of ``config`` become one word."""
    command = _without_output_options(words)
    options = words[len(command) :]
    if executor is Executor.BALANCER_FILE:
        place = 2 if "replace" in match(OPERATOR_COMMANDS, command) else 1
        return [*command[:place], os.path.abspath(command[place]), *command[place + 1 :], *options]
    if executor is Executor.BALANCER_CONFIG:
        return [*config_request(command[1:]), *options]
    return list(words)


def is_decided(words: Sequence[str]) -> bool:
    """Whether a change by a file needs no question: an option says what to do, or the output is filtered."""
    found = match(OPERATOR_COMMANDS, _without_output_options(words))
    return any(option in found for option in (DRY_RUN, YES, PLAN)) or not {JSON_FLAG, "|"}.isdisjoint(words)


def config_request(commands: Sequence[str]) -> list[str]:
    """The request that applies these configuration commands together."""
    return ["config", SEPARATOR.join(line for command in commands for line in command.splitlines())]


def _as_on_ios(words: Sequence[str]) -> Sequence[str]:
    """Accept ``conf t`` and ``config term``, the usual abbreviations on IOS, which our ``config`` makes ambiguous."""
    if len(words) == 2 and words[0] in ("conf", "config") and "terminal".startswith(words[1]):
        return ["configure", "terminal"]
    return words


def _without_output_options(words: Sequence[str]) -> Sequence[str]:
    return words[: next((index for index, word in enumerate(words) if word in ("|", JSON_FLAG)), len(words))]
