"""The six examples of the chapter as named scenarios, and anybody's chassis description as one without a name.

A named scenario is a folder of ``topologies/scenarios/``: the chassis description, the configurations that it names,
``scenario.yaml``, and in ``shows/`` the blocks of output that the chapter prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from haslb_lab.chassis.description import Description
from haslb_lab.chassis.reader import read_description
from haslb_lab.checkout import CHECKOUT
from haslb_lab.errors import LabError
from haslb_lab.scenarios.chapter_block import Block, read_block
from ryu_haslb.language.diagnostics import ConfigurationError

FOLDER = CHECKOUT / "topologies" / "scenarios"

#: Sessions that are opened where the chapter does not say how many.
SESSIONS_OF_A_STRANGER = 100

_BLOCKS = ("shown_before", "shown", "debugged")
_KEYS = {"title", "example", "sessions", *_BLOCKS}


@dataclass(frozen=True)
class Scenario:
    """A chassis with its traffic. ``example`` is its number in the chapter, 0 if it is none of the chapter's.

    ``sessions`` is how many were open when the chapter's blocks were printed; ``shown_before`` are those blocks that
    were taken before the sessions, ``debugged`` what a debug command printed meanwhile, ``shown`` the others.
    """

    name: str
    title: str
    example: int
    sessions: int
    description: Path
    shown_before: tuple[Block, ...] = ()
    shown: tuple[Block, ...] = ()
    debugged: tuple[Block, ...] = ()

    def chassis(self) -> Description:
        """Read the description. Raises :class:`LabError` with all that is wrong with it."""
        try:
            return read_description(self.description)
        except ConfigurationError as error:
            raise LabError(str(error)) from None


def scenarios() -> list[Scenario]:
    """The named scenarios, in the order of the chapter."""
    found = (_named(folder) for folder in FOLDER.iterdir() if (folder / "scenario.yaml").exists())
    return sorted(found, key=lambda scenario: scenario.example)


def find(name: str) -> Scenario:
    """The scenario with this name, or that of a description file. Raises :class:`LabError` where there is neither."""
    named = {scenario.name: scenario for scenario in scenarios()}
    if name in named:
        return named[name]
    path = Path(name)
    if not _is_file(path):
        raise LabError(f"{name} is neither a scenario nor a file; there are: {', '.join(named)}")
    return Scenario(path.name, "a chassis description", 0, SESSIONS_OF_A_STRANGER, path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no name that a file could have
        return False


def _named(folder: Path) -> Scenario:
    described: dict[str, Any] = yaml.safe_load((folder / "scenario.yaml").read_text("utf-8"))
    if unknown := set(described) - _KEYS:
        raise LabError(f"{folder / 'scenario.yaml'}: unknown {', '.join(sorted(unknown))}")
    blocks = {key: tuple(read_block(folder / "shows" / name) for name in described.get(key, ())) for key in _BLOCKS}
    return Scenario(
        name=folder.name,
        title=described["title"],
        example=described["example"],
        sessions=described["sessions"],
        description=folder / "chassis.yaml",
        **blocks,
    )
