"""The nodes of the scenario that is up: one command, a prompt as on IOS, or any program in the node's namespace."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.errors import LabError
from haslb_lab.node import control
from haslb_lab.runner.network import marked_environment
from haslb_lab.scenarios.state import Running, whole
from ryu_haslb.cli.client import ControlError
from ryu_haslb.cli.next_words import HELP_TIMEOUT, split
from ryu_haslb.cli.operator import Operator
from ryu_haslb.control.command_table import Executor
from ryu_haslb.control.protocol import ERROR_MARK
from ryu_haslb.language.grammar import CommandError

_LEAVE = ("exit", "quit", "logout")


def ask(name: str, words: Sequence[str]) -> int:
    """Send a command to a node, or commands from the terminal if there are no words. Returns the exit status.

    Raises: LabError.
    """
    up = whole()
    node = up.node(name)
    prompt = f"{up.prompts[node]}#"
    if node == CONTROLLER:
        return _ask_balancer(up, prompt, words)
    prompted = NodePrompt(up.control(node))
    return prompted.run(" ".join(words)) if words else prompted.run_lines(_lines(prompt, prompted))


def execute(node: str, argv: Sequence[str]) -> NoReturn:
    """Replace this process by a program in a node's namespace. The program ends with the lab at the latest.

    Raises: LabError.
    """
    process = whole().process(node)
    if shutil.which(argv[0]) is None:
        raise LabError(f"there is no program {argv[0]} on this machine; nodes run the programs of the machine")
    os.execvpe("mnexec", ["mnexec", "-a", str(process), *argv], marked_environment())


def _ask_balancer(up: Running, prompt: str, words: Sequence[str]) -> int:
    operator = Operator(str(up.control(CONTROLLER)), {Executor.CHECK: _check}, prompt)
    try:
        return operator.run(words) if words else operator.prompt()
    except (CommandError, ControlError) as error:
        raise LabError(str(error)) from None


def _check(_: Sequence[str]) -> int:
    raise LabError("a file is checked without a lab; try: haslb check FILE")


def _lines(prompt: str, prompted: NodePrompt) -> Iterable[str]:
    if not sys.stdin.isatty():
        return sys.stdin
    from ryu_haslb.cli.prompt import command_lines  # noqa: PLC0415 - takes as long to load as all the rest

    return command_lines(prompt, prompted.offers)


class NodePrompt:
    """Sends commands to a node's control socket, and asks the node which commands it has."""

    def __init__(self, control: Path) -> None:
        self._control = str(control)

    def run(self, command: str) -> int:
        """Print the answer to a command. Returns 1 if it is an error."""
        status = 0
        for line in control.stream(self._control, command):
            print(line, flush=True)
            if line.startswith(ERROR_MARK):
                status = 1
        return status

    def run_lines(self, lines: Iterable[str]) -> int:
        """Carry out commands until there are no more. Returns 1 if one of them failed."""
        status = 0
        for line in lines:
            command = line.strip()
            if command in _LEAVE:
                break
            try:
                if command:
                    status = max(status, self.run(command))
            except (CommandError, ControlError) as error:
                print(f"{ERROR_MARK}{error}", flush=True)
                status = 1
            except KeyboardInterrupt:
                print()
        return status

    def offers(self, text: str) -> Sequence[tuple[str, str]]:
        """What may stand in the place of the last word of a line up to the cursor, each with its help text."""
        *before, prefix = split(text)
        return control.client(self._control).expectations(before, prefix, HELP_TIMEOUT)
