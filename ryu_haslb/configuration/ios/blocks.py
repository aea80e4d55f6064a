"""Running configuration commands in nested blocks, as IOS does.

A command that the innermost mode does not know is looked for in the modes around it, which closes the inner blocks;
indentation means nothing. The same engine reads files in IOS's language, the YAML form and a home agent's file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ryu_haslb.configuration.ios.lines import SCANNED_HEADING, SCANNING_MISTAKES, Line, line_of, read_lines
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.grammar import Command, CommandError, Match, Mode, UnknownCommandError, expected, match
from ryu_haslb.language.wording import did_you_mean, listed, quoted


@dataclass(frozen=True)
class Statement:
    """A recognised command and its place, as an action gets them."""

    match: Match[ConfigurationAction]
    line: int
    diagnostics: Diagnostics

    def warning(self, text: str) -> None:
        """Warn about this line."""
        self.diagnostics.warning(self.line, text)


#: What a command does to the subject of its block. It returns the subject of the block that the command opens, if it
#: opens one, and raises ValueError to refuse the command.
ConfigurationAction = Callable[[Any, Statement], Any]
ConfigurationCommand = Command[ConfigurationAction]
ConfigurationMode = Mode[ConfigurationAction]


def _leave(subject: object, statement: Statement) -> None:
    """``exit`` and ``end`` concern the blocks, not what they describe: :meth:`Blocks.execute` acts on them."""


EXIT = ConfigurationCommand("exit", _leave, "Leave this block")
END = ConfigurationCommand("end", _leave, "Leave all blocks")


@dataclass
class _Block:
    """An open block. Without a subject its commands are recognised and have no effect: either the command that opened
    it was wrong, so that only what is wrong inside is still of interest, or this product does not implement it."""

    mode: ConfigurationMode
    subject: Any
    title: str = ""
    line: int = 0


@dataclass
class _Ignored:
    """Commands of one block that are not implemented, to be named in one warning."""

    line: int
    under: str
    commands: dict[str, None] = field(default_factory=dict)


class Blocks:
    """The open blocks of one reader, outermost first."""

    def __init__(self, mode: ConfigurationMode, subject: object, diagnostics: Diagnostics) -> None:
        self._stack = [_Block(mode, subject)]
        self._diagnostics = diagnostics
        self._ignored: dict[str, _Ignored] = {}
        self._astray = False  # a block was meant to be opened here, but nobody can tell which

    @property
    def subject(self) -> Any:
        """What the innermost block describes; None if the block is wrong or ignored."""
        return self._stack[-1].subject

    def read(self, text: str) -> None:
        """Execute every line of an IOS configuration; what is wrong goes to the diagnostics."""
        for line in read_lines(text):
            if line.words == SCANNED_HEADING:
                self._diagnostics.warning(line.number, f"'{' '.join(line.words)}' is a heading and is ignored")
                continue
            words = SCANNING_MISTAKES.get(line.words)
            if words is not None:
                meant = line_of(words, line.number)
                self._diagnostics.warning(
                    line.number, f"'{' '.join(line.words)}' is a scanning mistake and is read as '{meant.text}'"
                )
                line = meant  # noqa: PLW2901
            self.execute(line)
        self._warn_of_ignored()

    def execute(self, line: Line) -> None:
        """Execute one command."""
        try:
            found = self._find(line.words)
        except CommandError as error:
            self._recover(error, line)
            return
        self._astray = False
        if found.command is EXIT:
            del self._stack[max(1, len(self._stack) - 1) :]
        elif found.command is END:
            del self._stack[1:]
        else:
            self._run(found, line)

    def _find(self, words: Sequence[str]) -> Match[ConfigurationAction]:
        """The command in the innermost mode that knows it; the error of the mode that understood most if none does."""
        errors: list[tuple[CommandError, int]] = []
        for level in reversed(range(len(self._stack))):
            try:
                found = match(self._stack[level].mode, words)
            except CommandError as error:
                errors.append((error, level))
            else:
                del self._stack[level + 1 :]
                return found
        furthest, level = max(errors, key=lambda each: (each[0].position, not isinstance(each[0], UnknownCommandError)))
        if furthest.position > 0:
            del self._stack[level + 1 :]
        raise furthest

    def _run(self, found: Match[ConfigurationAction], line: Line) -> None:
        block = self._stack[-1]
        title = line.beginning(found.rest)
        subject = None
        if block.subject is not None and found.command.action is None:
            self._ignore(title, block, line.number)
        elif block.subject is not None and found.command.action is not None:
            try:
                subject = found.command.action(block.subject, Statement(found, line.number, self._diagnostics))
            except ValueError as error:
                self._diagnostics.error(line.number, str(error))
        if found.command.opens is not None:
            self._stack.append(_Block(found.command.opens, subject, title, line.number))

    def _recover(self, error: CommandError, line: Line) -> None:
        """Note the error, and guess which block a wrong command was meant to open, so that one error stays one."""
        if isinstance(error, UnknownCommandError):
            elsewhere = self._elsewhere(line.words)
            if elsewhere is None or not self._astray:
                self._diagnostics.error(line.number, self._unknown(line.words[0], elsewhere))
            return
        self._diagnostics.error(line.number, str(error))
        opened = {command.opens for command in error.commands}
        mode = opened.pop() if len(opened) == 1 else None
        if mode is not None:
            title = _opening(error.commands[0])
            self._stack.append(_Block(mode, None, title, line.number))
        elif len(self._stack) == 1:
            self._astray = True

    def _unknown(self, word: str, elsewhere: Optional[ConfigurationCommand]) -> str:
        """The error of a word that begins no command in any of the open blocks."""
        block = self._stack[-1]
        place = f"under {quoted(block.title)}" if block.title else "here"
        words = {f"'{each.word}'" for each in expected(block.mode, ())} - {"'exit'", "'end'"}
        hint = f"; it belongs under '{_opening(elsewhere)}'" if elsewhere is not None else ""
        if not hint:
            hint = did_you_mean(word, {each.word for block in self._stack for each in expected(block.mode, ())})
        return f"{quoted(word)} is not a command {place}; expected {listed(words) or 'a command of IOS'}{hint}"

    def _elsewhere(self, words: Sequence[str]) -> Optional[ConfigurationCommand]:
        """A command that opens a mode in which ``words`` would at least begin to make sense."""
        remaining = [self._stack[0].mode]
        while remaining:
            for command in remaining.pop().commands:
                if command.opens is not None and command.action is not None:
                    remaining.append(command.opens)
                    try:
                        if match(command.opens, words).command.action is not None:
                            return command
                    except UnknownCommandError:
                        pass
                    except CommandError:
                        return command
        return None

    def _ignore(self, title: str, block: _Block, line: int) -> None:
        """Keep a command that is not implemented for the one warning of its block."""
        key = f"{block.line} {block.title}" if block.title else title
        self._ignored.setdefault(key, _Ignored(line, block.title)).commands[title] = None

    def _warn_of_ignored(self) -> None:
        for ignored in self._ignored.values():
            names = ", ".join(quoted(name) for name in ignored.commands)
            under = f" under {quoted(ignored.under)}" if ignored.under else ""
            verb = "is" if len(ignored.commands) == 1 else "are"
            self._diagnostics.warning(ignored.line, f"{names}{under} {verb} not implemented and {verb} ignored")


def _opening(command: ConfigurationCommand) -> str:
    """How an error names the block that a command opens: the template without what may be left out."""
    return command.template.split(" [")[0]
