"""The scenario that is up, as a file that other processes read."""

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
    """A scenario that is up: its name, and the prompt of each node that takes commands.

    ``processes`` has, for every node, the id of a process in its namespace. It is empty until all nodes are up.
    """

    scenario: str
    prompts: Mapping[str, str]
    processes: Mapping[str, int] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """Its stage: ``up`` or ``coming up``."""
        return "up" if self.processes else "coming up"

    def node(self, name: str) -> str:
        """The node that takes commands and has this name or prompt, in any case of letters.

        Raises: LabError with the possible names.
        """
        for node, prompt in self.prompts.items():
            if name.lower() in (node.lower(), prompt.lower()):
                return node
        if any(name.lower() == node.lower() for node in self.processes):
            raise LabError(f"{name} takes no commands; run programs in it: haslb-lab exec {name} ip address")
        raise LabError(f"{name} is not a node of {self.scenario}; there are: {', '.join(self.prompts.values())}")

    def process(self, name: str) -> int:
        """A process in the namespace of the node with this name or prompt, in any case. Raises: LabError."""
        for node, process in self.processes.items():
            if name.lower() in (node.lower(), self.prompts.get(node, node).lower()):
                return process
        names = [self.prompts.get(node, node) for node in self.processes]
        raise LabError(f"{name} is not a node of {self.scenario}; there are: {', '.join(names)}")

    @staticmethod
    def control(node: str) -> Path:
        """The control socket of a node."""
        return janitor.DIRECTORY / f"{node}.control"


def note(running: Running) -> None:
    """Write the file, in one step so that readers never see a part. The janitor removes it with everything else."""
    unfinished = _FILE.with_suffix(".new")
    unfinished.write_text(json.dumps(asdict(running)))
    unfinished.replace(_FILE)


def whole() -> Running:
    """The scenario that is up with all its nodes. Raises: LabError if there is none."""
    up = running()
    if up is None and os.geteuid() != 0:
        raise LabError("the nodes answer root only; try again with sudo")
    if up is None:
        raise LabError("no scenario is up; try: haslb-lab run dispatched-static --keep")
    if not up.processes:
        raise LabError(f"{up.scenario} is still coming up; try again in a few seconds")
    return up


def running() -> Optional[Running]:
    """The scenario that is up; None if there is none, or if this user may not read the file."""
    if not claim.is_held():
        return None
    try:
        return Running(**json.loads(_FILE.read_text()))
    except (FileNotFoundError, PermissionError):
        return None
