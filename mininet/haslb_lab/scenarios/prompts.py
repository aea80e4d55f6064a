"""A node of the scenario that is up, asked: one command, or a prompt as on IOS."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from haslb_lab.errors import LabError
from haslb_lab.node import node_control
from haslb_lab.runner.lab import CONTROLLER
from haslb_lab.scenarios.state import Running, whole
from ryu_haslb.cli.client import ControlError as BalancerError
from ryu_haslb.cli.help import split
from ryu_haslb.cli.operator import Operator
from ryu_haslb.language.grammar import CommandError

_LEAVE = ("exit", "quit", "logout")


def ask(name: str, words: Sequence[str]) -> int:
    """Ask a node, or take commands for it from the terminal if there are no words; the exit status."""
    up = whole()
    node = up.node(name)
    prompt = f"{up.prompts[node]}#"
    if node == CONTROLLER:
        return _ask_balancer(up, prompt, words)
    prompted = NodePrompt(up.control(node))
    return prompted.run(" ".join(words)) if words else prompted.run_lines(_lines(prompt, prompted))


def _ask_balancer(up: Running, prompt: str, words: Sequence[str]) -> int:
    operator = Operator(str(up.control(CONTROLLER)), _check, prompt)
    try:
        return operator.run(words) if words else operator.prompt()
    except (CommandError, BalancerError) as error:
        raise LabError(str(error)) from None


def _check(_: Sequence[str]) -> int:
    raise LabError("a file is checked without a lab; try: haslb check FILE")


def _lines(prompt: str, prompted: NodePrompt) -> Iterable[str]:
    if not sys.stdin.isatty():
        return sys.stdin
    from ryu_haslb.cli.prompt import command_lines  # noqa: PLC0415 - takes as long to load as all the rest

    return command_lines(prompt, prompted.offers)


class NodePrompt:
    """Sends commands to a node's control socket, and knows from the node which there are."""

    def __init__(self, control: Path) -> None:
        self._control = str(control)

    def run(self, command: str) -> int:
        """Print the answer to a command; 1 if it is an error."""
        status = 0
        for line in node_control.stream(self._control, command):
            print(line, flush=True)
            if line.startswith(node_control.ERROR_MARK):
                status = 1
        return status

    def run_lines(self, lines: Iterable[str]) -> int:
        """Carry out commands until there are no more; 1 if one of them failed."""
        status = 0
        for line in lines:
            command = line.strip()
            if command in _LEAVE:
                break
            try:
                if command:
                    status = max(status, self.run(command))
            except node_control.ControlError as error:
                print(f"{node_control.ERROR_MARK}{error}", flush=True)
                status = 1
            except KeyboardInterrupt:
                print()
        return status

    def offers(self, text: str) -> Sequence[tuple[str, str]]:
        """What may stand in the place of the last word of a line up to the cursor, with the commands it begins."""
        *before, prefix = split(text)
        try:
            usages = [usage.split() for usage in node_control.request(self._control, "help").splitlines()]
        except node_control.ControlError as error:
            raise BalancerError(str(error)) from None
        offered: dict[str, str] = {}
        for usage in usages:
            if len(usage) > len(before) and _begins(usage, before) and usage[len(before)].startswith(prefix.lower()):
                offered.setdefault(usage[len(before)], " ".join(usage))
        return list(offered.items())


def _begins(usage: Sequence[str], words: Sequence[str]) -> bool:
    return all(pattern.isupper() or pattern.startswith(word.lower()) for pattern, word in zip(usage, words))
