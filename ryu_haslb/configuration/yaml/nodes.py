"""Reads YAML, which is untrusted input, as a tree with line numbers and limits. Errors name the line.

Scalars are read as they are written. YAML constructs no values from them, so that octal and sexagesimal numbers, or
``no`` as a truth value in place of a name, do not reach the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, Optional, TypeVar

import yaml
from yaml.composer import Composer

from ryu_haslb.errors import HaslbError
from ryu_haslb.language.wording import MASK, did_you_mean, listed, quoted

#: Levels of nesting.
MAX_DEPTH = 12
#: Characters of a YAML text.
MAX_TEXT_LENGTH = 1 << 20

#: Keys, values, lists and mappings of a YAML text. 5,000 real servers have some 60,000.
MAX_NODES = 200_000

Value = TypeVar("Value")

#: Keys whose values are left out of errors.
_SECRET_KEYS = ("password", "key")
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "timestamp", "value", "merge")}


class NodeError(HaslbError):
    """A node that is not as expected; ``line`` counts from 1 and is 0 if it is unknown."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


#: libyaml, where PyYAML was built with it, makes events some ten times as fast as Python does.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(Composer, _Parser):  # type: ignore[misc]
    """Composes the tree in Python whichever parser there is: libyaml's composer has no limits of our kind.

    Refuses aliases, by which a short file can expand without limit, and deep nesting.
    """

    depth = nodes = 0

    def __init__(self, text: str) -> None:
        _Parser.__init__(self, text)
        Composer.__init__(self)

    def compose_node(self, parent: Optional[yaml.Node], index: Any) -> Optional[yaml.Node]:
        event: Any = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            name = MASK if getattr(index, "value", None) in _SECRET_KEYS else event.anchor
            raise NodeError(line, f"aliases such as *{name} are not supported; expected the value itself")
        if self.depth == MAX_DEPTH:
            raise NodeError(line, f"too deeply nested; expected at most {MAX_DEPTH} levels")
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise NodeError(line, f"too many keys and values; expected at most {MAX_NODES:,}")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def compose(text: str) -> Optional[yaml.Node]:
    """The tree of a YAML text; None if it is empty.

    Raises NodeError unless the text is one YAML document within the limits.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise NodeError(0, f"too large; expected at most {MAX_TEXT_LENGTH >> 20} MiB of YAML")
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(filter(None, [error.context, error.problem]))
        raise NodeError(mark.line + 1 if mark else 0, f"not YAML: {reason}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NodeError(line, f"not YAML: unexpected character {chr(error.character)!a}") from error
    except (ValueError, OverflowError) as error:  # PyYAML on "\UFFFFFFFF" and on absurd %YAML versions
        raise NodeError(0, f"not YAML: {error}") from error


def line_of_node(node: yaml.Node) -> int:
    """The line in which the node begins, counted from 1."""
    return int(node.start_mark.line) + 1


def is_empty(node: yaml.Node) -> bool:
    """Whether the value is left out or null."""
    return isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "null"


def entries(node: yaml.Node, what: str) -> Iterator[tuple[str, int, yaml.Node]]:
    """The keys of a mapping with their lines and values. An empty node is an empty mapping.

    ``what`` describes the mapping in errors.
    """
    if is_empty(node):
        return
    if not isinstance(node, yaml.MappingNode) or node.tag != _TAG + "map":
        raise NodeError(line_of_node(node), f"expected keys of {what}, each with a value")
    seen: dict[str, int] = {}
    for key, value in node.value:
        name, line = text_of(key, f"a key of {what}"), line_of_node(key)
        if name in seen:
            raise NodeError(line, f"key {quoted(name)} of {what} is already given in line {seen[name]}")
        seen[name] = line
        yield name, line, value


def fields(node: yaml.Node, what: str, known: Iterable[str]) -> dict[str, yaml.Node]:
    """The values of a mapping by key. Raises NodeError for a key that is not ``known``."""
    found = {}
    for name, line, value in entries(node, what):
        if name not in known:
            raise unknown_key(line, name, what, known)
        found[name] = value
    return found


def unknown_key(line: int, name: str, what: str, known: Iterable[str]) -> NodeError:
    """The error for an unknown key."""
    return NodeError(line, f"unknown key {quoted(name)} of {what}; expected {listed(known)}{did_you_mean(name, known)}")


def required(found: Mapping[str, yaml.Node], name: str, node: yaml.Node, what: str) -> yaml.Node:
    """The value of a required key."""
    if name not in found:
        raise NodeError(line_of_node(node), f"{what} lacks the key '{name}'")
    return found[name]


def items(node: yaml.Node, what: str) -> list[yaml.Node]:
    """The items of a list. An empty node is an empty list."""
    if is_empty(node):
        return []
    if not isinstance(node, yaml.SequenceNode) or node.tag != _TAG + "seq":
        raise NodeError(line_of_node(node), f"expected a list of {what}")
    return list(node.value)


def text_of(node: yaml.Node, what: str) -> str:
    """The text of a scalar as it is written; ``what`` completes the phrase "expected ..."."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _PLAIN_TAGS:
        raise NodeError(line_of_node(node), f"expected {what}")
    return str(node.value)


def number_of(node: yaml.Node, what: str) -> str:
    """The text of a number. Numbers that YAML reads as octal, hexadecimal or sexagesimal are refused."""
    text = text_of(node, what)
    if node.tag != _TAG + "int" or not re.fullmatch("0|-?[1-9][0-9]*", text):
        raise NodeError(line_of_node(node), f"expected {what}, a decimal number, not {quoted(text)}")
    return text


def parsed(node: yaml.Node, expected: str, parse: Callable[[str], Value]) -> Value:
    """The value that a parser of :mod:`ryu_haslb.language.values` makes of a scalar as it is written.

    Raises NodeError with the line, ``expected``, the text, and what the parser says is wrong with it.
    """
    return parsed_text(text_of(node, expected), line_of_node(node), expected, parse)


def parsed_text(text: str, line: int, expected: str, parse: Callable[[str], Value]) -> Value:
    """The value that a parser makes of a text of this line, such as a key. Raises: NodeError, as :func:`parsed`."""
    try:
        return parse(text)
    except ValueError as error:
        reason = f" ({error})" if str(error) else ""
        raise NodeError(line, f"expected {expected}, not {quoted(text)}{reason}") from None


def flag_of(node: yaml.Node, what: str) -> bool:
    """A truth value."""
    text = text_of(node, f"{what}: true or false")
    if node.tag != _TAG + "bool":
        raise NodeError(line_of_node(node), f"expected {what}: true or false, not {quoted(text)}")
    return text.lower() in ("true", "yes", "on")
