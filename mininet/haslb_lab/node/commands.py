"""The commands of a node: IOS-like words that may be abbreviated, arguments, and ``--json`` at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from haslb_lab.node.node_control import Answer, CommandError

#: Gets the arguments and whether JSON was asked for; generates the lines of the answer, raises CommandError.
Handler = Callable[[list[str], bool], Answer]


class Commands:
    """A table from usage to handler. In a usage such as ``register FIRST COUNT`` capitals stand for arguments; the
    other words match their beginnings, so that ``sh ip mob bind sum`` will do."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers: dict[tuple[str, ...], Handler] = {}
        self.add(handlers)

    def add(self, handlers: Mapping[str, Handler]) -> None:
        """Add more commands to the table."""
        self._handlers.update((tuple(usage.split()), handler) for usage, handler in handlers.items())

    def answer(self, line: str) -> Answer:
        """The answer to one command line; ``help`` lists the commands. A line that is none raises CommandError once
        the answer is read."""
        words = line.split()
        as_json = words[-1:] == ["--json"]
        if as_json:
            words.pop()
        if words in (["help"], ["?"]):
            return in_lines(" ".join(usage) for usage in self._handlers)
        found = [usage for usage in self._handlers if _matches(usage, words)]
        if len(found) == 1:
            arguments = [word for pattern, word in zip(found[0], words) if pattern.isupper()]
            return self._handlers[found[0]](arguments, as_json)
        return _refusal(line, found or list(self._handlers))


def _matches(usage: tuple[str, ...], words: list[str]) -> bool:
    return len(usage) == len(words) and all(
        pattern.isupper() or pattern.startswith(word.lower()) for pattern, word in zip(usage, words)
    )


async def _refusal(line: str, usages: list[tuple[str, ...]]) -> Answer:
    listed = "; ".join(" ".join(usage) for usage in usages)
    raise CommandError(f"{line[:80]!r} is not one command of: {listed}")
    yield ""


async def in_lines(lines: Iterable[str]) -> Answer:
    """An answer whose lines are all at hand."""
    for line in lines:
        yield line


def in_json(document: Any) -> Answer:
    """An answer of one JSON line."""
    return in_lines([json.dumps(document)])
