"""Which nodes of the lab reach each other: routers, and mobiles through their tunnels (step 4 of the call flow)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import NamedTuple

from haslb_lab.chassis.description import Description, Host
from haslb_lab.chassis.routing import Routing
from haslb_lab.errors import LabError
from haslb_lab.runner.lab import PROGRAM_TIMEOUT, Lab
from haslb_lab.runner.waiting import wait_until

#: Seconds that ``ping`` waits for the last reply.
_REPLY_TIMEOUT = 20
#: Echo requests in each direction between a mobile and a host.
_ECHOES = 3


class Trip(NamedTuple):
    """A mobile and a host that reached each other, and the home agent whose tunnel carried the packets."""

    mobile: str
    host: str
    home_agent: str


def ping(lab: Lab, node: str, address: IPv4Address, echoes: int = 1) -> None:
    """Send echo requests from a node. Raises: LabError if none is answered."""
    argv = ["ping", "-n", "-q", "-c", str(echoes), "-i", "0.2", "-W", str(_REPLY_TIMEOUT), str(address)]
    process = lab.run(node, argv, stdout=subprocess.PIPE)
    said, _ = process.communicate()
    if process.returncode != 0:
        *_, losses = [line for line in said.decode().splitlines() if "loss" in line] or ["no answer"]
        raise LabError(f"{node} does not reach {address}: {losses}")


def meet_routers(lab: Lab, description: Description) -> None:
    """Have the PDSNs resolve their routers' addresses, as they have in a network that has been up for a while.

    A packet that waits for ARP may be overtaken by one that is sent when the reply arrives, and the request of the
    first user is to arrive first. A busy machine may be slow to answer ARP: then it is asked again.
    """
    routing = Routing(description)
    deadline = time.monotonic() + PROGRAM_TIMEOUT
    for pdsn in description.pdsns:
        for router in sorted({hop.next_hop for hop in routing.of_attached(pdsn)}):
            _ping_until(lab, pdsn.name, router, deadline)


def _ping_until(lab: Lab, node: str, address: IPv4Address, deadline: float) -> None:
    """Send echo requests from a node until one is answered. Raises: LabError if none is before the deadline."""
    while True:
        try:
            return ping(lab, node, address)
        except LabError:
            if time.monotonic() > deadline:
                raise


def trips(lab: Lab, description: Description, registered: Mapping[str, range]) -> Iterator[Trip]:
    """Have each registered mobile reach a host, and the host reach the mobile.

    ``registered`` has the users of each PDSN. Raises: LabError for a mobile that does not reach the host, or whose
    packets do not pass through the tunnel of its home agent.
    """
    for pdsn in description.pdsns:
        for mobile, user in pdsn.mobiles.items():
            if user in registered[pdsn.name] and description.hosts:
                yield _trip(lab, description, mobile, description.hosts[0])


def left_out(description: Description, registered: Mapping[str, range]) -> Iterator[str]:
    """The mobiles that :func:`trips` does not try, and why."""
    for pdsn in description.pdsns:
        users = registered[pdsn.name]
        for mobile, user in pdsn.mobiles.items():
            if user not in users:
                who = f"users {users.start} to {users.stop - 1}" if users else "no user"
                yield f"{mobile} is user {user}; {pdsn.name} registered {who}"
            elif not description.hosts:
                yield f"{mobile} has no host to talk to"


def _trip(lab: Lab, description: Description, mobile: str, host: Host) -> Trip:
    home_address = _home_address(lab, mobile)
    (home_agent,) = (each.name for each in description.home_agents if home_address in each.home_network)
    before = _tunnelled(lab, home_agent)
    ping(lab, mobile, host.address.ip, _ECHOES)
    ping(lab, host.name, home_address, _ECHOES)
    carried = _tunnelled(lab, home_agent) - before
    if carried < 2 * _ECHOES:
        raise LabError(f"{mobile} and {host.name} reach each other, but {home_agent} tunnelled only {carried} packets")
    return Trip(mobile, host.name, home_agent)


def _home_address(lab: Lab, mobile: str) -> IPv4Address:
    """The address that a mobile has from its home agent. Its PDSN sends it as soon as the mobile is registered."""
    address: str = wait_until(
        lambda: lab.query(mobile, "show ip interface")["address"],
        f"{mobile}, which is registered, receives its home address from its PDSN",
        PROGRAM_TIMEOUT,
    )
    return IPv4Address(address)


def _tunnelled(lab: Lab, home_agent: str) -> int:
    """Packets that have entered or left a home agent's tunnels."""
    tunnels = lab.query(home_agent, "show ip mobile tunnel")["tunnels"]
    return sum(tunnel["packets_in"] + tunnel["packets_out"] for tunnel in tunnels)
