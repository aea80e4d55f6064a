"""What is up: a note that a running scenario leaves for those who ask in other processes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Optional

from haslb_lab.errors import LabError
from haslb_lab.runner import claim, janitor

_FILE = janitor.DIRECTORY / "scenario.json"


@dataclass(frozen=True)
class Running:
    """The scenario's name, and what each node that takes commands is called at its prompt.

    ``processes`` has every node with the process whose namespace is the node's; it is empty until all are there.
    """

    scenario: str
    prompts: Mapping[str, str]
    processes: Mapping[str, int] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """How far it is."""
        return "up" if self.processes else "coming up"

    def node(self, name: str) -> str:
        """The node of this name or prompt, in capitals or not, that takes commands. Raises :class:`LabError` with those
        that there are."""
        for node, prompt in self.prompts.items():
            if name.lower() in (node.lower(), prompt.lower()):
                return node
        if any(name.lower() == node.lower() for node in self.processes):
            raise LabError(f"{name} takes no commands; run programs in it: haslb-lab exec {name} ip address")
        raise LabError(f"{name} is no node of {self.scenario}; there are: {', '.join(self.prompts.values())}")

    def process(self, name: str) -> int:
        """The process in whose namespace programs are run for a node of this name or prompt, in capitals or not."""
        for node, process in self.processes.items():
            if name.lower() in (node.lower(), self.prompts.get(node, node).lower()):
                return process
        names = [self.prompts.get(node, node) for node in self.processes]
        raise LabError(f"{name} is no node of {self.scenario}; there are: {', '.join(names)}")

    @staticmethod
    def control(node: str) -> Path:
        """The control socket of a node."""
        return janitor.DIRECTORY / f"{node}.control"


def note(running: Running) -> None:
    """Say what is up; the janitor removes the note with everything else. Whoever reads it reads all of it."""
    unfinished = _FILE.with_suffix(".new")
    unfinished.write_text(json.dumps(asdict(running)))
    unfinished.replace(_FILE)


def whole() -> Running:
    """The scenario that is up with all its nodes. Raises :class:`LabError` if there is none."""
    up = running()
    if up is None and os.geteuid() != 0:
        raise LabError("the nodes answer root only; try again with sudo")
    if up is None:
        raise LabError("no scenario is up; try: haslb-lab run dispatched-static --keep")
    if not up.processes:
        raise LabError(f"{up.scenario} is still coming up; try again in a few seconds")
    return up


def running() -> Optional[Running]:
    """The scenario that is up, None if there is none or if this user may not know."""
    if not claim.is_held():
        return None
    try:
        return Running(**json.loads(_FILE.read_text()))
    except (FileNotFoundError, PermissionError):
        return None
