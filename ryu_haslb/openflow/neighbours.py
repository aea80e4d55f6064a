"""Where the real servers are, as one switch sees it: the table of their next hops. Pure.

A real server has a static location (``location`` command), or its next hop is found by ARP: by probes out of every port
until it answers, and by probes at longer intervals from then on. A next hop that leaves several probes unanswered is
unreachable. Sending and receiving is done by :mod:`.neighbour_discovery`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional

from ryu_haslb.configuration.model import Configuration, RealServer, next_hop_of

#: Seconds between two probes of a neighbour that has not answered the last one, and of one that has.
PROBE_INTERVAL = 1.0
REFRESH_INTERVAL = 5.0
#: Unanswered probes after which a neighbour is unreachable.
MAX_UNANSWERED_PROBES = 3
#: Seconds after a move within which an address that is claimed from its old place again has two machines. Both answer
#: each probe, and so take turns.
RIVAL_INTERVAL = 2 * REFRESH_INTERVAL


class Location(NamedTuple):
    """How to reach a neighbour: its Ethernet address, the port, and the VLAN of the tag there (None: untagged)."""

    mac: bytes
    port: int
    vlan: Optional[int]


@dataclass
class Neighbour:
    """An address and its location, which is None while unknown. ``next_probe`` is a time in seconds."""

    address: bytes
    location: Optional[Location] = None
    next_probe: float = 0.0
    unanswered_probes: int = 0
    #: Where it was before ``location``, and until when. None after a while, or if it has not moved.
    before: Optional[Location] = None
    moved_at: float = 0.0


class Neighbours:
    """The next hops of all real servers at one switch."""

    def __init__(self, configuration: Configuration, datapath_id: int) -> None:
        self._datapath_id = datapath_id
        self._by_address: dict[bytes, Neighbour] = {}
        self.configure(configuration)

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration; neighbours that both have in common keep their locations."""
        before = self._by_address
        self._static: dict[RealServer, Location] = {}
        self._next_hop: dict[RealServer, bytes] = {}
        self._is_direct: dict[RealServer, bool] = {}
        for farm in configuration.farms.values():
            for real in farm.reals:
                next_hop = next_hop_of(configuration.vlan_interfaces, configuration.routes, real.address)
                self._is_direct[real] = next_hop == real.address
                static = _static_location(real, self._datapath_id)
                if static is not None:
                    self._static[real] = static
                else:
                    self._next_hop[real] = next_hop.packed
        self._by_address = {address: before.get(address) or Neighbour(address) for address in self._next_hop.values()}

    def location(self, real: RealServer) -> Optional[Location]:
        """The location of a real server's next hop; None while it is unknown."""
        static = self._static.get(real)
        return static or self._by_address[self._next_hop[real]].location

    def is_direct(self, real: RealServer) -> bool:
        """Whether a real server is its own next hop: no router lies between it and the switches."""
        return self._is_direct[real]

    def learn(self, address: bytes, location: Location, now: float) -> bool:
        """Record the sender of an ARP packet. True when the location of a neighbour has changed."""
        neighbour = self._by_address.get(address)
        if neighbour is None:
            return False
        neighbour.unanswered_probes = 0
        neighbour.next_probe = now + REFRESH_INTERVAL
        changed = neighbour.location != location
        if changed:
            neighbour.before = neighbour.location
            neighbour.moved_at = now
        neighbour.location = location
        return changed

    def rival_of(self, address: bytes, location: Location, now: float) -> Optional[Location]:
        """Where another machine has claimed a neighbour's address just now, if one at this location claims it again.

        To be asked before :meth:`learn`. A machine that moves, or a standby that takes over, claims the address once.
        """
        neighbour = self._by_address.get(address)
        if neighbour is None or neighbour.location is None or neighbour.location.mac == location.mac:
            return None
        returns = neighbour.before is not None and neighbour.before.mac == location.mac
        return neighbour.location if returns and now - neighbour.moved_at < RIVAL_INTERVAL else None

    def forget_port(self, port: int) -> bool:
        """A port is down or removed: forget what was there. True when a location has changed."""
        lost = [each for each in self._by_address.values() if each.location is not None and each.location.port == port]
        for neighbour in lost:
            neighbour.location = None
        self.probe_all()
        return bool(lost)

    def probe_all(self) -> None:
        """Make a probe of every neighbour due: the network has changed."""
        for neighbour in self._by_address.values():
            neighbour.next_probe = 0.0

    def due_probes(self, now: float) -> tuple[list[bytes], bool]:
        """The addresses to probe now, and whether a neighbour has become unreachable."""
        addresses = []
        lost = False
        for neighbour in self._by_address.values():
            if neighbour.next_probe > now:
                continue
            if neighbour.location is not None and neighbour.unanswered_probes >= MAX_UNANSWERED_PROBES:
                neighbour.location = None
                lost = True
            neighbour.unanswered_probes += 1
            neighbour.next_probe = now + PROBE_INTERVAL
            addresses.append(neighbour.address)
        return addresses, lost


def _static_location(real: RealServer, datapath_id: int) -> Optional[Location]:
    for location in real.locations:
        if location.datapath in (None, datapath_id):
            return Location(location.mac, location.port, location.vlan)
    return None
