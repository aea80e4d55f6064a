"""Where the real servers are, as one switch sees it: the table of their next hops. Pure.

A real server has a static location, or its next hop is found by ARP (:mod:`.neighbour_discovery` sends and receives).
ARP proves nothing: every host may claim any address. So a claim changes nothing by itself::

            answer                                     answer from elsewhere, or claim
    UNKNOWN -------> LOCATED ------------------------------------------> CHALLENGED
       ^               |  ^   the known place answers: the claim is refused  |   |
       |               |  +------------------------------------------------- +   | silent for CHALLENGE_TIMEOUT, and
       +---------------+                                                         | the other place answers:
         several probes unanswered, or the port is down         LOCATED there <--+ it has moved
                                                     or HELD_DOWN where it was <-+ it moves too often

*Answer*: a reply to a probe of ours, from the VLAN that was probed. *Claim*: any other ARP packet with the address as
sender: a request, a gratuitous ARP, an unasked reply. It leads to a probe, at most one in :data:`CLAIM_INTERVAL`.

A located neighbour is polled by unicast (RFC 1122, section 2.3.2.1), and by broadcast when it does not answer. One that
moves more than :data:`MAX_MOVES` times in :data:`FLAP_INTERVAL` is held down: for :data:`HOLD_DOWN_INTERVAL` nothing
but an answer from the place that it had is believed. A port that goes down is no move: the switch itself reports it.

In a cluster, a member that stands by takes over the places that the leader has found (:meth:`Neighbours.preload`). When
it begins to lead, each of them is CHALLENGED and probed at once. One that does not answer within
:data:`CHALLENGE_TIMEOUT` is given up: for the other place that answers, else it is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ryu_haslb.configuration.model import Configuration, RealServer, next_hop_of
from ryu_haslb.openflow.places import Event, Finding, Location, Place, PlaceState, Probe

#: Seconds between two probes of a neighbour that has not answered the last one, and of one that has.
PROBE_INTERVAL = 1.0
REFRESH_INTERVAL = 5.0
#: Unanswered probes after which a neighbour is unreachable.
MAX_UNANSWERED_PROBES = 3
#: Seconds of silence after which a challenged place loses to another place that answers, and between two probes of it.
CHALLENGE_TIMEOUT = 1.5
CHALLENGE_PROBE_INTERVAL = 0.4
#: Seconds between two probes that claims cause, and from a refused claim to the next challenge.
CLAIM_INTERVAL = 1.0
#: Moves in this many seconds that are believed, and the seconds for which one that moves once more is held down.
MAX_MOVES = 3
FLAP_INTERVAL = 60.0
HOLD_DOWN_INTERVAL = 60.0


@dataclass(eq=False)
class Neighbour:
    """An address and its location, which is None while unknown. Times are in seconds.

    ``place`` is the last location, also while it is unreachable. ``mac`` is the only Ethernet address that is believed,
    if one is configured. ``rival`` has answered elsewhere during a challenge; ``claimant`` has only claimed. The
    location of one that ``is_static`` never changes; polls only show whether it is there. The next
    probe of one that ``broadcasts`` goes to all hosts, since the network has changed. The location of one that
    ``is_preloaded`` is from another member of the cluster, and has not answered a probe of this one.
    """

    address: bytes
    location: Optional[Location] = None
    next_probe: float = 0.0
    is_static: bool = False
    broadcasts: bool = False
    is_preloaded: bool = False
    unanswered_probes: int = 0
    place: Optional[Location] = None
    mac: Optional[bytes] = None
    claims_refused: int = 0
    challenged_until: Optional[float] = None
    next_challenge: float = 0.0
    is_claimed: bool = False
    claimant: Optional[Location] = None
    rival: Optional[Location] = None
    moves: list[float] = field(default_factory=list)
    held_until: Optional[float] = None

    @property
    def state(self) -> PlaceState:
        """What is known of its place."""
        if self.is_static:
            return PlaceState.STATIC
        if self.held_until is not None:
            return PlaceState.HELD_DOWN
        if self.location is None:
            return PlaceState.UNKNOWN
        return PlaceState.LOCATED if self.challenged_until is None else PlaceState.CHALLENGED

    def end_challenge(self, now: float) -> None:
        """Forget the claim."""
        self.challenged_until = self.rival = self.claimant = None
        self.is_claimed = False
        self.next_challenge = now + CLAIM_INTERVAL


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

    def preload(self, places: Mapping[bytes, Location]) -> bool:
        """Take over what another member of the cluster has found. True when a location has changed.

        Static entries and configured Ethernet addresses prevail.
        """
        changed = False
        for neighbour in self._by_address.values():
            location = places.get(neighbour.address)
            if location is not None and neighbour.mac not in (None, location.mac):
                location = None
            neighbour.is_preloaded = location is not None
            if location == neighbour.location:
                continue
            neighbour.location = neighbour.place = location
            neighbour.challenged_until = neighbour.held_until = None
            changed = True
        return changed

    def verify_preloaded(self, now: float) -> None:
        """This member begins to lead: the places that it has taken over have to answer."""
        for neighbour in self._by_address.values():
            if neighbour.is_preloaded:
                neighbour.challenged_until = now + CHALLENGE_TIMEOUT
                neighbour.next_probe = now

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
            self._challenge(neighbour, now)
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
            return self._locate(neighbour, location, now)
        if location != neighbour.location:
            neighbour.rival = neighbour.rival or location
            self._challenge(neighbour, now)
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
            neighbour.location = neighbour.challenged_until = None
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

    def due_probes(self, now: float) -> tuple[list[Probe], bool]:
        """The probes to send now, and whether the location of a neighbour has changed."""
        probes: list[Probe] = []
        changed = False
        for neighbour in (*self._by_address.values(), *self._pinned):
            changed |= not neighbour.is_static and self._judge(neighbour, now)
            if neighbour.next_probe <= now:
                probes += _next_probes(neighbour, now)
        return probes, changed

    def take_events(self) -> Iterator[Event]:
        """The findings since the last call."""
        events, self.events = self.events, []
        return iter(events)

    def _challenge(self, neighbour: Neighbour, now: float) -> None:
        """Let the known place prove that it is there."""
        if neighbour.challenged_until is not None or neighbour.held_until is not None:
            return
        if now < neighbour.next_challenge:
            neighbour.is_claimed = True
            return
        neighbour.challenged_until = now + CHALLENGE_TIMEOUT
        neighbour.next_probe = now

    def _judge(self, neighbour: Neighbour, now: float) -> bool:
        """Draw the conclusions from what has not happened. True when the location has changed."""
        if neighbour.held_until is not None and now >= neighbour.held_until:
            neighbour.held_until = None
            neighbour.moves.clear()
            self.events.append(Event(Finding.RELEASED, neighbour.address, neighbour.location))
        if neighbour.is_claimed and now >= neighbour.next_challenge:
            neighbour.is_claimed = False
            if neighbour.location is not None:
                self._challenge(neighbour, now)
        if neighbour.challenged_until is not None and now >= neighbour.challenged_until:
            rival = neighbour.rival
            neighbour.end_challenge(now)
            if rival is not None:
                return self._locate(neighbour, rival, now)
            if neighbour.is_preloaded:
                self.events.append(Event(Finding.LOST, neighbour.address, neighbour.location))
                neighbour.location = neighbour.place = None
                neighbour.is_preloaded = False
                return True
            neighbour.unanswered_probes += 1
        is_silent = neighbour.unanswered_probes >= MAX_UNANSWERED_PROBES and neighbour.challenged_until is None
        if neighbour.location is not None and is_silent and neighbour.next_probe <= now:
            self.events.append(Event(Finding.LOST, neighbour.address, neighbour.location))
            neighbour.location = None
            return True
        return False

    def _locate(self, neighbour: Neighbour, location: Location, now: float) -> bool:
        """It has answered from this location, and not from the one that it had. False if it is held down."""
        before = neighbour.place
        has_moved = before is not None and before != location
        if has_moved:
            if neighbour.held_until is not None:
                return False
            neighbour.moves = [each for each in neighbour.moves if now - each < FLAP_INTERVAL]
            if len(neighbour.moves) >= MAX_MOVES:
                neighbour.held_until = now + HOLD_DOWN_INTERVAL
                self.events.append(Event(Finding.HELD_DOWN, neighbour.address, before, location))
                return False
            neighbour.moves.append(now)
            self.events.append(Event(Finding.MOVED, neighbour.address, location, before))
        neighbour.location = neighbour.place = location
        neighbour.is_preloaded = False
        neighbour.unanswered_probes = 0
        neighbour.next_probe = now + REFRESH_INTERVAL
        return True


def _next_probes(neighbour: Neighbour, now: float) -> list[Probe]:
    """The probes of a neighbour that are due, and when the next one is."""
    if neighbour.is_static:
        neighbour.unanswered_probes += 1
        neighbour.next_probe = now + REFRESH_INTERVAL
        return [Probe(neighbour.address, neighbour.location)]
    broadcast = Probe(neighbour.address)
    if neighbour.challenged_until is not None:
        # One broadcast lets the claimant answer; if it cannot, the known place stays until it is silent for long.
        is_first = neighbour.challenged_until - now > CHALLENGE_TIMEOUT - CHALLENGE_PROBE_INTERVAL / 2
        neighbour.next_probe = now + CHALLENGE_PROBE_INTERVAL
        return [*([broadcast] if is_first else []), Probe(neighbour.address, neighbour.location)]
    neighbour.next_probe = now + PROBE_INTERVAL
    neighbour.unanswered_probes += 1
    is_broadcast_due = neighbour.broadcasts or neighbour.unanswered_probes > 1
    neighbour.broadcasts = False
    if neighbour.location is None:
        return [broadcast]
    unicast = Probe(neighbour.address, neighbour.location)
    return [broadcast, unicast] if is_broadcast_due else [unicast]


def _static_neighbour(address: bytes, location: Location) -> Neighbour:
    return Neighbour(address, location, is_static=True)


def _static_location(real: RealServer, datapath_id: int) -> Optional[Location]:
    for location in real.locations:
        if location.datapath in (None, datapath_id):
            return Location(location.mac, location.port, location.vlan)
    return None
