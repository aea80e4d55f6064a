"""Whether one node of the lab reaches another."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address

from haslb_lab.chassis.description import Description
from haslb_lab.chassis.routing import Routing
from haslb_lab.errors import LabError
from haslb_lab.runner.lab import Lab

_REPLY_TIMEOUT = 5


def ping(lab: Lab, node: str, address: IPv4Address, echoes: int = 1) -> None:
    """Send echo requests from a node; raises :class:`LabError` if none is answered."""
    argv = ["ping", "-n", "-q", "-c", str(echoes), "-i", "0.2", "-W", str(_REPLY_TIMEOUT), str(address)]
    process = lab.run(node, argv, stdout=subprocess.PIPE)
    said, _ = process.communicate()
    if process.returncode != 0:
        *_, losses = [line for line in said.decode().splitlines() if "loss" in line] or ["no answer"]
        raise LabError(f"{node} does not reach {address}: {losses}")


def meet_routers(lab: Lab, description: Description) -> None:
    """Have the PDSNs resolve their routers' addresses, as they have in a network that has been up for a while.

    What waits for ARP may be overtaken by what is sent when the answer comes; the first user is to come first.
    """
    routing = Routing(description)
    for pdsn in description.pdsns:
        for router in sorted({hop.next_hop for hop in routing.of_attached(pdsn)}):
            ping(lab, pdsn.name, router)
