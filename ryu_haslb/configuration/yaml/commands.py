"""Turning YAML into IOS commands: each key has a handler that reads its value and executes what it means."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import yaml

from ryu_haslb.configuration.draft import Draft
from ryu_haslb.configuration.ios.blocks import Blocks
from ryu_haslb.configuration.ios.commands import GLOBAL
from ryu_haslb.configuration.ios.lines import line_of
from ryu_haslb.configuration.yaml.nodes import (
    NodeError,
    entries,
    flag_of,
    items,
    line_of_node,
    number_of,
    text_of,
    unknown_key,
)
from ryu_haslb.language.diagnostics import Diagnostics

Handler = Callable[[yaml.Node], None]


class CommandReader:
    """The open blocks, and ways to hand keys and values to them."""

    def __init__(self, draft: Draft, diagnostics: Diagnostics) -> None:
        self.draft = draft
        self.diagnostics = diagnostics
        self.blocks = Blocks(GLOBAL, draft, diagnostics)

    @contextlib.contextmanager
    def noting_errors(self) -> Iterator[None]:
        """An error in one part keeps none of the others from being read."""
        try:
            yield
        except NodeError as error:
            self.diagnostics.error(error.line, str(error))

    def block(self, node: yaml.Node, what: str, handlers: Mapping[str, Handler]) -> None:
        """Hand each key's value to its handler."""
        with self.noting_errors():
            for name, line, value in entries(node, what):
                with self.noting_errors():
                    if name not in handlers:
                        raise unknown_key(line, name, what, handlers)
                    handlers[name](value)

    def each(self, node: yaml.Node, what: str, handler: Handler) -> None:
        """Hand each item of a list to the handler."""
        for item in items(node, what):
            with self.noting_errors():
                handler(item)

    def command(self, line: int, *words: str) -> None:
        """Execute an IOS command in the block that is open."""
        self.blocks.execute(line_of(words, line))

    def number(self, *words: str) -> Handler:
        """The handler of a key whose number completes a command."""
        return lambda node: self.command(line_of_node(node), *words, number_of(node, words[0]))

    def word(self, *words: str) -> Handler:
        """The handler of a key whose text completes a command."""
        return lambda node: self.command(line_of_node(node), *words, text_of(node, f"a word after '{words[0]}'"))

    def switch(self, *words: str) -> Handler:
        """The handler of a key that gives a command if it is true, and its ``no`` form if it is false."""
        key = "_".join(words)
        return lambda node: self.command(line_of_node(node), *(() if flag_of(node, key) else ("no",)), *words)


def read_already(_node: yaml.Node) -> None:
    """The handler of a key that was needed to open the block."""
