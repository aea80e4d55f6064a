"""A simulated Mobile IP home agent: it binds mobiles and replies to their foreign agents (RFC 5944 section 3.8)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Callable, Optional

from simulation.clock import Clock
from simulation.mobile_ip import (
    ACCEPTED,
    FAILED_AUTHENTICATION,
    INSUFFICIENT_RESOURCES,
    Registration,
    is_authentic,
    read_request,
    reply,
)
from simulation.packet import PROTOCOL_ICMP, arp_frame, echo_reply, has_right_checksums, udp_frame

#: Times of replies that are remembered.
MAX_REMEMBERED_REPLIES = 100_000
#: Seconds for which a home agent counts as robbed, since that was last noted.
ROBBED_TIME = 2.0
_NO_ADDRESS = bytes(4)
#: The mobile that probes ask for (docs/states.md); what a home agent replies to them goes to no mobile.
_PROBE_NAI = b"haslb-probe@probe.invalid"


class Mood(Enum):
    """How the home agent is. A HUNG one answers ARP, because its kernel does, but no request."""

    WELL = "well"
    HUNG = "hung"
    DEAD = "dead"


@dataclass
class HomeAgent:
    """One home agent at a port of a switch. ``bindings`` maps each NAI to the time at which its binding ends."""

    name: str
    address: bytes
    mac: bytes
    clock: Clock
    send: Callable[[bytes], None]
    mac_of: Callable[[bytes], bytes]
    virtual_addresses: frozenset[bytes]
    capacity: Optional[int] = None
    #: Whether it denies forged requests (RFC 5944 section 3.8.2.1), or discards them in silence.
    denies: bool = True
    mood: Mood = Mood.WELL
    #: Is called with each request that it received and did not read.
    ignored: Callable[[bytes], None] = lambda _: None
    #: When the mood, the link or the bindings were last disturbed.
    disturbed_at: float = 0.0
    bindings: dict[bytes, float] = field(default_factory=dict)
    #: It answers each request that is a multiple of this, and discards the others.
    answers_every: int = 1
    #: The mobiles whose requests it discards: it does not know them, or their key (RFC 5944 section 3.8.2.1).
    ignored_mobiles: frozenset[bytes] = frozenset()
    #: When it has discarded a request of each of them last.
    discarded_at: dict[bytes, float] = field(default_factory=dict)
    #: When somebody else last claimed its address, and when a thief may last have had the requests for it.
    claimed_at: float = 0.0
    robbed_at: float = -inf
    #: Until when it answers no ARP request.
    deaf_until: float = 0.0
    #: When it has sent replies.
    replied_at: list[float] = field(default_factory=list)
    #: When it has bound mobiles last that had no binding here and named no home agent.
    newly_bound: dict[bytes, float] = field(default_factory=dict)
    #: No binding ends before.
    _first_expiry: float = inf
    #: The Ethernet addresses of those that have asked for its own, by their IPv4 addresses.
    _neighbours: dict[bytes, bytes] = field(default_factory=dict)
    received: int = 0
    damaged: int = 0

    def set_mood(self, mood: Mood, forget: bool = False) -> None:
        """Fail or come back; ``forget``: the bindings are gone."""
        self.mood = mood
        self.disturbed_at = self.clock.now
        if forget:
            self.bindings.clear()

    @property
    def unsettled_at(self) -> float:
        """When it was last disturbed or robbed."""
        return max(self.disturbed_at, self.robbed_at)

    @property
    def is_robbed(self) -> bool:
        """Whether a thief may have the requests for it now."""
        return self.clock.now < self.robbed_at + ROBBED_TIME

    def answers_no_arp(self, at: float) -> bool:
        """Whether it is dead now, or answers no ARP request at a time."""
        return self.mood is Mood.DEAD or self.deaf_until > at

    def ignore(self, mobiles: frozenset[bytes]) -> None:
        """Discard the requests of these mobiles from now on."""
        self.ignored_mobiles = mobiles
        self.discarded_at.clear()
        self.disturbed_at = self.clock.now

    def holds(self, nai: bytes, since: float) -> bool:
        """Whether a mobile stays here that it ignores: it came since then, and others had replies (docs/states.md)."""
        return self.discarded_at.get(nai, -inf) > since and self.has_replied(since, self.clock.now)

    def is_bound(self, nai: bytes) -> bool:
        """Whether a mobile has a binding here."""
        return self.mood is Mood.WELL and self.bindings.get(nai, 0.0) > self.clock.now

    def forget_expired(self) -> None:
        """Forget the bindings that have run out."""
        now = self.clock.now
        if now >= self._first_expiry:
            self.bindings = {nai: end for nai, end in self.bindings.items() if end > now}
            self._first_expiry = min(self.bindings.values(), default=inf)

    def receive(self, frame: bytes) -> None:
        """A frame came in."""
        if self.mood is Mood.DEAD:
            self.ignored(frame)
            return
        if frame[12:14] == b"\x08\x06":
            is_deaf = self.clock.now < self.deaf_until
            if not is_deaf and frame[20:22] == b"\0\1" and frame[38:42] == self.address:
                if frame[28:32] != _NO_ADDRESS:
                    self._neighbours[frame[28:32]] = frame[6:12]
                asker = frame[6:12]
                self.send(arp_frame(2, self.mac, self.address, asker, frame[28:32]))
            return
        if frame[:6] != self.mac or frame[12:15] != b"\x08\0\x45":
            return
        if frame[23] == PROTOCOL_ICMP:
            if frame[30:34] == self.address and frame[34:36] == b"\x08\0":  # its kernel replies
                self.send(echo_reply(frame, self._ethernet_to(frame[26:30])))
            return
        if frame[36:38] != b"\x01\xb2":
            return
        if self.mood is Mood.HUNG:
            self.ignored(frame)
            return
        destination = frame[30:34]
        if destination == self.address or destination in self.virtual_addresses:
            self._receive_request(frame, destination)

    def _receive_request(self, frame: bytes, destination: bytes) -> None:
        if not has_right_checksums(frame):
            self.damaged += 1
            return
        request = read_request(frame[42:])
        if request is None:
            return
        peer = (destination, frame[26:30], int.from_bytes(frame[34:36], "big"))
        if is_authentic(frame[42:]):
            self.received += 1
            if request.nai in self.ignored_mobiles:
                self.discarded_at[request.nai] = self.clock.now
                self.ignored(frame)
            elif self.received % self.answers_every:
                self.ignored(frame)
            else:
                self._answer(request, *peer)
        elif self.denies:
            self._reply(request, FAILED_AUTHENTICATION, *peer)

    def has_replied(self, since: float, until: float) -> bool:
        """Whether it has sent a reply between two times."""
        return bisect_right(self.replied_at, until) > bisect_left(self.replied_at, since)

    def _answer(self, request: Registration, local: bytes, client: bytes, port: int) -> None:
        code = ACCEPTED
        if request.lifetime == 0:
            self.bindings.pop(request.nai, None)
        elif self.capacity is not None and request.nai not in self.bindings and self._is_full():
            code = INSUFFICIENT_RESOURCES
        else:
            if not self.is_bound(request.nai) and request.home_agent != self.address:
                self.newly_bound[request.nai] = self.clock.now
            end = self.bindings[request.nai] = self.clock.now + request.lifetime
            self._first_expiry = min(self._first_expiry, end)
        self._reply(request, code, local, client, port)

    def _reply(self, request: Registration, code: int, local: bytes, client: bytes, port: int) -> None:
        """Reply from the address that the request was sent to: in dispatched mode the virtual address."""
        if request.nai != _PROBE_NAI:
            if len(self.replied_at) >= MAX_REMEMBERED_REPLIES:
                del self.replied_at[: MAX_REMEMBERED_REPLIES // 2]
            self.replied_at.append(self.clock.now)
        payload = reply(request, code, self.address)
        self.send(udp_frame(self._ethernet_to(client), local, client, (434, port), payload))

    def _ethernet_to(self, address: bytes) -> bytes:
        """Ethernet destination and source of a frame to an address: as ARP has shown it, else by a static entry."""
        return self._neighbours.get(address, self.mac_of(address)) + self.mac

    def _is_full(self) -> bool:
        assert self.capacity is not None
        live = sum(end > self.clock.now for end in self.bindings.values())
        return live >= self.capacity
