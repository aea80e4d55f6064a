"""Executes configuration commands in nested blocks, as IOS does.

A command that the innermost mode does not have is looked up in the modes around it, and the inner blocks are closed.
Indentation decides only about what is not implemented. A line that is indented below an ignored command belongs to that
command, unless it is a command of HA-SLB. A line that is indented below an open block is never taken for a command of
IOS from outside of the block.

IOS text, the YAML form and the configuration of a home agent are all executed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Optional

from ryu_haslb.configuration.ios.kinds import CONFIGURATION_KINDS
from ryu_haslb.configuration.ios.lines import (
    SCANNED_HEADING,
    SCANNING_MISTAKES,
    Line,
    OpenTextError,
    line_of,
    read_lines,
)
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.grammar import Command, CommandError, Match, Mode, UnknownCommandError, expected, match
from ryu_haslb.language.kinds import Kind
from ryu_haslb.language.wording import did_you_mean, listed, quoted

#: The word in front of a command that returns to what holds without it.
_DEFAULT = "default"
#: Commands without parameters that are in force unless ``no`` precedes them.
_ON_BY_DEFAULT = {("faildetect", "inband")}
#: Commands of one text. 5,000 real servers take some 20,000; a command takes a quarter of a millisecond to read.
MAX_COMMANDS = 100_000


@dataclass(frozen=True)
class Statement:
    """A recognised command and its line: the argument of an action."""

    match: Match[ConfigurationAction]
    line: int
    diagnostics: Diagnostics

    def warning(self, text: str) -> None:
        """Warn about this line."""
        self.diagnostics.warning(self.line, text)


#: What a command does to the subject of its block. It returns the subject of the block that the command opens, if it
#: opens one. It raises ValueError to refuse the command.
ConfigurationAction = Callable[[Any, Statement], Any]
ConfigurationMode = Mode[ConfigurationAction]


class ConfigurationCommand(Command[ConfigurationAction]):
    """A command of a configuration mode."""

    kinds: ClassVar[Mapping[str, Kind]] = CONFIGURATION_KINDS


def _leave(subject: object, statement: Statement) -> None:
    """``exit`` and ``end`` close blocks and change no subject; :meth:`Blocks.execute` implements them."""


EXIT = ConfigurationCommand("exit", _leave, "Exit from the current mode")
END = ConfigurationCommand("end", _leave, "Exit from configuration mode")


@dataclass
class _Block:
    """An open block. A block without a subject was opened by a wrong command or by one that is not implemented; its
    commands are checked and have no effect."""

    mode: ConfigurationMode
    subject: Any
    title: str = ""
    line: int = 0
    indentation: int = -1


@dataclass
class _Ignored:
    """The commands of one block that are not implemented. One warning names them all."""

    line: int
    under: str
    commands: dict[str, None] = field(default_factory=dict)


class Blocks:
    """The open blocks of one reader, outermost first."""

    def __init__(self, mode: ConfigurationMode, subject: object, diagnostics: Diagnostics) -> None:
        self._stack = [_Block(mode, subject)]
        self._diagnostics = diagnostics
        self._ignored: dict[str, _Ignored] = {}
        self._ignored_at: Optional[int] = None  # indentation of the ignored command that further lines may belong to
        self._astray = False  # a wrong command was meant to open a block, and it is unclear which

    @property
    def subject(self) -> Any:
        """The subject of the innermost block; None if the block is wrong or not implemented."""
        return self._stack[-1].subject

    def read(self, text: str) -> None:
        """Execute all lines of an IOS configuration. Errors and warnings go to the diagnostics."""
        for line in self._lines(text):
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

    def _lines(self, text: str) -> Iterator[Line]:
        try:
            for number, line in enumerate(read_lines(text)):
                if number == MAX_COMMANDS:
                    self._diagnostics.error(line.number, f"too many commands; expected at most {MAX_COMMANDS:,}")
                    return
                yield line
        except OpenTextError as error:
            self._diagnostics.error(error.line, str(error))

    def execute(self, line: Line) -> None:
        """Execute one command."""
        line = self._without_default(line)
        try:
            found = self._find(line)
        except CommandError as error:
            if not self._belongs_to_ignored(line):
                self._recover(error, line)
            return
        self._astray = False
        if found.command.action is None and self._belongs_to_ignored(line):
            return
        self._remember_ignored(found, line)
        if found.command is EXIT:
            del self._stack[max(1, len(self._stack) - 1) :]
        elif found.command is END:
            del self._stack[1:]
        else:
            self._run(found, line)

    def _without_default(self, line: Line) -> Line:
        """``default COMMAND`` of IOS: as ``no COMMAND``, except where that switches something off."""
        others = line.words[1:]
        if line.words[0].lower() != _DEFAULT or not others:
            return line
        for words in (others, ("no", *others)):
            for block in self._stack:
                with suppress(CommandError):
                    found = match(block.mode, words)
                    if found.command.action is not None and ("no" in found or found.words in _ON_BY_DEFAULT):
                        return replace(line, words=words, columns=line.columns[-len(words) :])
        return line

    def _find(self, line: Line) -> Match[ConfigurationAction]:
        """Find a command in the innermost mode that has it.

        Raises CommandError if none has it: that of the mode in which most of the words were right.
        """
        words = line.words
        errors: list[tuple[CommandError, int]] = []
        for level in reversed(range(len(self._stack))):
            try:
                found = match(self._stack[level].mode, words)
            except CommandError as error:
                errors.append((error.with_traceback(None), level))
            else:
                if found.command.action is not None or not self._is_within_block(line, level + 1):
                    del self._stack[level + 1 :]
                return found
        furthest, level = max(errors, key=lambda each: (each[0].position, not isinstance(each[0], UnknownCommandError)))
        if furthest.position > 0:
            del self._stack[level + 1 :]
        try:
            raise furthest
        finally:
            del errors, furthest  # its traceback leads here: a cycle would keep the configurations of the callers

    def _is_within_block(self, line: Line, level: int) -> bool:
        """Whether a line is indented below the command that opened the block at this level of the stack."""
        return level < len(self._stack) and line.indentation > self._stack[level].indentation

    def _belongs_to_ignored(self, line: Line) -> bool:
        return self._ignored_at is not None and line.indentation > self._ignored_at

    def _remember_ignored(self, found: Match[ConfigurationAction], line: Line) -> None:
        """Remember an ignored command that further lines may belong to; forget one that has ended."""
        if found.command.action is None:
            self._ignored_at = line.indentation
        elif found.command.opens is not None or not self._belongs_to_ignored(line):
            self._ignored_at = None

    def _run(self, found: Match[ConfigurationAction], line: Line) -> None:
        block = self._stack[-1]
        title = line.beginning(max(found.rest, 2) if line.words[0].lower() == _DEFAULT else found.rest)
        subject = None
        if block.subject is not None and found.command.action is None:
            self._ignore(title, block, line.number)
        elif block.subject is not None and found.command.action is not None:
            try:
                subject = found.command.action(block.subject, Statement(found, line.number, self._diagnostics))
            except ValueError as error:
                self._diagnostics.error(line.number, str(error))
        if found.command.opens is not None:
            self._stack.append(_Block(found.command.opens, subject, title, line.number, line.indentation))

    def _recover(self, error: CommandError, line: Line) -> None:
        """Record the error, and open the block that the command was meant to open: its commands are not errors too."""
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
            self._stack.append(_Block(mode, None, title, line.number, line.indentation))
        elif len(self._stack) == 1:
            self._astray = True

    def _unknown(self, word: str, elsewhere: Optional[Command[ConfigurationAction]]) -> str:
        """The error for a word that begins no command in any open block."""
        block = self._stack[-1]
        place = f"under {quoted(block.title)}" if block.title else "here"
        words = {f"'{each.word}'" for each in expected(block.mode, ())} - {"'exit'", "'end'"}
        hint = f"; it belongs under '{_opening(elsewhere)}'" if elsewhere is not None else ""
        if not hint:
            hint = did_you_mean(word, {each.word for block in self._stack for each in expected(block.mode, ())})
        return f"{quoted(word)} is not a command {place}; expected {listed(words) or 'a command of IOS'}{hint}"

    def _elsewhere(self, words: Sequence[str]) -> Optional[Command[ConfigurationAction]]:
        """A command that opens a mode in which ``words`` are the beginning of a command."""
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
        """Record a command that is not implemented for the warning of its block."""
        key = f"{block.line} {block.title}" if block.title else title
        self._ignored.setdefault(key, _Ignored(line, block.title)).commands[title] = None

    def _warn_of_ignored(self) -> None:
        for ignored in self._ignored.values():
            names = ", ".join(quoted(name) for name in ignored.commands)
            under = f" under {quoted(ignored.under)}" if ignored.under else ""
            verb = "is" if len(ignored.commands) == 1 else "are"
            self._diagnostics.warning(ignored.line, f"{names}{under} {verb} not implemented and {verb} ignored")


def _opening(command: Command[ConfigurationAction]) -> str:
    """The name of the block that a command opens, as errors have it: the template without its optional end."""
    return command.template.split(" [")[0]
