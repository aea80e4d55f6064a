"""Recognising an IOS command among the commands of a mode.

Pure and knowing nothing about what commands do: configuration, ``show``, ``clear`` and the prompt's ``?`` all use it.
As in IOS a keyword may be cut short as long as it stays unambiguous, case does not matter in keywords, and a keyword is
preferred to a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, Optional, TypeVar

from ryu_haslb.language.template import Symbol, Template, compile_template
from ryu_haslb.language.wording import did_you_mean, listed, quoted

Action = TypeVar("Action")

END = "<cr>"  # what `?` prints where a command may end


@dataclass(frozen=True, eq=False)
class Command(Generic[Action]):
    """A command: its template, what it does, a line of help, and the mode that it opens if any.

    A command whose ``action`` is None is one of IOS that this product has not: it is recognised, but never offered, and
    only when its keywords are written in full, so that it is not taken for the abbreviation of another.
    """

    template: str
    action: Optional[Action]
    help: str = ""
    opens: Optional[Mode[Action]] = None
    compiled: Template = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", compile_template(self.template))


@dataclass(frozen=True, eq=False)
class Mode(Generic[Action]):
    """A mode such as ``config-slb-real``: its commands, and help for words that several share."""

    name: str
    commands: tuple[Command[Action], ...]
    help: Mapping[str, str] = field(default_factory=dict)
    beginnings: tuple[_Step[Action], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        steps = (_Step(command, first, ()) for command in self.commands for first in command.compiled.first)
        object.__setattr__(self, "beginnings", tuple(steps))


@dataclass(frozen=True)
class Match(Generic[Action]):
    """A recognised command.

    ``words`` are its keywords in full; ``match["WEIGHT"]`` is a parameter's value, ``match.get("PORT")`` one that may
    have been left out, ``"exclude" in match`` tells whether a keyword was given. ``rest`` is the index of the word
    where a ``LINE`` or a secret began (the number of words if there is none).
    """

    command: Command[Action]
    words: tuple[str, ...]
    values: Mapping[str, Any]
    rest: int

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a parameter, ``default`` if it was left out."""
        return self.values.get(name, default)

    def __contains__(self, word: str) -> bool:
        return word in self.words


@dataclass(frozen=True)
class Expectation:
    """A word that may come next, as ``?`` shows it, and its help."""

    word: str
    help: str


class CommandError(Exception):
    """Words that are no command. ``position`` counts the words that were right; the text says what was expected next.

    ``commands`` are those that the right words could have become.
    """

    def __init__(self, message: str, position: int, commands: Sequence[Command[Any]] = ()) -> None:
        super().__init__(message)
        self.position = position
        self.commands = tuple(commands)


class UnknownCommandError(CommandError):
    """Not even the first word begins a command."""


@dataclass(frozen=True)
class _Step(Generic[Action]):
    """One way to understand the words so far: a position in a command, and the values on the way there."""

    command: Command[Action]
    position: int
    path: tuple[tuple[Symbol, Any], ...]

    @property
    def symbol(self) -> Symbol:
        return self.command.compiled.symbols[self.position]

    def taking(self, value: Any) -> _Step[Action]:
        return _Step(self.command, self.position, (*self.path, (self.symbol, value)))

    def following(self) -> list[_Step[Action]]:
        return [_Step(self.command, after, self.path) for after in self.command.compiled.follow[self.position]]

    def spelled_by(self, word: str) -> bool:
        """Whether ``word`` is this keyword, or may stand for it."""
        if self.symbol.kind is not None:
            return False
        implemented = self.command.action is not None
        return self.symbol.abbreviated_by(word) if implemented else self.symbol.text.lower() == word.lower()

    @property
    def may_end(self) -> bool:
        return self.position in self.command.compiled.last


def match(mode: Mode[Action], words: Sequence[str]) -> Match[Action]:
    """The command of ``mode`` that ``words`` spell; CommandError if there is none."""
    taken, following = _walk(mode, words)
    complete = [step for step in taken if step.may_end]
    if not complete:
        after = f"after '{_shown(taken, words)}' " if words else ""
        raise CommandError(f"incomplete command: {after}expected {_list(following)}", len(words), _commands(following))
    command, path = complete[0].command, complete[0].path
    return Match(
        command,
        tuple(symbol.text for symbol, _ in path if symbol.kind is None),
        {symbol.text: value for symbol, value in path if symbol.kind is not None},
        next((index for index, (symbol, _) in enumerate(path) if _is_open_ended(symbol)), len(words)),
    )


