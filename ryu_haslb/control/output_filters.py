"""The filters behind ``|``: lines that include or exclude a text, lines from one on, sections, the number of lines.

A text is all words up to the next ``|``, as on IOS: ``| section ip slb serverfarm``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

from ryu_haslb.language.grammar import Command, Match, Mode, match
from ryu_haslb.show.table import Heading


class Form(NamedTuple):
    """How filters read items, which are lines of text or rows of JSON, and how ``count`` reports its total."""

    text: Callable[[Any], str]
    total: Callable[[int], Any]


#: None among the items is a pause: the search for the next item goes on, and the caller may do other work first.
Items = Iterator[Optional[Any]]
Filter = Callable[[Items, Form, Match["Filter"]], Items]


def _include(items: Items, form: Form, words: Match[Filter]) -> Items:
    return (item if item is not None and words["LINE"] in form.text(item) else None for item in items)


def _exclude(items: Items, form: Form, words: Match[Filter]) -> Items:
    return (item if item is not None and words["LINE"] not in form.text(item) else None for item in items)


def _begin(items: Items, form: Form, words: Match[Filter]) -> Items:
    has_begun = False
    for item in items:
        has_begun = has_begun or (item is not None and words["LINE"] in form.text(item))
        yield item if has_begun else None


def _section(items: Items, form: Form, words: Match[Filter]) -> Items:
    """A line that includes the text, and the lines below it that are indented further."""
    depth: Optional[int] = None
    for item in items:
        if item is not None:
            text = form.text(item)
            indentation = len(text) - len(text.lstrip(" "))
            if depth is not None and indentation <= depth:
                depth = None
            if depth is None and words["LINE"] in text:
                depth = indentation
        yield None if depth is None else item


def _count(items: Items, form: Form, words: Match[Filter]) -> Items:
    text, total = words.get("LINE", ""), 0
    for item in items:
        total += item is not None and not isinstance(item, Heading) and text in form.text(item)
        yield None
    yield form.total(total)


FILTERS: Mode[Filter] = Mode(
    "filter",
    (
        Command("begin LINE", _begin, "Lines from the first that includes a text"),
        Command("include LINE", _include, "Lines that include a text"),
        Command("exclude LINE", _exclude, "Lines that do not include a text"),
        Command("section LINE", _section, "Lines that include a text, each with the lines indented below it"),
        Command("count [LINE]", _count, "Number of lines, or of lines that include a text"),
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


def read(filters: Iterable[Sequence[str]]) -> Callable[[Items, Form], Items]:
    """A function that sends items through these filters, in order. Raises: CommandError if one is no filter."""
    found = [match(FILTERS, words) for words in filters]

    def apply(items: Items, form: Form) -> Items:
        for each in found:
            assert each.command.action is not None  # every filter has a function
            items = each.command.action(items, form, each)
        return items

    return apply
