"""One next hop of real servers as one switch sees it: when it is probed by ARP, where it is, who is believed. Pure.

A real server has a static location, or its next hop is found by ARP (:mod:`.discovery` sends and receives).
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
moves more than :data:`MAX_MOVES` times in :data:`FLAP_INTERVAL` is held down: for :data:`HOLD_DOWN_INTERVAL` only an
answer from the place that it had is believed. A port that goes down is no move: the switch itself reports it.

In a cluster, a member that stands by takes over the places that the leader has found (:meth:`.Neighbours.preload`).
When it begins to lead, each of them is CHALLENGED and probed at once. One that does not answer within
:data:`CHALLENGE_TIMEOUT` is given up: for the other place that answers, else it is UNKNOWN.

Silence counts only where there was something to answer. Probes are counted, not only seconds: a balancer that waits for
a processor sends none. And while the switch itself is behind, the probes may still be in its queue
(:meth:`Neighbour.restart_deadlines`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from ryu_haslb.openflow.neighbours.places import Event, Finding, Location, PlaceState, Probe

#: Seconds between two probes of a neighbour that has not answered the last one, and of one that has.
PROBE_INTERVAL = 1.0
REFRESH_INTERVAL = 5.0
#: Unanswered probes after which a neighbour is unreachable.
MAX_UNANSWERED_PROBES = 3
#: Seconds of silence after which a challenged place loses to another place that answers, between two probes of it, and
#: the probes that it must have had by then.
CHALLENGE_TIMEOUT = 1.5
CHALLENGE_PROBE_INTERVAL = 0.4
CHALLENGE_PROBES = 4
#: Seconds between two probes that claims cause, and from a refused claim to the next challenge.
CLAIM_INTERVAL = 1.0
#: Moves in this many seconds that are believed, and the seconds for which one that moves once more is held down.
MAX_MOVES = 3
FLAP_INTERVAL = 60.0
HOLD_DOWN_INTERVAL = 60.0


@dataclass(eq=False)
class Neighbour:
    """An address and its location, which is None while unknown. Times are in seconds.

    ``place`` is the last location, also while it is unreachable, until its port goes down. ``lost_from`` is where it
    was when it was lost; None while it is located. ``mac`` is the only Ethernet address that is believed, if one is
    configured. ``rival`` has answered elsewhere during a challenge; ``claimant`` has only claimed.
    ``challenge_probes`` are those of the challenge that goes on. The location of one that ``is_static`` never changes;
    polls only show whether it is there. The next probe of one that ``broadcasts`` goes to all hosts, since the network
    has changed. The location of one that ``is_preloaded`` is from another member of the cluster, and has not answered a
    probe of this one.
    """

    address: bytes
    location: Optional[Location] = None
    next_probe: float = 0.0
    is_static: bool = False
    broadcasts: bool = False
    is_preloaded: bool = False
    unanswered_probes: int = 0
    place: Optional[Location] = None
    lost_from: Optional[Location] = None
    mac: Optional[bytes] = None
    claims_refused: int = 0
    challenged_until: Optional[float] = None
    challenge_probes: int = 0
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

    def lose(self) -> None:
        """It is unreachable."""
        self.lost_from, self.location = self.location, None

    def end_challenge(self, now: float) -> None:
        """Forget the claim."""
        self.challenged_until = self.rival = self.claimant = None
        self.is_claimed = False
        self.next_challenge = now + CLAIM_INTERVAL

    def challenge(self, now: float) -> None:
        """Let the known place prove that it is there."""
        if self.challenged_until is not None or self.held_until is not None:
            return
        if now < self.next_challenge:
            self.is_claimed = True
            return
        self.begin_challenge(now)

    def begin_challenge(self, now: float) -> None:
        """Probe the known place at once, and give it up if it is silent."""
        self.challenged_until = now + CHALLENGE_TIMEOUT
        self.challenge_probes = 0
        self.next_probe = now

    def restart_deadlines(self, now: float) -> None:
        """The switch is behind, so the neighbour's silence shows nothing: count anew, and begin its time anew."""
        self.unanswered_probes = 0
        if self.challenged_until is not None:
            self.challenged_until = now + CHALLENGE_TIMEOUT
            self.challenge_probes = min(self.challenge_probes, 1)

    def judge(self, now: float, events: list[Event]) -> bool:
        """Do what follows from deadlines that are over. True when the location has changed."""
        if self.held_until is not None and now >= self.held_until:
            self.held_until = None
            self.moves.clear()
            events.append(Event(Finding.RELEASED, self.address, self.location))
        if self.is_claimed and now >= self.next_challenge:
            self.is_claimed = False
            if self.location is not None:
                self.challenge(now)
        if self._is_challenge_over(now):
            rival = self.rival
            self.end_challenge(now)
            if rival is not None:
                return self.locate(rival, now, events)
            if self.is_preloaded:
                events.append(Event(Finding.LOST, self.address, self.location))
                self.lose()
                self.place = None
                self.is_preloaded = False
                return True
            self.unanswered_probes += 1
        is_silent = self.unanswered_probes >= MAX_UNANSWERED_PROBES and self.challenged_until is None
        if self.location is not None and is_silent and self.next_probe <= now:
            events.append(Event(Finding.LOST, self.address, self.location))
            self.lose()
            return True
        return False

    def _is_challenge_over(self, now: float) -> bool:
        is_late = self.challenged_until is not None and now >= self.challenged_until
        return is_late and self.challenge_probes >= CHALLENGE_PROBES

    def locate(self, location: Location, now: float, events: list[Event]) -> bool:
        """It has answered from this location, and not from the one that it had. False if it is held down."""
        before = self.place
        has_moved = before is not None and before != location
        if has_moved:
            if self.held_until is not None:
                return False
            self.moves = [each for each in self.moves if now - each < FLAP_INTERVAL]
            if len(self.moves) >= MAX_MOVES:
                self.held_until = now + HOLD_DOWN_INTERVAL
                events.append(Event(Finding.HELD_DOWN, self.address, before, location))
                return False
            self.moves.append(now)
            events.append(Event(Finding.MOVED, self.address, location, before))
        self.location = self.place = location
        self.lost_from = None
        self.is_preloaded = False
        self.unanswered_probes = 0
        self.next_probe = now + REFRESH_INTERVAL
        return True

    def next_probes(self, now: float) -> list[Probe]:
        """The probes that are due, and when the next one is."""
        if self.is_static:
            self.unanswered_probes += 1
            self.next_probe = now + REFRESH_INTERVAL
            return [Probe(self.address, self.location)]
        broadcast = Probe(self.address)
        if self.challenged_until is not None:
            # One broadcast lets the claimant answer; if it cannot, the known place stays until it is silent for long.
            is_first = self.challenge_probes == 0
            self.challenge_probes += 1
            self.next_probe = now + CHALLENGE_PROBE_INTERVAL
            return [*([broadcast] if is_first else []), Probe(self.address, self.location)]
        self.next_probe = now + PROBE_INTERVAL
        self.unanswered_probes += 1
        is_broadcast_due = self.broadcasts or self.unanswered_probes > 1
        self.broadcasts = False
        if self.location is None:
            return [broadcast]
        unicast = Probe(self.address, self.location)
        return [broadcast, unicast] if is_broadcast_due else [unicast]
