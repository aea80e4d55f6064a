"""``configure terminal``: configuration commands, typed one by one and applied together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ryu_haslb.configuration.ios.blocks import END, EXIT, ConfigurationMode
from ryu_haslb.configuration.ios.commands import GLOBAL
from ryu_haslb.configuration.ios.lines import read_lines, split_line
from ryu_haslb.language.grammar import CommandError, expected, match

Result = TypeVar("Result")


class Configuring:
    """The commands so far, and the modes that they have opened.

    Only a command that is spelled right is taken. Whether all of them make sense together the balancer knows, which
    gets them in the end.
    """

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.done = False
        self._modes = [GLOBAL]

    @property
    def mode(self) -> ConfigurationMode:
        """The innermost open mode; IOS prompts with its name."""
        return self._modes[-1]

    def take(self, text: str) -> None:
        """Take a line; CommandError says what is wrong with it. ``end``, and ``exit`` from the outermost mode, is last.

        An empty line and a comment are nothing.
        """
        for line in read_lines(text):
            command = self._enter(line.words)
            if command is END or (command is EXIT and len(self._modes) == 1):
                self.done = True
                return
            self.commands.append(text)
            if command is EXIT:
                self._modes.pop()

    def offers(self, text: str) -> list[tuple[str, str]]:
        """What may stand in the place of the last word of ``text``; CommandError if what is before it makes no sense.

        The innermost mode answers, or if it does not know these words one around it.
        """
        words = split_line(text).words
        at_new_word = not words or text[-1:].isspace()
        before, prefix = (words, "") if at_new_word else (words[:-1], words[-1])
        modes = self._modes[-1:] if not before else self._modes
        return [(each.word, each.help) for each in _first(modes, lambda mode: expected(mode, before, prefix))[1]]

    def _enter(self, words: tuple[str, ...]) -> object:
        """Find a command in the innermost mode that knows it, and open the mode that it opens."""
        level, found = _first(self._modes, lambda mode: match(mode, words))
        del self._modes[level + 1 :]
        if found.command.opens is not None:
            self._modes.append(found.command.opens)
        return found.command


def _first(modes: Sequence[ConfigurationMode], try_in: Callable[[ConfigurationMode], Result]) -> tuple[int, Result]:
    """The level of the innermost mode where this works, and what comes of it; the error of the mode that understood
    most if it works in none."""
    errors: list[CommandError] = []
    for level in reversed(range(len(modes))):
        try:
            return level, try_in(modes[level])
        except CommandError as error:
            errors.append(error)
    raise max(errors, key=lambda error: error.position)
