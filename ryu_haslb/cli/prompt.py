"""Reads lines at the prompt of ``haslb``, with history, completion and ``?`` as on IOS.

A terminal hands over a text that is pasted as a whole. Its lines are carried out one after the other, as if they were
typed: those behind the first one wait in a queue. What stands behind its last line end can still be edited.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Callable, Optional

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import Output

from ryu_haslb.cli.client import ControlError
from ryu_haslb.cli.configure_terminal import ConfigureTerminal
from ryu_haslb.cli.next_words import Offers, help_lines, is_keyword
from ryu_haslb.language.grammar import CommandError
from ryu_haslb.regular_file import open_own

#: Also as abbreviated as the grammar takes it.
_SECRET = re.compile(r"password|\bdfp?\s+p(a|as|ass\w*)?\b|\bisa?k?m?p?\s+key\b", re.IGNORECASE)

#: The lines of a pasted text that wait. All but the last one are complete.
Pasted = deque[str]


def command_lines(
    prompt: str,
    offers: Offers,
    source: Optional[Input] = None,
    sink: Optional[Output] = None,
    pasted: Optional[Pasted] = None,
) -> Iterator[str]:
    """Generate the lines typed at the prompt, until Ctrl-D. Ctrl-C discards a line.

    ``source`` and ``sink`` replace the terminal in tests. ``pasted`` has to be that of configuration mode as well.
    """
    pasted = deque() if pasted is None else pasted
    session = _session(offers, history(), source, sink, _bindings(offers, pasted))
    while True:
        try:
            yield _next_line(session, lambda: prompt, pasted)
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def configuration_lines(
    terminal: ConfigureTerminal,
    source: Optional[Input] = None,
    sink: Optional[Output] = None,
    pasted: Optional[Pasted] = None,
) -> Iterator[str]:
    """Generate the lines typed in configuration mode, until Ctrl-D. Ctrl-Z enters the line and ``end``, as on IOS.

    Raises: KeyboardInterrupt for Ctrl-C, which discards all of them.
    """
    pasted = deque() if pasted is None else pasted
    bindings = _bindings(terminal.offers, pasted)

    @bindings.add("c-z")
    def _(event: KeyPressEvent) -> None:
        _enter(event, ["end", ""], pasted)

    session = _session(terminal.offers, InMemoryHistory(), source, sink, bindings)
    while True:
        try:
            yield _next_line(session, lambda: f"haslb({terminal.mode.name})#", pasted)
        except EOFError:
            return


def answer(question: str, pasted: Pasted, source: Optional[Input] = None, sink: Optional[Output] = None) -> str:
    """The answer to a question: the pasted line that waits, or one that is typed. It is in no history.

    Raises: KeyboardInterrupt for Ctrl-C, EOFError for Ctrl-D.
    """
    session: PromptSession[str] = PromptSession(history=InMemoryHistory(), input=source, output=sink)
    return _next_line(session, lambda: question, pasted)


def _next_line(session: PromptSession[str], prompt: Callable[[], str], pasted: Pasted) -> str:
    """The line that waits, or one that is typed."""
    if len(pasted) <= 1:
        return session.prompt(prompt, default=pasted.pop() if pasted else "")
    line = pasted.popleft()
    print(f"{prompt()}{line}")
    if line:
        session.history.append_string(line)
    return line


def _enter(event: KeyPressEvent, following: Iterable[str], pasted: Pasted) -> None:
    """Enter the line that is being typed, and have these lines follow it."""
    pasted.extend(following)
    event.current_buffer.validate_and_handle()


def history() -> History:
    """The lines of earlier sessions, in a file of mode 0600; in memory if that file cannot be opened.

    ``sudo`` and ``su`` may keep the home of another user, whose files must not redirect what root writes.
    """
    state = os.environ.get("XDG_STATE_HOME")
    path = os.path.join(state, "haslb_history") if state else os.path.expanduser("~/.haslb_history")
    try:
        return _History(open_own(path, os.O_RDWR | os.O_APPEND, 0o600))
    except OSError:
        return InMemoryHistory()


class _History(FileHistory):
    """Does not store lines that may contain a password or a pre-shared key. It keeps to the file that was opened.

    What a full disk does not take stays in memory.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(f"/dev/fd/{descriptor}")

    def store_string(self, string: str) -> None:
        if not _SECRET.search(string):
            with suppress(OSError):
                super().store_string(string)


def _session(
    offers: Offers, history: History, source: Optional[Input], sink: Optional[Output], bindings: KeyBindings
) -> PromptSession[str]:
    return PromptSession(
        history=history,
        completer=KeywordCompleter(offers),
        complete_while_typing=False,
        complete_in_thread=True,
        key_bindings=bindings,
        input=source,
        output=sink,
    )


class KeywordCompleter(Completer):
    """Completes keywords. Parameters, which ``?`` shows in capitals or angle brackets, are not completed."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        try:
            offered = self._offers(text)
        except (CommandError, ControlError):
            return
        prefix = re.split(r"\s", text)[-1]
        for word, meaning in offered:
            if is_keyword(word):
                yield Completion(f"{word} ", -len(prefix), display=word, display_meta=meaning)


def _bindings(offers: Offers, pasted: Pasted) -> KeyBindings:
    """``?``, and what is pasted."""
    bindings = KeyBindings()

    @bindings.add("?")
    def _(event: KeyPressEvent) -> None:
        text = event.current_buffer.document.text_before_cursor
        try:
            answer = help_lines(offers(text))
        except (CommandError, ControlError) as error:
            answer = [f"% {error}"]
        run_in_terminal(lambda: print("\n".join(answer)))

    @bindings.add(Keys.BracketedPaste, filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        first, *rest = re.split("\r\n|\r|\n", event.data)
        event.current_buffer.insert_text(first)
        if rest:
            _enter(event, rest, pasted)

    return bindings
