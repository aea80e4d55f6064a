"""``configure terminal``: configuration commands that are typed one by one and applied together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Optional, TypeVar

from ryu_haslb.cli.next_words import Offers
from ryu_haslb.configuration.ios.blocks import END, EXIT, ConfigurationMode
from ryu_haslb.configuration.ios.command_table import GLOBAL
from ryu_haslb.configuration.ios.lines import OpenTextError, read_lines, split_line
from ryu_haslb.language.grammar import CommandError, expected, match

Result = TypeVar("Result")


#: Begins a command that is no configuration command. IOS does not accept an abbreviation either.
DO = "do"


def command_to_do(text: str) -> Optional[str]:
    """The command behind :data:`DO`; None if this line is a configuration command."""
    word, _, command = text.strip().partition(" ")
    return command.strip() if word.lower() == DO else None


def is_end(text: str) -> bool:
    """Whether a line ends configuration mode."""
    try:
        return match(GLOBAL, split_line(text.strip()).words).command is END
    except CommandError:
        return False


def lines_until_end(lines: Iterable[str]) -> Iterator[str]:
    """The lines of configuration mode in a pipe: those before ``end``, or before ``exit`` from the outermost mode.

    A line that is no command is among them, so that the balancer refuses all of them. Which mode it was to open is not
    known, so behind it only ``end`` ends configuration mode.
    """
    terminal = ConfigureTerminal()
    is_mode_known = True
    for line in lines:
        try:
            terminal.enter(line)
        except (CommandError, OpenTextError):
            is_mode_known = False
        if is_end(line) or (terminal.done and is_mode_known):
            return
        yield line


class ConfigureTerminal:
    """The configuration commands typed so far, and the modes that they have opened.

    Each command is checked against the grammar when it is entered. Whether all of them fit together is checked by the
    balancer, which gets them at the end. ``run`` carries out the command behind ``do``, at once.
    """

    def __init__(self, run: Callable[[str], object] = str, offers: Offers = lambda _: ()) -> None:
        """``offers`` are the words that may come next behind ``do``."""
        self._run = run
        self._offers = offers
        self.commands: list[str] = []
        self.done = False
        self._modes = [GLOBAL]

    @property
    def mode(self) -> ConfigurationMode:
        """The innermost open mode; IOS prompts with its name."""
        return self._modes[-1]

    def enter(self, text: str) -> None:
        """Add the command of a line. ``end``, and ``exit`` from the outermost mode, set ``done``.

        An empty line and a comment add nothing. Raises: CommandError if the line is no command of the open modes,
        such as ``show`` without ``do``, which a file may begin with; OpenTextError if it begins a text and does not end
        it.
        """
        command_line = command_to_do(text)
        if command_line is not None:
            self._run(command_line)
            return
        lines = tuple(read_lines(text))
        if not lines and text.lstrip().lower().startswith("sh"):
            lines = (split_line(text),)
        for line in lines:
            command = self._enter(line.words)
            if command is END or (command is EXIT and len(self._modes) == 1):
                self.done = True
                return
            self.commands.append(text)
            if command is EXIT:
                self._modes.pop()

    def offers(self, text: str) -> Sequence[tuple[str, str]]:
        """The words that may stand in the place of the last word of ``text``, each with its help.

        The innermost mode that has commands with the words before it answers. Raises: CommandError if none has.
        """
        if command_to_do(text) is not None and text.lstrip() != DO:
            return self._offers(text.lstrip()[len(DO) :].lstrip())
        words = split_line(text).words
        at_new_word = not words or text[-1:].isspace()
        before, prefix = (words, "") if at_new_word else (words[:-1], words[-1])
        modes = self._modes[-1:] if not before else self._modes
        offered = [(each.word, each.help) for each in _first(modes, lambda mode: expected(mode, before, prefix))[1]]
        may_do = not before and DO.startswith(prefix.lower())
        return sorted([*offered, (DO, "Carry out a command such as show, at once")]) if may_do else offered

    def _enter(self, words: tuple[str, ...]) -> object:
        """Find a command in the innermost mode that has it; close the modes inside that, open the one it opens."""
        level, found = _first(self._modes, lambda mode: match(mode, words))
        del self._modes[level + 1 :]
        if found.command.opens is not None:
            self._modes.append(found.command.opens)
        return found.command


def _first(modes: Sequence[ConfigurationMode], try_in: Callable[[ConfigurationMode], Result]) -> tuple[int, Result]:
    """The level of the innermost mode in which ``try_in`` succeeds, and its result.

    Raises: CommandError, that of the mode that accepted most words, if it succeeds in none.
    """
    errors: list[CommandError] = []
    for level in reversed(range(len(modes))):
        try:
            return level, try_in(modes[level])
        except CommandError as error:
            errors.append(error)
    raise max(errors, key=lambda error: error.position)
