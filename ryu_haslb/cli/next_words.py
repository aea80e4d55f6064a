"""The words that may come next on a command line, for ``?`` and for completion with Tab."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ryu_haslb.cli.client import ControlClient
from ryu_haslb.cli.requests import executor_of
from ryu_haslb.control.command_table import OPERATOR_COMMANDS, SENT_AS_TYPED
from ryu_haslb.control.protocol import split_words
from ryu_haslb.language.grammar import CommandError, expected

#: Seconds that the balancer has to answer a key press: Tab or ``?``.
HELP_TIMEOUT = 2.0

#: Takes a line up to the cursor; returns the words that may stand in the place of its last word, each with its help.
#: Raises: CommandError if the words before it begin no command, ControlError if the balancer cannot be asked.
Offers = Callable[[str], Sequence[tuple[str, str]]]


def offers_of(path: str) -> Offers:
    """The :data:`Offers` of the prompt: from the command table, or from the balancer at ``path``."""

    def offers(text: str) -> Sequence[tuple[str, str]]:
        words = split(text)
        before, prefix = words[:-1], words[-1]
        if before and _is_sent_as_typed(before):
            return ControlClient(path).expectations(before, prefix, HELP_TIMEOUT)
        return [(each.word, each.help) for each in expected(OPERATOR_COMMANDS, before, prefix)]

    return offers


def is_keyword(word: str) -> bool:
    """Whether ``?`` shows a keyword by this word. It shows parameters in capitals or angle brackets."""
    return word[:1].islower() or word == "Vlan"


def help_lines(offered: Sequence[tuple[str, str]]) -> list[str]:
    """The lines that ``?`` prints: each word with its help."""
    if not offered:
        return ["% no command begins like this"]
    width = max(len(word) for word, _ in offered)
    return [f"  {word:{width}}  {text}".rstrip() for word, text in offered]


def split(text: str) -> list[str]:
    """The words of a line up to the cursor. The last one is the word at the cursor, perhaps empty.

    Raises: CommandError while a quotation is open.
    """
    words = split_words(text)
    return words if words and not text[-1:].isspace() else [*words, ""]


def _is_sent_as_typed(words: Sequence[str]) -> bool:
    """Whether these words begin a command whose further words are in the balancer's grammar alone."""
    try:
        return executor_of(words[:1]) in SENT_AS_TYPED
    except CommandError:
        return False
