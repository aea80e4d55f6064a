"""Simulated mobiles and the PDSNs (foreign agents) that they register through.

A mobile behaves as phones do: few retransmissions, each later than the one before (RFC 5944 section 3.6.3), then a
pause and a new attempt from nothing. Once bound it renews at its home agent's own address before its lifetime ends;
only when it has lost its state does it come back to the virtual address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from random import Random
from typing import Optional

from simulation.clock import Clock
from simulation.mobile_ip import ACCEPTED, Registration, Reply, read_reply, request
from simulation.packet import arp_frame, udp_frame

ANY_HOME_AGENT = bytes(4)
MOBILE_IP_PORT = 434
#: The first port of a PDSN that changes its port.
FIRST_PORT = 1024
#: A request within so many seconds looks like a retransmission at all events, and else within so many times the
#: interval before (docs/states.md, "Retry").
RETRY_TIME, MAX_BACKOFF = 5.1, 2.6
#: Seconds before the first retransmission; each further one waits twice as long.
FIRST_TIMEOUT = 1.0
#: Seconds between two attempts.
PAUSE = (20.0, 60.0)
#: Part of its lifetime after which a binding is renewed.
RENEWAL = (0.5, 0.9)
#: Parts of the average time after which a mobile that refreshes its binding does so. It must not look as if it
#: retransmitted (docs/states.md).
REFRESH = (0.7, 1.3)
#: Seconds for which a PDSN remembers the Ethernet address of the virtual address, and waits for it with a request.
ARP_LIFETIME = 60.0
ARP_TIMEOUT = 3.0
#: Seconds that a mobile stays off at least: it is no retransmission when it begins anew.
MIN_OFF_TIME = 20.0


class State(Enum):
    """What a mobile is doing."""

    OFF = "off"
    REGISTERING = "registering"
    PAUSING = "pausing"
    BOUND = "bound"


@dataclass
class Habits:
    """What differs from phone to phone."""

    retransmissions: int = 2
    lifetime: int = 1800
    #: Seconds that it stays on, and then off, on average; 0: for ever.
    stay: float = 0.0
    #: Seconds between two registrations of a bound mobile at the virtual address, on average; 0: it renews at its home
    #: agent. It may name its home agent then (RFC 5944 section 3.6.1.2), by which the balancer finds that again.
    refresh: float = 0.0
    names_home_agent: bool = True
    #: Whether it deregisters at the virtual address, and not at its home agent's own.
    deregisters_at_virtual_address: bool = False
    #: Whether it uses nonces: then it retransmits a request unchanged (RFC 5944 section 3.6.3).
    uses_nonces: bool = False


@dataclass(eq=False)
class Mobile:
    """One mobile. ``seeking_since`` is when it began to seek a binding; None while it has one or is off."""

    nai: bytes
    habits: Habits
    pdsn: Pdsn
    clock: Clock
    random: Random
    virtual_address: bytes
    state: State = State.OFF
    home_agent: bytes = ANY_HOME_AGENT
    is_off_for_good: bool = False
    bound_until: float = 0.0
    seeking_since: Optional[float] = None
    #: Why two bindings of this mobile are no fault of the balancer's; None while there is no reason.
    excuse: Optional[str] = None
    #: When it last sent a request to the virtual address, and when a reply last came.
    sent_at: float = 0.0
    #: The time before that request, if it looked like a retransmission to a balancer that sees no replies, else 0.
    backoff: float = 0.0
    answered_at: float = 0.0
    #: The home agents, by number, that have received its last requests at the virtual address and not answered; when.
    ignored: list[tuple[int, float]] = field(default_factory=list)
    #: Is called when it sends a request to the virtual address, and when it falls silent in the midst of an attempt.
    transmitted: Callable[[Mobile], None] = lambda _: None
    #: Is called with the NAI when a reply to its last request comes.
    answered: Callable[[bytes], None] = lambda _: None
    interrupted: Callable[[], None] = lambda: None
    #: Is called before a mobile registers at the virtual address that is bound, or was when it could not refresh that
    #: or was answered too late.
    refreshing: Callable[[Mobile], None] = lambda _: None
    #: Is called before it deregisters at the virtual address.
    deregistering: Callable[[Mobile], None] = lambda _: None
    _is_refreshing: bool = False
    #: Whether a home agent may still have a binding of it that it has given up.
    _has_given_up: bool = False
    _attempt: int = 0
    _sent: int = 0
    _identification: int = 0

    def power_on(self) -> None:
        """Begin from nothing, if off, and not for good."""
        if self.state is State.OFF and not self.is_off_for_good:
            self._start()
            if self.habits.stay:
                self.clock.after(self.random.expovariate(1 / self.habits.stay), self._leave)

    def _leave(self) -> None:
        """Be off for a while, unless it is off for good."""
        if self.state is not State.OFF:
            self.power_off()
            self.clock.after(self.random.expovariate(1 / self.habits.stay) + MIN_OFF_TIME, self._return)

    def _return(self) -> None:
        if not self.is_off_for_good:
            self.power_on()

    def _interrupt(self) -> None:
        """An attempt ends, or begins anew, without a retransmission: it looks as if it had been answered."""
        self.ignored.clear()
        if self.state is State.REGISTERING and self._is_at_virtual_address:
            self.interrupted()

    def _start(self) -> None:
        self._is_refreshing = False
        self.home_agent = ANY_HOME_AGENT
        self.bound_until = 0.0
        self.seeking_since = self.clock.now
        self._begin()

    def power_off(self) -> None:
        """Deregister if bound, and be silent."""
        self._interrupt()
        self._is_refreshing = False
        if self.state is State.BOUND and self.is_bound:
            if self.habits.deregisters_at_virtual_address:
                self.deregistering(self)
            self._send(0)
        elif self.state is not State.OFF:
            self.excuse = "it was switched off while it registered"
        self.state = State.OFF
        self.seeking_since = None
        self._attempt += 1

    def reset(self) -> None:
        """Lose the state without a word, as when the battery is pulled, and begin from nothing."""
        if self.state is not State.OFF:
            self._interrupt()
            self.excuse = "it lost its state"
            self._start()

    def move_to(self, pdsn: Pdsn) -> None:
        """Register through another PDSN."""
        self._interrupt()
        self.pdsn = pdsn
        pdsn.mobiles[self.nai] = self
        if self.state is not State.OFF:
            self._begin()

    def receive(self, answer: Reply) -> None:
        """A reply came."""
        if answer.identification != self._identification or self.state is not State.REGISTERING:
            self._discard(answer)
            return
        self._attempt += 1
        self.ignored.clear()
        self.answered(self.nai)
        if answer.code != ACCEPTED:
            self._pause()
            return
        self.state = State.BOUND
        self.seeking_since = None
        self._has_given_up = False
        self.home_agent = answer.home_agent
        now = self.answered_at = self.clock.now
        self.bound_until = now + answer.lifetime
        self._is_refreshing = self.habits.refresh > 0.0
        if self._is_refreshing:
            self.clock.after(self.habits.refresh * self.random.uniform(*REFRESH), self._renew, self._attempt)
        else:
            self.clock.after(answer.lifetime * self.random.uniform(*RENEWAL), self._renew, self._attempt)

    def _discard(self, answer: Reply) -> None:
        """A reply came for which it waits no longer: a home agent has bound it, and it seeks another one."""
        if self.state in (State.REGISTERING, State.PAUSING) and answer.code == ACCEPTED:
            self._has_given_up, self.answered_at = True, self.clock.now

    @property
    def is_bound(self) -> bool:
        """Whether the mobile has a registration that has not expired."""
        return self.state is not State.OFF and self.bound_until > self.clock.now

    @property
    def is_refreshing(self) -> bool:
        """Whether it registers at the virtual address and was bound before."""
        return self.state is State.REGISTERING and (self._is_refreshing or self._has_given_up)

    @property
    def _is_at_virtual_address(self) -> bool:
        """Whether it registers at the virtual address."""
        return self._is_refreshing or self.home_agent == ANY_HOME_AGENT

    def _renew(self, attempt: int) -> None:
        if attempt == self._attempt and self.state is State.BOUND:
            self._begin()

    def _begin(self) -> None:
        """Begin an attempt: at its home agent while a binding lasts, anywhere else."""
        if self._is_refreshing or self._has_given_up:
            self.refreshing(self)
        if not self.is_bound:
            self._is_refreshing = False
            self.home_agent = ANY_HOME_AGENT
            if self.seeking_since is None:
                self.seeking_since = self.clock.now
        self.state = State.REGISTERING
        self._attempt += 1
        self._sent = 0
        self._transmit(self._attempt)

    def _transmit(self, attempt: int) -> None:
        if attempt != self._attempt:
            return
        if self._sent > self.habits.retransmissions:
            self._pause()
            return
        if self._sent and self._has_given_up:
            self.refreshing(self)
        self._send(self.habits.lifetime)
        self.clock.after(FIRST_TIMEOUT * 2**self._sent, self._transmit, attempt)
        self._sent += 1

    def _pause(self) -> None:
        """Wait before the next attempt. A mobile that could not refresh its binding begins anew."""
        if self._is_refreshing:
            self._is_refreshing = False
            self._has_given_up = True
            self.bound_until = 0.0
        self.state = State.PAUSING
        self._attempt += 1
        self.clock.after(self.random.uniform(*PAUSE), self._resume, self._attempt)

    def _resume(self, attempt: int) -> None:
        if attempt == self._attempt and self.state is State.PAUSING:
            self._begin()

    def _send(self, lifetime: int) -> None:
        is_virtual = self._is_at_virtual_address or (not lifetime and self.habits.deregisters_at_virtual_address)
        if is_virtual:
            waited, self.sent_at = self.clock.now - self.sent_at, self.clock.now
            self.backoff = waited if waited < max(RETRY_TIME, MAX_BACKOFF * self.backoff) else 0.0
            self.transmitted(self)
        self._identification += not (self.habits.uses_nonces and self._sent and self.state is State.REGISTERING)
        home_agent = ANY_HOME_AGENT if is_virtual and not self.habits.names_home_agent else self.home_agent
        registration = Registration(self.nai, lifetime, home_agent, self.pdsn.address, self._identification)
        self.pdsn.send(registration, self.virtual_address if is_virtual else None)


@dataclass(eq=False)
class Pdsn:
    """A foreign agent: all its mobiles' requests come from its address and port 434."""

    name: str
    address: bytes
    mac: bytes
    clock: Clock
    transmit: Callable[[bytes], None]
    mac_of: Callable[[bytes], bytes]
    virtual_addresses: frozenset[bytes]
    mobiles: dict[bytes, Mobile] = field(default_factory=dict)
    #: Whether each request comes from another UDP port.
    changes_ports: bool = False
    #: Requests that were sent to the virtual address.
    sent: int = 0
    _port: int = MOBILE_IP_PORT
    #: The Ethernet addresses of virtual addresses, and when ARP has shown each.
    _virtual_macs: dict[bytes, tuple[bytes, float]] = field(default_factory=dict)
    _waiting: list[tuple[float, Registration, bytes]] = field(default_factory=list)

    def send(self, registration: Registration, virtual_address: Optional[bytes]) -> None:
        """Send a request: to this virtual address, or (None) to the home agent that it names."""
        if virtual_address is None:
            self._transmit(registration, self.mac_of(registration.home_agent), registration.home_agent)
            return
        mac, learned_at = self._virtual_macs.get(virtual_address, (b"", -inf))
        if self.clock.now > learned_at + ARP_LIFETIME:
            self._waiting = [*self._waiting[-99:], (self.clock.now, registration, virtual_address)]
            self.transmit(arp_frame(1, self.mac, self.address, bytes(6), virtual_address))
            return
        self.sent += 1
        self._transmit(registration, mac, virtual_address)

    def receive(self, frame: bytes) -> None:
        """A frame came in."""
        if frame[12:14] == b"\x08\x06":
            if frame[20:22] == b"\0\2" and frame[28:32] in self.virtual_addresses and frame[:6] == self.mac:
                self._virtual_macs[frame[28:32]] = frame[22:28], self.clock.now
                waiting, self._waiting = self._waiting, []
                for since, each, virtual_address in waiting:
                    if self.clock.now < since + ARP_TIMEOUT:
                        self.send(each, virtual_address)
            return
        if frame[:6] != self.mac or frame[30:34] != self.address:
            return
        answer = read_reply(frame[42:])
        mobile = self.mobiles.get(answer.nai) if answer else None
        if mobile is not None and answer is not None and mobile.pdsn is self:
            mobile.receive(answer)

    def _transmit(self, registration: Registration, mac: bytes, destination: bytes) -> None:
        if self.changes_ports:
            self._port = FIRST_PORT + (self._port + 1) % (65536 - FIRST_PORT)
        ports = self._port, MOBILE_IP_PORT
        self.transmit(udp_frame(mac + self.mac, self.address, destination, ports, request(registration)))
