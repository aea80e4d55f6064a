"""What may follow a command behind ``|``: lines that include a text, or do not, or how many rows there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ryu_haslb.ios.grammar import Command, Match, Mode, match

Lines = Iterator[str]
Filter = Callable[[Lines, Match["Filter"]], Lines]


def _include(lines: Lines, words: Match[Filter]) -> Lines:
    return (line for line in lines if words["TEXT"] in line)


def _exclude(lines: Lines, words: Match[Filter]) -> Lines:
    return (line for line in lines if words["TEXT"] not in line)


def _count(lines: Lines, words: Match[Filter]) -> Lines:
    text = words.get("TEXT", "")
    yield f"Number of lines: {sum(1 for line in lines if text in line)}"


FILTERS: Mode[Filter] = Mode(
    "filter",
    (
        Command("include TEXT", _include, "Lines that include a text"),
        Command("exclude TEXT", _exclude, "Lines that do not include a text"),
        Command("count [TEXT]", _count, "How many lines there are, or how many include a text"),
    ),
)


def split(words: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The command before the first ``|``, and the filters behind it."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts[0], parts[1:]


def apply(lines: Lines, filters: Iterable[Sequence[str]]) -> Lines:
    """Send lines through filters, in order; CommandError if one is none."""
    for words in filters:
        found = match(FILTERS, words)
        assert found.command.action is not None  # every filter does something
        lines = found.command.action(lines, found)
    return lines
