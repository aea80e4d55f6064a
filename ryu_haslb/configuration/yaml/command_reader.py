"""Executes YAML as IOS commands: each key has a handler that reads its value and executes a command."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import yaml

from ryu_haslb.configuration.draft import Draft
from ryu_haslb.configuration.ios.blocks import Blocks
from ryu_haslb.configuration.ios.command_table import GLOBAL
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
    """The open blocks of IOS commands, and the handlers that execute keys in them."""

    def __init__(self, draft: Draft, diagnostics: Diagnostics) -> None:
        self.draft = draft
        self.diagnostics = diagnostics
        self.blocks = Blocks(GLOBAL, draft, diagnostics)

    @contextlib.contextmanager
    def recording_errors(self) -> Iterator[None]:
        """Record an error of one part; the others are read all the same."""
        try:
            yield
        except NodeError as error:
            self.diagnostics.error(error.line, str(error))

    def block(self, node: yaml.Node, what: str, handlers: Mapping[str, Handler]) -> None:
        """Call the handler of each key with its value."""
        with self.recording_errors():
            for name, line, value in entries(node, what):
                with self.recording_errors():
                    if name not in handlers:
                        raise unknown_key(line, name, what, handlers)
                    handlers[name](value)

    def each(self, node: yaml.Node, what: str, handler: Handler) -> None:
        """Call the handler with each item of a list."""
        for item in items(node, what):
            with self.recording_errors():
                handler(item)

    def command(self, line: int, *words: str) -> None:
        """Execute an IOS command in the open block."""
        self.blocks.execute(line_of(words, line))

    def number(self, *words: str) -> Handler:
        """A handler that executes a command with the number of its key at the end."""
        return lambda node: self.command(line_of_node(node), *words, number_of(node, words[0]))

    def word(self, *words: str) -> Handler:
        """A handler that executes a command with the text of its key at the end."""
        return lambda node: self.command(line_of_node(node), *words, text_of(node, f"a word after '{words[0]}'"))

    def switch(self, *words: str) -> Handler:
        """A handler that executes a command if its key is true, and the ``no`` form if it is false."""
        key = "_".join(words)
        return lambda node: self.command(line_of_node(node), *(() if flag_of(node, key) else ("no",)), *words)


def read_already(_node: yaml.Node) -> None:
    """The handler of a key that was read when its block was opened."""