def expected(mode: Mode[Action], words: Sequence[str], prefix: str = "") -> tuple[Expectation, ...]:
    """What may follow the complete ``words``: all that begins with ``prefix``, in alphabetical order, then :data:`END`.

    CommandError if ``words`` do not begin any command.
    """
    taken, following = _walk(mode, words)
    offered = [step for step in following if step.command.action is not None]
    found: dict[str, str] = {}
    for step in offered:
        display = step.symbol.display
        if step.symbol.kind is None and not display.lower().startswith(prefix.lower()):
            continue
        leading = [other for other in offered if other.symbol.display == display]
        found[display] = mode.help.get(step.symbol.text, step.command.help if len(leading) == 1 else "")
    expectations = [Expectation(word, found[word]) for word in sorted(found)]
    if not prefix and any(step.may_end and step.command.action is not None for step in taken):
        expectations.append(Expectation(END, ""))
    return tuple(expectations)


def _walk(mode: Mode[Action], words: Sequence[str]) -> tuple[list[_Step[Action]], list[_Step[Action]]]:
    """Read all words: the steps taken by the last one, and the steps that may follow."""
    taken: list[_Step[Action]] = []
    following = list(mode.beginnings)
    for position in range(len(words)):
        if not following:
            reason = f"unexpected {quoted(words[position])} after '{_shown(taken, words)}'"
            raise CommandError(f"{reason}; expected the end of the line", position, _commands(taken))
        taken = _take(following, words, position)
        if taken[0].symbol.kind is not None and taken[0].symbol.kind.rest_of_line:
            return taken, []
        following = [after for step in taken for after in step.following()]
    return taken, following


def _take(candidates: list[_Step[Action]], words: Sequence[str], position: int) -> list[_Step[Action]]:
    """The candidates that accept the word at ``position``; CommandError if there are none or several keywords."""
    word = words[position]
    keywords = [step for step in candidates if step.spelled_by(word)]
    exact = [step for step in keywords if step.symbol.text.lower() == word.lower()]
    meant = sorted({step.symbol.text for step in exact or keywords})
    if len(meant) > 1:
        raise CommandError(f"{quoted(word)} is ambiguous: {', '.join(meant)}", position, _commands(keywords))
    if meant:
        return [step.taking(word) for step in exact or keywords]
    accepted, complaint = [], ""
    for step in candidates:
        if step.symbol.kind is not None:
            try:
                text = " ".join(words[position:]) if step.symbol.kind.rest_of_line else word
                accepted.append(step.taking(step.symbol.kind.parse(text)))
            except ValueError as error:
                complaint = str(error)
    return accepted or _refuse(candidates, words, position, complaint)


def _refuse(candidates: list[_Step[Action]], words: Sequence[str], position: int, complaint: str) -> NoReturn:
    """Raise the error of a word that fits none of the candidates."""
    word, offered = quoted(words[position]), _offered(candidates)
    known = [step.symbol.text for step in offered if step.symbol.kind is None]
    hint = f" ({complaint})" if complaint else did_you_mean(words[position], known)
    if position == 0:
        raise UnknownCommandError(f"{word} is not a command here; expected {_list(candidates)}{hint}", 0)
    after = _shown(candidates, words)
    raise CommandError(f"after '{after}' expected {_list(candidates)}, not {word}{hint}", position, _commands(offered))


def _offered(steps: Sequence[_Step[Action]]) -> Sequence[_Step[Action]]:
    """What this product implements, unless there is nothing else."""
    return [step for step in steps if step.command.action is not None] or steps


def _shown(taken: Sequence[_Step[Action]], words: Sequence[str]) -> str:
    """The words that were right, without secrets: errors end up in logs."""
    path = taken[0].path
    shown = ("****" if symbol.kind and symbol.kind.secret else word for word, (symbol, _) in zip(words, path))
    return quoted(" ".join(shown))[1:-1]


def _is_open_ended(symbol: Symbol) -> bool:
    return symbol.kind is not None and (symbol.kind.rest_of_line or symbol.kind.secret)


def _commands(steps: Sequence[_Step[Action]]) -> list[Command[Action]]:
    return list(dict.fromkeys(step.command for step in steps))


def _list(steps: Sequence[_Step[Action]]) -> str:
    """What may come next, for an error."""
    return listed({step.symbol.description for step in _offered(steps)})
