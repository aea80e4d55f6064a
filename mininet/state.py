"""What is up: a note that a running scenario leaves for those who ask in other processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

import claim
import janitor
from errors import LabError

_FILE = janitor.DIRECTORY / "scenario.json"


@dataclass(frozen=True)
class Running:
    """The scenario's name, and what each node that takes commands is called at its prompt."""

    scenario: str
    prompts: Mapping[str, str]

    def node(self, name: str) -> str:
        """The node of this name or prompt, in capitals or not. Raises :class:`LabError` with those that there are."""
        for node, prompt in self.prompts.items():
            if name.lower() in (node.lower(), prompt.lower()):
                return node
        raise LabError(f"{name} is no node of {self.scenario}; there are: {', '.join(self.prompts.values())}")

    @staticmethod
    def control(node: str) -> Path:
        """The control socket of a node."""
        return janitor.DIRECTORY / f"{node}.control"


def note(running: Running) -> None:
    """Say what is up; the janitor removes the note with everything else."""
    _FILE.write_text(json.dumps(asdict(running)))


def running() -> Optional[Running]:
    """The scenario that is up, None if there is none or if this user may not know."""
    if not claim.is_held():
        return None
    try:
        return Running(**json.loads(_FILE.read_text()))
    except (FileNotFoundError, PermissionError):
        return None
