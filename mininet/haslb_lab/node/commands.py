"""The commands of a node, in the product's grammar: abbreviated as on IOS, with ``--json`` at the end for JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from haslb_lab.node.control import Answer
from ryu_haslb.control.protocol import HELP, JSON_FLAG, help_answer
from ryu_haslb.language.grammar import Command, Match, Mode, expected, match

#: Gets the recognised command and whether JSON was asked for. Generates the lines of the answer; raises RefusedError.
Handler = Callable[[Match[Any], bool], Answer]

_RANGE = re.compile(r"<\d+-\d+>")


class Commands:
    """The commands of one node."""

    def __init__(self, commands: Iterable[Command[Handler]]) -> None:
        self._mode: Mode[Handler] = Mode("node", tuple(commands))

    def add(self, commands: Iterable[Command[Handler]]) -> None:
        """Add more commands."""
        self._mode = Mode("node", (*self._mode.commands, *commands))

    def answer(self, words: Sequence[str]) -> Answer:
        """The answer to a command. ``help`` lists the commands; :data:`~ryu_haslb.control.protocol.HELP` before some
        words asks what may stand in the place of the last one.

        Raises: CommandError if the words are no command.
        """
        if list(words) in (["help"], [HELP]):
            return in_lines(_RANGE.sub("", command.template) for command in self._mode.commands)
        if words[:1] == [HELP]:
            return in_lines(help_answer(expected(self._mode, words[1:-1], words[-1])))
        as_json = words[-1:] == [JSON_FLAG]
        found = match(self._mode, words[:-1] if as_json else words)
        action = found.command.action
        assert action is not None, f"{found.command.template} has no action"
        return action(found, as_json)


async def in_lines(lines: Iterable[str]) -> Answer:
    """An answer whose lines are all at hand."""
    for line in lines:
        yield line


def in_json(document: Any) -> Answer:
    """An answer of one JSON line."""
    return in_lines([json.dumps(document)])
