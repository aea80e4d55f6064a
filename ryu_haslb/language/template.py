"""Templates: the notation for commands, compiled to an automaton.

``word`` is a keyword, ``NAME`` or ``NAME<low-high>`` a parameter, ``NAME...`` one or more of the same, ``[...]`` may be
left out, ``{a | b}`` and ``[a | b]`` are alternatives::

    agent ADDRESS PORT<1-65535> [TIMEOUT<0-65535> [RETRY-COUNT<0-65535>]]

Compilation is Glushkov's construction: every keyword and parameter of the template is a position of the automaton. It
needs three sets: the positions that may come first, those that may come last, and those that may follow each position.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from ryu_haslb.language.kinds import KINDS, Kind, number

_LEXEME = re.compile(r"[][{}|]|[^][{}|\s]+")
_PARAMETER = re.compile(r"(?P<name>[A-Z][A-Z-]*)(<(?P<low>\d+)-(?P<high>\d+)>)?(?P<repeated>\.\.\.)?")


@dataclass(frozen=True)
class Symbol:
    """A keyword (``kind`` is None) or a parameter of a template; ``text`` is the keyword or the parameter's name.

    The value of one that may be ``repeated`` is a tuple. ``initial`` is the first letter of a
    keyword in lower case, and empty for a parameter.
    """

    text: str
    kind: Optional[Kind] = None
    repeated: bool = False
    initial: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", self.text[0].lower() if self.kind is None else "")

    @property
    def display(self) -> str:
        """How ``?`` shows it."""
        return self.kind.display if self.kind else self.text

    @property
    def description(self) -> str:
        """How an error describes it."""
        return self.kind.description if self.kind else f"'{self.text}'"

    def abbreviated_by(self, word: str) -> bool:
        """Whether ``word`` is a beginning of this keyword. Numbers such as ``434`` are not abbreviated."""
        if self.text[0].isdigit():
            return word == self.text
        return self.text.lower().startswith(word.lower())


@dataclass(frozen=True)
class Template:
    """A compiled template: its symbols by position, and the positions that begin it, end it and follow each other."""

    symbols: tuple[Symbol, ...]
    first: tuple[int, ...]
    last: frozenset[int]
    follow: tuple[tuple[int, ...], ...]


@dataclass
class _Fragment:
    """A part of a template during compilation; ``optional``: it may match nothing."""

    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    optional: bool = True


class _Compiler:
    def __init__(self, text: str, kinds: Mapping[str, Kind]) -> None:
        self.text = text
        self.kinds = kinds
        self.lexemes = _LEXEME.findall(text)
        self.symbols: list[Symbol] = []
        self.follow: list[list[int]] = []

    def template(self) -> Template:
        whole = self.alternatives(until=None)
        if whole.optional:
            raise ValueError(f"template {self.text!r} would match an empty line")
        return Template(
            tuple(self.symbols), tuple(whole.first), frozenset(whole.last), tuple(tuple(after) for after in self.follow)
        )

    def alternatives(self, until: Optional[str]) -> _Fragment:
        """Sequences separated by ``|`` up to the closing bracket ``until``."""
        choice = _Fragment(optional=False)
        while True:
            sequence, end = self.sequence()
            choice.first += sequence.first
            choice.last += sequence.last
            choice.optional = choice.optional or sequence.optional
            if end != "|":
                break
        if end != until:
            raise ValueError(f"template {self.text!r}: brackets do not match")
        return choice

    def sequence(self) -> tuple[_Fragment, Optional[str]]:
        """Items in a row, and the lexeme that ended them."""
        whole = _Fragment()
        while self.lexemes:
            lexeme = self.lexemes.pop(0)
            if lexeme in ("|", "]", "}"):
                return whole, lexeme
            item = self.item(lexeme)
            for position in whole.last:
                self.follow[position] += item.first
            whole.first += item.first if whole.optional else []
            whole.last = item.last + (whole.last if item.optional else [])
            whole.optional = whole.optional and item.optional
        return whole, None

    def item(self, lexeme: str) -> _Fragment:
        if lexeme == "[":
            group = self.alternatives(until="]")
            group.optional = True
            return group
        if lexeme == "{":
            return self.alternatives(until="}")
        self.symbols.append(self.symbol(lexeme))
        position = len(self.symbols) - 1
        self.follow.append([position] if self.symbols[position].repeated else [])
        return _Fragment([position], [position], optional=False)

    def symbol(self, lexeme: str) -> Symbol:
        parameter = _PARAMETER.fullmatch(lexeme)
        if parameter is None:
            return Symbol(lexeme)
        repeated = parameter["repeated"] is not None
        if parameter["low"] is not None:
            return Symbol(parameter["name"], number(int(parameter["low"]), int(parameter["high"])), repeated)
        return Symbol(parameter["name"], self.kinds[parameter["name"]], repeated)


def compile_template(text: str, kinds: Mapping[str, Kind] = KINDS) -> Template:
    """Compile a template; ``kinds`` are those of its parameters that are not numbers.

    Raises ValueError if the template has a mistake, KeyError if a parameter has no kind.
    """
    return _Compiler(text, kinds).template()
