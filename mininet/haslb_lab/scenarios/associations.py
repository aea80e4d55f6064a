"""The security associations between PDSNs and IPsec modules: their algorithms, and establishing them in time."""

from __future__ import annotations

from collections.abc import Iterator

from haslb_lab.chassis.description import CONTROLLER, Description
from haslb_lab.errors import LabError
from haslb_lab.runner.lab import Lab
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control.protocol import ERROR_MARK
from ryu_haslb.ipsec.translation import secured_interfaces, translate

#: Seconds that the negotiation of all associations may take.
_ASSOCIATION_TIMEOUT = 20
CLEAR = ("clear crypto isakmp", "clear crypto sa")


def protected_pdsns(description: Description) -> list[str]:
    """The PDSNs whose port is connected to an IPsec module."""
    return [
        pdsn.name for pdsn in description.pdsns if description.port_at(pdsn.attachment).crypto_connect_vlan is not None
    ]


def translations(description: Description) -> Iterator[str]:
    """What strongSwan uses instead of what the crypto maps configure, each with the nodes that have such a map."""
    files = {pdsn.name: pdsn.configuration for pdsn in description.pdsns if pdsn.name in protected_pdsns(description)}
    files[description.prompts[CONTROLLER]] = description.balancer.configuration
    nodes: dict[str, list[str]] = {}
    for name, file in files.items():
        configuration = load(file).configuration if file is not None else Configuration()
        for interface in secured_interfaces(configuration):
            for note in translate(configuration, interface).notes:
                nodes.setdefault(note, []).append(name)
    for note, names in nodes.items():
        yield f"{note} ({', '.join(dict.fromkeys(names))})"


def await_associations(lab: Lab, description: Description) -> None:
    """Wait until both ends have their associations. Raises: LabError with the reason why one is missing."""
    for node in (*protected_pdsns(description), *(module.node for module in description.ipsec_modules)):
        _command(lab, node, f"wait crypto sa {_ASSOCIATION_TIMEOUT}")


def clear_associations(lab: Lab, description: Description) -> Iterator[tuple[str, str]]:
    """Clear the associations at both ends, as the chapter does before the flows; generate each node and command.

    The next requests find no association, and are lost until new ones are negotiated.
    """
    for node in (*protected_pdsns(description), CONTROLLER):
        for command in CLEAR:
            _command(lab, node, command)
            yield node, command


def _command(lab: Lab, node: str, command: str) -> None:
    answer = lab.command(node, command)
    if answer.startswith(ERROR_MARK):
        raise LabError(f"{node}: {answer.removeprefix(ERROR_MARK).strip()}")
