"""How an error quotes words from outside, lists alternatives, and suggests a correction."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Characters of a foreign word that an error shows.
MAX_QUOTED_LENGTH = 60
#: What stands in place of a secret, wherever one would be shown.
MASK = "****"


def quoted(text: str) -> str:
    """A foreign word for an error: in quotes, shortened, with unprintable characters escaped."""
    short = text if len(text) <= MAX_QUOTED_LENGTH else text[: MAX_QUOTED_LENGTH - 3] + "..."
    return f"'{printable(short)}'"


def printable(text: str, kept: str = "") -> str:
    """A text as one line that does no harm on a terminal or in a log, even if a stranger wrote it.

    Control characters, line ends, escape sequences and marks that change the direction of writing are escaped, except
    those that are ``kept``.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in kept else ascii(char)[1:-1] for char in text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A clause to append to an error: the known word that is most similar to ``word``; empty if none is similar."""
    spelled = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word[:40].lower(), spelled, 1, 0.7)
    return f"; did you mean {quoted(spelled[near[0]])}?" if near else ""


def listed(words: Iterable[str]) -> str:
    """``a, b or c``, in alphabetical order."""
    names = sorted(words)
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
