"""The security associations between PDSNs and IPsec modules, before the sessions are opened."""

from __future__ import annotations

from collections.abc import Iterator

from errors import LabError
from lab import CONTROLLER, Lab
from node_control import ERROR_MARK

from topologies.description import Description

_PATIENCE = 20
CLEAR = ("clear crypto isakmp", "clear crypto sa")


def protected_pdsns(description: Description) -> list[str]:
    """The PDSNs whose port is connected to an IPsec module."""
    return [
        pdsn.name for pdsn in description.pdsns if description.port_at(pdsn.attachment).crypto_connect_vlan is not None
    ]


def await_associations(lab: Lab, description: Description) -> None:
    """Wait until both ends have their associations. Raises :class:`LabError` with the reason why there are none."""
    for node in (*protected_pdsns(description), *(module.node for module in description.ipsec_modules)):
        _command(lab, node, f"wait crypto sa {_PATIENCE}")


def clear_associations(lab: Lab, description: Description) -> Iterator[tuple[str, str]]:
    """Clear them at both ends, as the chapter does before it opens the flows, and tell each node and command. The next
    requests find none, and are lost while new ones are negotiated."""
    for node in (*protected_pdsns(description), CONTROLLER):
        for command in CLEAR:
            _command(lab, node, command)
            yield node, command


def _command(lab: Lab, node: str, command: str) -> None:
    answer = lab.command(node, command)
    if answer.startswith(ERROR_MARK):
        raise LabError(f"{node}: {answer.removeprefix(ERROR_MARK).strip()}")
