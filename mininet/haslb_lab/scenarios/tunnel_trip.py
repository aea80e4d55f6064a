"""Traffic of mobiles through their tunnels: step 4 of the call flow, where a chassis has mobiles and hosts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import NamedTuple

from haslb_lab.chassis.description import Description, Host
from haslb_lab.errors import LabError
from haslb_lab.runner.lab import POLL_INTERVAL, PROGRAM_TIMEOUT, Lab
from haslb_lab.scenarios.reach import ping

_ECHOES = 3


class Trip(NamedTuple):
    """A mobile and a host that reached each other, and the home agent through whose tunnel."""

    mobile: str
    host: str
    home_agent: str


def trips(lab: Lab, description: Description, registered: Mapping[str, range]) -> Iterator[Trip]:
    """Have each mobile that is registered, by PDSN and users, reach a host, and the host reach it.

    Raises :class:`LabError` for one that fails, or that does not go through the tunnel of its home agent.
    """
    for pdsn in description.pdsns:
        for mobile, user in pdsn.mobiles.items():
            if user in registered[pdsn.name] and description.hosts:
                yield _trip(lab, description, mobile, description.hosts[0])


def left_out(description: Description, registered: Mapping[str, range]) -> Iterator[str]:
    """The mobiles that are not tried, and why."""
    for pdsn in description.pdsns:
        users = registered[pdsn.name]
        for mobile, user in pdsn.mobiles.items():
            if user not in users:
                who = f"{users.start} to {users.stop - 1}" if users else "nobody"
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
        raise LabError(f"{mobile} and {host.name} reach each other, but {home_agent} tunnelled {carried} packets only")
    return Trip(mobile, host.name, home_agent)


def _home_address(lab: Lab, mobile: str) -> IPv4Address:
    """The address that a mobile has from its home agent; its PDSN tells it as soon as it is registered."""
    deadline = time.monotonic() + PROGRAM_TIMEOUT
    while (address := lab.query(mobile, "show ip interface")["address"]) is None:
        if time.monotonic() > deadline:
            raise LabError(f"{mobile} is registered, but its PDSN has not told it its home address")
        time.sleep(POLL_INTERVAL)
    return IPv4Address(address)


def _tunnelled(lab: Lab, home_agent: str) -> int:
    """Packets that have come out of a home agent's tunnels or gone into them."""
    tunnels = lab.query(home_agent, "show ip mobile tunnel")["tunnels"]
    return sum(tunnel["packets_in"] + tunnel["packets_out"] for tunnel in tunnels)
