"""What a handler of a command is: it takes the words, and returns what is printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional, Union

from ryu_haslb.control.command_table import Executor
from ryu_haslb.control.operations import Application
from ryu_haslb.errors import HaslbError
from ryu_haslb.language.grammar import Match
from ryu_haslb.show.report import Report
from ryu_haslb.show.session_events import EventRow


class RefusedError(HaslbError):
    """A command that is well-formed and cannot be carried out; the text, perhaps of several lines, says why."""


class Events(NamedTuple):
    """Rows without end, and how each is printed."""

    rows: Iterator[EventRow]
    text: Callable[[EventRow], Iterator[str]]


#: A report, events, or lines of text; None among the lines is a pause, as in :class:`.execution.Output`.
Result = Union[Report[Any], Events, Iterator[str], Iterator[Optional[str]]]
Words = Match[Executor]
#: Carries a command out. Raises: HaslbError, for example RefusedError or CharonError; its text is the answer.
Handler = Callable[[Application, Words], Result]
