"""The grammar of IOS commands: finds the command that a line of words is, and what may follow some words.

Configuration, ``show``, ``clear`` and the prompt's ``?`` all use it; what a command does is not known here. As on IOS
a keyword may be abbreviated as long as it is unambiguous, its case does not matter, and a word that can be a keyword is
not a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, NoReturn, Optional, TypeVar

from ryu_haslb.errors import HaslbError
from ryu_haslb.language.kinds import KINDS, Kind
from ryu_haslb.language.template import Symbol, Template, compile_template
from ryu_haslb.language.wording import MASK, did_you_mean, listed, quoted

Action = TypeVar("Action")

#: What ``?`` prints where a command may end.
END = "<cr>"


@dataclass(frozen=True, eq=False)
class Command(Generic[Action]):
    """A command: its template, its action, one line of help, and the mode that it opens, if any.

    A command whose ``action`` is None exists on IOS and is not implemented. It is recognised only when its keywords are
    written in full, so that no abbreviation of an implemented command is taken for it, and ``?`` does not offer it.

    ``kinds`` are the kinds of the parameters that are not numbers. A subclass with other parameters overrides it.
    """

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    template: str
    action: Optional[Action]
    help: str = ""
    opens: Optional[Mode[Action]] = None

    @cached_property
    def compiled(self) -> Template:
        """Compiled when a line is first read in its mode: a start reads few modes."""
        return compile_template(self.template, self.kinds)


@dataclass(frozen=True, eq=False)
class Mode(Generic[Action]):
    """A mode such as ``config-slb-real``: its commands, and help for the keywords that several of them share."""

    name: str
    commands: tuple[Command[Action], ...]
    help: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def beginnings(self) -> tuple[_Step[Action], ...]:
        """How each command may begin."""
        return tuple(_Step(command, first, ()) for command in self.commands for first in command.compiled.first)


@dataclass(frozen=True)
class Match(Generic[Action]):
    """A recognised command.

    ``words`` are its keywords in full; ``match["WEIGHT"]`` is the value of a parameter, ``match.get("PORT")`` of one
    that may have been left out, and ``"exclude" in match`` is whether a keyword was given. The value of a parameter
    that may be repeated is a tuple. ``rest`` is the index of the word at which a ``LINE`` or a secret begins, or the
    number of words if there is neither.
    """

    command: Command[Action]
    words: tuple[str, ...]
    values: Mapping[str, Any]
    rest: int

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a parameter, or ``default`` if it was left out."""
        return self.values.get(name, default)

    def __contains__(self, word: str) -> bool:
        return word in self.words


@dataclass(frozen=True)
class Expectation:
    """A word that may come next, as ``?`` shows it, with its help."""

    word: str
    help: str


class CommandError(HaslbError):
    """Words that are not a command. The message says what was expected.

    ``position`` is the number of words before the first wrong one; ``commands`` are the commands that begin with them.
    """

    def __init__(self, message: str, position: int, commands: Sequence[Command[Any]] = ()) -> None:
        super().__init__(message)
        self.position = position
        self.commands = tuple(commands)


class UnknownCommandError(CommandError):
    """The first word does not begin any command."""


@dataclass(frozen=True)
class _Step(Generic[Action]):
    """One way to read the words so far: a position in a command, and the values read up to it."""

    command: Command[Action]
    position: int
    path: tuple[tuple[Symbol, Any], ...]
    symbol: Symbol = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbol", self.command.compiled.symbols[self.position])

    def taking(self, value: Any) -> _Step[Action]:
        return _Step(self.command, self.position, (*self.path, (self.symbol, value)))

    def following(self) -> list[_Step[Action]]:
        return [_Step(self.command, after, self.path) for after in self.command.compiled.follow[self.position]]

    def spelled_by(self, word: str) -> bool:
        """Whether ``word`` is this keyword or an abbreviation of it."""
        if self.symbol.kind is not None:
            return False
        implemented = self.command.action is not None
        return self.symbol.abbreviated_by(word) if implemented else self.symbol.text.lower() == word.lower()

    @property
    def may_end(self) -> bool:
        return self.position in self.command.compiled.last


