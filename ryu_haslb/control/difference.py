"""The difference between two configurations, as commands of IOS."""

from __future__ import annotations

from collections.abc import Iterator

from ryu_haslb.configuration.ios.writer import masked, write_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec.translation import Translation, secured_interfaces, translate

_DFP = "ip slb dfp"


def changes(before: Configuration, after: Configuration) -> Iterator[str]:
    """A line for each command that was removed (``-``) or added (``+``), with the blocks around it in front.

    Pre-shared keys and the DFP password are masked: the lines end up in logs.
    """
    old, new = _commands(before), _commands(after)
    yield from (f"- {masked(command)}" for command in old if command not in new)
    yield from (f"+ {masked(command)}" for command in new if command not in old)


def notes(before: Configuration, after: Configuration) -> Iterator[str]:
    """What the operator has to do for the changes to take effect: the IPsec module reads its part when it starts."""
    if _tunnels(before) != _tunnels(after):
        yield "the IPsec configuration has changed; restart the IPsec module with this configuration to apply it"


def _tunnels(configuration: Configuration) -> list[Translation]:
    return [translate(configuration, interface) for interface in secured_interfaces(configuration)]


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
        if text.startswith(_DFP):  # the password, in the line that begins the block: the agents stay when it changes
            blocks[depth:] = [_DFP]
            commands[_DFP] = None
            commands[text] = None
        else:
            commands[" / ".join(blocks)] = None
    return commands
