"""Where the real servers are, as one switch sees it: found and followed by ARP, or told by configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional

from ryu_haslb.configuration.model import Configuration, RealServer
from ryu_haslb.configuration.routing import next_hop_of

#: Seconds between probes while an answer is missing, and while all is well.
PROBE_INTERVAL = 1.0
REFRESH_INTERVAL = 5.0
#: Probes without an answer after which a neighbour is gone.
PROBES_UNANSWERED = 3


class Location(NamedTuple):
    """How to reach a neighbour: its Ethernet address, the port, the VLAN tag that frames carry there (None: no tag)."""

    mac: bytes
    port: int
    vlan: Optional[int]


@dataclass
class Neighbour:
    """One address to be found. ``location`` is None while it is unknown; ``unanswered`` counts probes."""

    address: bytes
    location: Optional[Location] = None
    next_probe: float = 0.0
    unanswered: int = 0


class Neighbours:
    """The real servers' next hops at one switch. Pure: the caller sends the probes and brings what comes back."""

    def __init__(self, configuration: Configuration, datapath_id: int) -> None:
        self._datapath_id = datapath_id
        self._by_address: dict[bytes, Neighbour] = {}
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> None:
        """Look for the real servers of another configuration; what is known of those that both have stays known."""
        known = self._by_address
        self._static: dict[RealServer, Location] = {}
        self._next_hop: dict[RealServer, bytes] = {}
        for farm in configuration.farms.values():
            for real in farm.reals:
                static = _static_location(real, self._datapath_id)
                if static is not None:
                    self._static[real] = static
                    continue
                next_hop = next_hop_of(configuration.vlan_interfaces, configuration.routes, real.address)
                self._next_hop[real] = next_hop.packed
        self._by_address = {address: known.get(address) or Neighbour(address) for address in self._next_hop.values()}

    def location(self, real: RealServer) -> Optional[Location]:
        """Where packets for a real server go; None while that is not known."""
        static = self._static.get(real)
        return static or self._by_address[self._next_hop[real]].location

    def heard(self, address: bytes, location: Location, now: float) -> bool:
        """Take what an ARP packet of this sender tells. True when it changes anything."""
        neighbour = self._by_address.get(address)
        if neighbour is None:
            return False
        neighbour.unanswered = 0
        neighbour.next_probe = now + REFRESH_INTERVAL
        changed = neighbour.location != location
        neighbour.location = location
        return changed

    def forget_port(self, port: int) -> bool:
        """The port is down or gone: whoever was there is looked for everywhere. True when anybody was."""
        lost = [n for n in self._by_address.values() if n.location is not None and n.location.port == port]
        for neighbour in lost:
            neighbour.location = None
        self.probe_all_now()
        return bool(lost)

    def probe_all_now(self) -> None:
        """Make every address due for a probe: the network has changed."""
        for neighbour in self._by_address.values():
            neighbour.next_probe = 0.0

    def due(self, now: float) -> tuple[list[bytes], bool]:
        """The addresses to probe now, and whether any neighbour was given up meanwhile."""
        addresses = []
        lost = False
        for neighbour in self._by_address.values():
            if neighbour.next_probe > now:
                continue
            if neighbour.location is not None and neighbour.unanswered >= PROBES_UNANSWERED:
                neighbour.location = None
                lost = True
            neighbour.unanswered += 1
            neighbour.next_probe = now + PROBE_INTERVAL
            addresses.append(neighbour.address)
        return addresses, lost


def _static_location(real: RealServer, datapath_id: int) -> Optional[Location]:
    for location in real.locations:
        if location.datapath in (None, datapath_id):
            return Location(location.mac, location.port, location.vlan)
    return None
