"""Carries out what an operator types, in a shell or at the prompt.

The prompt and the configuration commands are imported when they are needed: each takes as long to load as all the rest
of a command.
"""

from __future__ import annotations

import shlex
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Callable

from ryu_haslb.cli.client import ControlClient, ControlError
from ryu_haslb.cli.next_words import help_lines, offers_of
from ryu_haslb.cli.reading_ahead import read_ahead
from ryu_haslb.cli.requests import config_request, executor_of, is_decided, request_words
from ryu_haslb.control.command_table import DRY_RUN, NO_CHANGES, PLAN, PLAN_LINE, Executor
from ryu_haslb.control.protocol import is_error, split_words
from ryu_haslb.language.grammar import CommandError

FAILED = 1
_HELP = ("?", "-h", "--help")
#: Commands whose help is their own.
_WITH_HELP = ("check", "cluster", "completion", "switch-test")
_YES = ("y", "ye", "yes")
#: Changes that an operator at a terminal confirms.
_BY_FILE = (Executor.BALANCER_FILE, Executor.BALANCER_OWN_FILE)


class Operator:
    """Runs commands against the balancer whose control socket is ``path``.

    ``local`` are the commands that need no balancer: each takes the words behind its first word, and returns the exit
    status. ``prompt`` is the text of the prompt.
    """

    def __init__(
        self, path: str, local: Mapping[Executor, Callable[[Sequence[str]], int]], prompt: str = "haslb#"
    ) -> None:
        self._path = path
        self._client = ControlClient(path)
        self._local = local
        self._prompt = prompt
        self._pasted: deque[str] = deque()

    def run(self, words: Sequence[str]) -> int:
        """Carry out a command and return its exit status.

        Raises: CommandError if the words are no command, ControlError if the balancer cannot be asked.
        """
        if words[-1] in _HELP and words[0] not in _WITH_HELP:
            return self._help(words[:-1])
        executor = executor_of(words)
        if executor is Executor.HELP:
            return self._help(())
        if executor in (Executor.EXIT, Executor.HABIT):
            return 0
        if executor in self._local:
            return self._local[executor](words[1:])
        if executor is Executor.CONFIGURE_TERMINAL:
            return self._configure_terminal()
        return self._send(executor, words)

    def _help(self, words: Sequence[str]) -> int:
        """List the words that may follow these."""
        lines = help_lines(offers_of(self._path)(shlex.join(words) + " "))
        _print("".join(f"{line}\n" for line in lines).encode())
        return 0

    def _send(self, executor: Executor, words: Sequence[str]) -> int:
        if executor is Executor.BALANCER_STREAM:
            return self._stream(words)
        if executor in _BY_FILE and _is_interactive() and not is_decided(words):
            return self._ask_before(request_words(executor, words))
        return self._show(read_ahead(self._client.ask(request_words(executor, words))))

    def _ask_before(self, request: Sequence[str]) -> int:
        """Show what a file changes, and apply exactly that if the operator wants it.

        A file that changes nothing is applied without a question: a retired balancer serves its switches again then.
        """
        answer = b"".join(self._client.ask([*request, DRY_RUN]))
        shown, _, plan = answer.decode("utf-8", "replace").rpartition(PLAN_LINE)
        if is_error(answer) or not shown:
            return self._show([answer])
        if NO_CHANGES not in shown.splitlines():
            _print(shown.encode())
            if not self._is_yes("Apply these changes? [no]: "):
                print("% nothing was changed")
                return FAILED
        return self._show(self._client.ask([*request, PLAN, plan.strip()]))

    def prompt(self) -> int:
        """Carry out commands from the terminal, or from standard input.

        The exit status is 1 if a command from standard input failed, else 0.
        """
        if _is_interactive():
            from ryu_haslb.cli.prompt import command_lines  # noqa: PLC0415

            self._run_lines(command_lines(self._prompt, offers_of(self._path), pasted=self._pasted))
            return 0
        return self._run_lines(sys.stdin or ())

    def _run_lines(self, lines: Iterable[str]) -> int:
        status = 0
        for line in lines:
            try:
                words = split_words(line)
                if words and executor_of(words) is Executor.EXIT:
                    break
                status = max(status, self.run(words) if words else 0)
            except (CommandError, ControlError) as error:
                _print_error(f"% {error}")
                status = FAILED
            except KeyboardInterrupt:
                self._pasted.clear()
                _print(b"\n")
        return status

    def _stream(self, words: Sequence[str]) -> int:
        """Show events until Ctrl-C, which is no failure: the exit status is 0."""
        try:
            return self._show(self._client.ask(words, timeout=None))
        except KeyboardInterrupt:
            return 0

    def _show(self, pieces: Iterable[bytes]) -> int:
        status = 0
        for piece in pieces:
            if is_error(piece):
                status = FAILED
            _print(piece, error=status == FAILED)
        return status

    def _configure_terminal(self) -> int:
        """Collect configuration commands and have the balancer apply them together."""
        from ryu_haslb.cli.configure_terminal import command_to_do, lines_until_end  # noqa: PLC0415

        if _is_interactive():
            status, commands = 0, self._typed_commands()
        else:
            # what follows the end in a pipe are commands of the prompt again
            lines = [(line, command_to_do(line)) for line in lines_until_end(sys.stdin or ())]
            status = self._run_lines(command for _, command in lines if command is not None)
            commands = [line for line, command in lines if command is None]
        return max(status, self._show(self._client.ask(config_request(commands)))) if commands else status

    def _is_yes(self, question: str) -> bool:
        """Whether the operator answers yes. A pasted text answers with its next line, as on IOS."""
        try:
            if self._pasted:
                from ryu_haslb.cli.prompt import answer  # noqa: PLC0415

                return answer(question, self._pasted).strip().lower() in _YES
            return input(question).strip().lower() in _YES
        except (EOFError, KeyboardInterrupt):
            print()
            return False

    def _do(self, line: str) -> None:
        """Carry out a command of the prompt within configuration mode."""
        words = split_words(line)
        if words and executor_of(words) is Executor.CONFIGURE_TERMINAL:
            raise CommandError("configuration mode is open; expected another command", 0)
        self._run_lines([line])

    def _typed_commands(self) -> list[str]:
        from ryu_haslb.cli.configure_terminal import ConfigureTerminal  # noqa: PLC0415
        from ryu_haslb.cli.prompt import configuration_lines  # noqa: PLC0415
        from ryu_haslb.configuration.ios.lines import OpenTextError  # noqa: PLC0415

        terminal = ConfigureTerminal(self._do, offers_of(self._path))
        print("Enter configuration commands, one per line. 'end', Ctrl-Z or Ctrl-D applies them, Ctrl-C discards them.")
        try:
            for line in configuration_lines(terminal, pasted=self._pasted):
                try:
                    terminal.enter(line)
                except (CommandError, OpenTextError) as error:
                    print(f"% {error}")
                if terminal.done:
                    break
        except KeyboardInterrupt:
            print("% nothing was changed")
            return []
        return terminal.commands


def _is_interactive() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _print_error(text: str) -> None:
    _print(f"{text}\n".encode(), error=True)


def _print(piece: bytes, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    if stream is not None:
        stream.buffer.write(piece)
        stream.flush()
