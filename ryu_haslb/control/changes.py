"""What changes from one configuration to another, in the words of IOS."""

from __future__ import annotations

from collections.abc import Iterator

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ios.writer import write_configuration


def changes(before: Configuration, after: Configuration) -> Iterator[str]:
    """A line for each command that goes (``-``) or comes (``+``), with the blocks that it stands in."""
    old, new = _commands(before), _commands(after)
    yield from (f"- {command}" for command in old if command not in new)
    yield from (f"+ {command}" for command in new if command not in old)


def _commands(configuration: Configuration) -> dict[str, None]:
    """Every command with the blocks around it in front: ``ip slb serverfarm F / real 10.1.1.51 / weight 1``."""
    commands: dict[str, None] = {}
    blocks: list[str] = []
    for line in write_configuration(configuration).splitlines():
        depth = len(line) - len(line.lstrip(" "))
        text = line.strip()
        if text in ("!", ""):
            continue
        blocks[depth:] = [text]
        commands[" / ".join(blocks)] = None
    return commands
