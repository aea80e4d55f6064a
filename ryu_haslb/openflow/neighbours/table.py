"""Where the real servers are, as one switch sees it: the table of their next hops (:mod:`.arp_probing`). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from ryu_haslb.configuration.model import Configuration, RealServer, next_hop_of
from ryu_haslb.openflow.neighbours.arp_probing import (
    CLAIM_INTERVAL,
    MAX_UNANSWERED_PROBES,
    REFRESH_INTERVAL,
    Neighbour,
)
from ryu_haslb.openflow.neighbours.places import Event, Finding, Location, Place, PlaceState, Probe

_NOTHING: Mapping[bytes, Any] = {}


class Neighbours:
    """The next hops of all real servers at one switch. ``events`` are the findings since they were last taken."""

    def __init__(self, configuration: Configuration, datapath_id: int) -> None:
        self.events: list[Event] = []
        self._datapath_id = datapath_id
        self._by_address: dict[bytes, Neighbour] = {}
        self._of_real: dict[RealServer, Neighbour] = {}
        self._pinned: list[Neighbour] = []
        self._is_direct: dict[RealServer, bool] = {}
        self.configure(configuration)

    def configure(
        self,
        configuration: Configuration,
        macs: Mapping[bytes, bytes] = _NOTHING,
        places: Mapping[bytes, Location] = _NOTHING,
    ) -> None:
        """Apply another configuration; neighbours that both have in common keep their locations.

        ``macs`` and ``places`` are what static ARP entries fix, by the address of a next hop.
        """
        pinned: dict[bytes, Neighbour] = {}
        before, self._by_address, self._of_real = self._by_address, {}, {}
        self._pinned = []
        self._is_direct = {}
        for farm in configuration.farms.values():
            for real in farm.reals:
                next_hop = next_hop_of(configuration.vlan_interfaces, configuration.routes, real.address)
                self._is_direct[real] = next_hop == real.address
                address = next_hop.packed
                static = _static_location(real, self._datapath_id)
                if static is not None:
                    self._of_real[real] = _static_neighbour(address, static)
                    self._pinned.append(self._of_real[real])
                    continue
                if address in places:
                    if address not in pinned:
                        pinned[address] = _static_neighbour(address, places[address])
                        self._pinned.append(pinned[address])
                    self._of_real[real] = pinned[address]
                    continue
                neighbour = self._by_address.get(address) or before.get(address) or Neighbour(address)
                if neighbour.place is not None and macs.get(address, neighbour.place.mac) != neighbour.place.mac:
                    neighbour = Neighbour(address)
                neighbour.mac = macs.get(address)
                self._of_real[real] = self._by_address[address] = neighbour

    def location(self, real: RealServer) -> Optional[Location]:
        """The location of a real server's next hop; None while it is unknown."""
        return self._of_real[real].location

    def last_location(self, real: RealServer) -> Optional[Location]:
        """The location of a real server's next hop, or where it was when it was lost."""
        neighbour = self._of_real[real]
        return neighbour.location or neighbour.lost_from

    def is_direct(self, real: RealServer) -> bool:
        """Whether a real server is its own next hop: no router lies between it and the switches."""
        return self._is_direct[real]

    def place(self, real: RealServer) -> Place:
        """The place of a real server's next hop."""
        neighbour = self._of_real.get(real)
        if neighbour is None:
            return Place(None, PlaceState.UNKNOWN)
        is_silent = neighbour.is_static and neighbour.unanswered_probes > MAX_UNANSWERED_PROBES
        return Place(neighbour.location, neighbour.state, neighbour.claims_refused, is_silent)

    def forget(self, address: bytes) -> None:
        """The place of a neighbour is no longer valid: look for it anew."""
        if address in self._by_address and not self._by_address[address].is_static:
            self._by_address[address] = renewed = Neighbour(address, mac=self._by_address[address].mac)
            self._of_real = {
                real: renewed if each.address == address and not each.is_static else each
                for real, each in self._of_real.items()
            }

    def found(self) -> dict[bytes, Location]:
        """The neighbours that ARP has located, by address."""
        return {each.address: each.location for each in self._by_address.values() if each.location is not None}

    def lost(self) -> dict[bytes, Location]:
        """Where the neighbours were that were lost, by address."""
        return {each.address: each.lost_from for each in self._by_address.values() if each.lost_from is not None}

    def preload(self, places: Mapping[bytes, Location], lost: Mapping[bytes, Location]) -> bool:
        """Take over what another member of the cluster has found or ``lost``. True when a location, or a last one, has
        changed.

        Static entries and configured Ethernet addresses prevail.
        """
        changed = False
        for neighbour in self._by_address.values():
            location, lost_from = places.get(neighbour.address), lost.get(neighbour.address)
            if location is not None and neighbour.mac not in (None, location.mac):
                location = None
            if location is not None or (lost_from is not None and neighbour.mac not in (None, lost_from.mac)):
                lost_from = None
            neighbour.is_preloaded = location is not None
            if (location, lost_from) == (neighbour.location, neighbour.lost_from):
                continue
            changed = True
            neighbour.lost_from = lost_from
            if location != neighbour.location:
                neighbour.location = neighbour.place = location
                neighbour.challenged_until = neighbour.held_until = None
        return changed

    def verify_preloaded(self, now: float) -> None:
        """This member begins to lead: the places that it has taken over have to answer."""
        for neighbour in self._by_address.values():
            if neighbour.is_preloaded:
                neighbour.begin_challenge(now)

    def addresses(self) -> set[bytes]:
        """The addresses of all next hops."""
        return {neighbour.address for neighbour in self._of_real.values()}

    def on_claim(self, address: bytes, location: Location, now: float) -> None:
        """An unsolicited ARP packet has this sender: it is a reason to probe, and no more."""
        neighbour = self._by_address.get(address)
        if neighbour is None or neighbour.is_static or neighbour.mac not in (None, location.mac):
            return
        if neighbour.location is None:
            if now >= neighbour.next_challenge:
                neighbour.next_challenge = now + CLAIM_INTERVAL
                neighbour.next_probe = now
        elif location != neighbour.location:
            neighbour.claimant = neighbour.claimant or location
            neighbour.challenge(now)
        elif neighbour.challenged_until is None:
            neighbour.unanswered_probes = 0
            neighbour.next_probe = now + REFRESH_INTERVAL

    def on_answer(self, address: bytes, location: Location, now: float) -> bool:
        """A neighbour has answered a probe. True when its location has changed."""
        for each in self._pinned:
            if each.address == address and each.location == location:
                each.unanswered_probes = 0
        neighbour = self._by_address.get(address)
        if neighbour is None or neighbour.is_static or neighbour.mac not in (None, location.mac):
            return False
        if neighbour.location is None:
            return neighbour.locate(location, now, self.events)
        if location != neighbour.location:
            neighbour.rival = neighbour.rival or location
            neighbour.challenge(now)
            return False
        neighbour.is_preloaded = False
        neighbour.unanswered_probes = 0
        neighbour.next_probe = now + REFRESH_INTERVAL
        if neighbour.challenged_until is not None:
            rival = neighbour.rival or neighbour.claimant
            if rival is not None:
                neighbour.claims_refused += 1
                self.events.append(Event(Finding.CLAIM_REFUSED, address, location, rival))
            neighbour.end_challenge(now)
        return False

    def forget_port(self, port: int) -> bool:
        """A port is down or removed: forget what was there. True when a location has changed."""
        found = [each for each in self._by_address.values() if not each.is_static]
        lost = [each for each in found if each.location is not None and each.location.port == port]
        for neighbour in found:
            if neighbour.place is not None and neighbour.place.port == port:
                neighbour.place = None
        for neighbour in lost:
            neighbour.lose()
            neighbour.challenged_until = None
        self.probe_all()
        return bool(lost)

    def suspend(self, port: int, mac: Optional[bytes], until: float) -> None:
        """For a while no answer can come from this port, or from this host there: what is there stays, unprobed."""
        for neighbour in self._by_address.values():
            place = neighbour.location
            if place is not None and not neighbour.is_static and place.port == port and mac in (None, place.mac):
                neighbour.end_challenge(until)
                neighbour.unanswered_probes = 0
                neighbour.next_probe = until

    def probe_all(self) -> None:
        """Make a probe of every neighbour due: the network has changed."""
        for neighbour in self._by_address.values():
            if not neighbour.is_static:
                neighbour.next_probe = 0.0
                neighbour.broadcasts = True

    def due_probes(self, now: float, is_behind: bool = False) -> tuple[list[Probe], bool]:
        """The probes to send now, and whether the location of a neighbour has changed.

        ``is_behind``: the switch has not carried out what it was sent a while ago, so no neighbour is given up.
        """
        probes: list[Probe] = []
        changed = False
        for neighbour in (*self._by_address.values(), *self._pinned):
            if is_behind:
                neighbour.restart_deadlines(now)
            elif not neighbour.is_static:
                changed |= neighbour.judge(now, self.events)
            if neighbour.next_probe <= now:
                probes += neighbour.next_probes(now)
        return probes, changed

    def take_events(self) -> Iterator[Event]:
        """The findings since the last call."""
        events, self.events = self.events, []
        return iter(events)


def _static_neighbour(address: bytes, location: Location) -> Neighbour:
    return Neighbour(address, location, is_static=True)


def _static_location(real: RealServer, datapath_id: int) -> Optional[Location]:
    for location in real.locations:
        if location.datapath in (None, datapath_id):
            return Location(location.mac, location.port, location.vlan)
    return None
