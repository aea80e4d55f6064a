"""Scenarios: the six examples of the chapter by name, and any chassis description by its file.

A named scenario is a folder of ``topologies/scenarios/``: the chassis description, the configurations that it names,
``scenario.yaml``, and in ``shows/`` the blocks of output that the chapter prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from haslb_lab.chassis.description import Description
from haslb_lab.chassis.fields import Fields, Notes, read_text
from haslb_lab.chassis.reader import read_description
from haslb_lab.checkout import CHECKOUT
from haslb_lab.errors import LabError
from haslb_lab.scenarios.chapter_block import Block, read_block
from ryu_haslb.configuration.yaml.nodes import NodeError, compose, line_of_node, number_of, parsed_text, text_of
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostics
from ryu_haslb.language.values import decimal

FOLDER = CHECKOUT / "topologies" / "scenarios"

#: Sessions of a scenario that is not the chapter's.
DEFAULT_SESSIONS = 100

#: Sessions in a scenario's description; far more than a lab opens.
MAX_SESSIONS = 1_000_000

_BLOCKS = ("shown_before", "shown", "debugged")
_KEYS = ("title", "example", "sessions", *_BLOCKS)


@dataclass(frozen=True)
class Scenario:
    """A chassis with its traffic. ``example`` is its number in the chapter, 0 if it is not the chapter's.

    ``sessions`` is how many were open when the chapter's blocks were printed. Blocks of ``shown_before`` were printed
    before the sessions, those of ``debugged`` by a debug command meanwhile, those of ``shown`` afterwards.
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
        """Read the description. Raises: LabError with all its errors."""
        try:
            return read_description(self.description)
        except ConfigurationError as error:
            raise LabError(str(error)) from None


def scenarios() -> list[Scenario]:
    """The named scenarios, in the order of the chapter."""
    found = (_named(folder) for folder in FOLDER.iterdir() if (folder / "scenario.yaml").exists())
    return sorted(found, key=lambda scenario: scenario.example)


def find(name: str) -> Scenario:
    """The scenario with this name, or of this description file. Raises: LabError if there is neither."""
    named = {scenario.name: scenario for scenario in scenarios()}
    if name in named:
        return named[name]
    path = Path(name)
    if not _is_file(path):
        raise LabError(f"{name} is neither a scenario nor a file; there are: {', '.join(named)}")
    return Scenario(path.name, "a chassis description", 0, DEFAULT_SESSIONS, path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # not a possible name of a file
        return False


def _named(folder: Path) -> Scenario:
    """Read ``scenario.yaml``. Raises: LabError with file, line and key of each error."""
    path = folder / "scenario.yaml"
    diagnostics = Diagnostics(str(path))
    scenario = None
    try:
        notes = Notes(diagnostics)
        with notes.noting():
            root = compose(read_text(path, "the description of a scenario"))
            if root is None:
                raise NodeError(0, f"an empty file; expected the keys {', '.join(_KEYS)}")
            scenario = _scenario(folder, Fields(notes, root, "the scenario", _KEYS))
        diagnostics.stop_on_errors()
    except ConfigurationError as error:
        raise LabError(str(error)) from None
    assert scenario is not None, "an error has been recorded"
    return scenario


def _scenario(folder: Path, found: Fields) -> Scenario:
    title = found.need("title", partial(text_of, what="the title of the scenario"))
    example = found.need("example", partial(_number_of, what="the number of the chapter's example", low=0))
    sessions = found.need("sessions", partial(_number_of, what="the number of sessions", low=1))
    names = {key: found.each_item(key, partial(text_of, what="the name of a file in shows/")) for key in _BLOCKS}
    found.finish()
    blocks = {key: tuple(read_block(folder / "shows" / name) for name in names[key]) for key in _BLOCKS}
    return Scenario(folder.name, title, example, sessions, folder / "chassis.yaml", **blocks)


def _number_of(node: yaml.Node, what: str, low: int) -> int:
    expected = f"{what}, a number from {low} to {MAX_SESSIONS}"
    return parsed_text(
        number_of(node, what), line_of_node(node), expected, lambda text: decimal(text, low, MAX_SESSIONS)
    )