def match(mode: Mode[Action], words: Sequence[str]) -> Match[Action]:
    """Find the command of ``mode`` that ``words`` are. Raises CommandError if there is none."""
    taken, following = _walk(mode, words)
    complete = [step for step in taken if step.may_end]
    if not complete:
        after = f"after '{_shown(taken, words)}' " if words else ""
        raise CommandError(f"incomplete command: {after}expected {_list(following)}", len(words), _commands(following))
    command, path = complete[0].command, complete[0].path
    return Match(
        command,
        tuple(symbol.text for symbol, _ in path if symbol.kind is None),
        _values(path),
        next((index for index, (symbol, _) in enumerate(path) if _is_open_ended(symbol)), len(words)),
    )


def _values(path: Sequence[tuple[Symbol, Any]]) -> dict[str, Any]:
    """The values of the parameters by name; those of a repeated one in a tuple."""
    found: dict[str, Any] = {}
    for symbol, value in path:
        if symbol.kind is not None:
            found[symbol.text] = (*found.get(symbol.text, ()), value) if symbol.repeated else value
    return found


def expected(mode: Mode[Action], words: Sequence[str], prefix: str = "") -> tuple[Expectation, ...]:
    """What may follow the complete ``words`` and begins with ``prefix``, in alphabetical order, then :data:`END`.

    Raises CommandError if ``words`` do not begin any command.
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
    """Read all words. Returns the steps of the last word, and the steps that may follow it."""
    taken: list[_Step[Action]] = []
    following = list(mode.beginnings)
    for position in range(len(words)):
        if not following:
            reason = f"unexpected {_foreign(taken, words[position])} after '{_shown(taken, words)}'"
            raise CommandError(f"{reason}; expected the end of the line", position, _commands(taken))
        taken = _take(following, words, position)
        if taken[0].symbol.kind is not None and taken[0].symbol.kind.rest_of_line:
            return taken, []
        following = [after for step in taken for after in step.following()]
    return taken, following


def _take(candidates: list[_Step[Action]], words: Sequence[str], position: int) -> list[_Step[Action]]:
    """The candidates that accept the word at ``position``. Raises CommandError if none does, or several keywords do."""
    word = words[position]
    letter = word[:1].lower()  # a mode has 170 beginnings: nearly all of them differ in it
    keywords = [step for step in candidates if step.symbol.initial == letter and step.spelled_by(word)]
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
    """Raise the error for a word that no candidate accepts."""
    offered = _offered(candidates)
    known = [step.symbol.text for step in offered if step.symbol.kind is None]
    word = _foreign(candidates, words[position], known)
    hint = f" ({complaint})" if complaint else did_you_mean(words[position], known)
    if position == 0:
        raise UnknownCommandError(f"{word} is not a command here; expected {_list(candidates)}{hint}", 0)
    after = _shown(candidates, words)
    raise CommandError(f"after '{after}' expected {_list(candidates)}, not {word}{hint}", position, _commands(offered))


def _foreign(steps: Sequence[_Step[Action]], word: str, known: Sequence[str] = ()) -> str:
    """A wrong word for an error. It is masked if it may be a secret, or a part of one that has spaces.

    Behind a secret, only a word that is similar to a ``known`` keyword is shown.
    """
    if any(_is_secret(step.symbol) for step in steps):
        return f"'{MASK}'"
    follows_secret = any(_is_secret(symbol) for step in steps for symbol, _ in step.path)
    return f"'{MASK}'" if follows_secret and not did_you_mean(word, known) else quoted(word)


def _offered(steps: Sequence[_Step[Action]]) -> Sequence[_Step[Action]]:
    """The steps of implemented commands; all steps if there are none."""
    return [step for step in steps if step.command.action is not None] or steps


def _shown(taken: Sequence[_Step[Action]], words: Sequence[str]) -> str:
    """The words before the wrong one, without secrets: errors are logged."""
    path = taken[0].path
    shown = (MASK if _is_secret(symbol) else word for word, (symbol, _) in zip(words, path))
    return quoted(" ".join(shown))[1:-1]


def _is_secret(symbol: Symbol) -> bool:
    return symbol.kind is not None and symbol.kind.secret


def _is_open_ended(symbol: Symbol) -> bool:
    return _is_secret(symbol) or (symbol.kind is not None and symbol.kind.rest_of_line)


def _commands(steps: Sequence[_Step[Action]]) -> list[Command[Action]]:
    return list(dict.fromkeys(step.command for step in steps))


def _list(steps: Sequence[_Step[Action]]) -> str:
    """What may come next, as an error lists it."""
    return listed({step.symbol.description for step in _offered(steps)})
