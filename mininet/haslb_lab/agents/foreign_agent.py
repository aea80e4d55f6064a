"""How a PDSN registers its mobiles: requests, retransmissions, replies (RFC 5944 sections 3.6 and 3.7).

Nothing here uses a socket or a clock. :meth:`ForeignAgent.advance` returns what to send now, and
:meth:`ForeignAgent.next_event` when to call it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

from haslb_lab.agents.batches import Batch, Purpose
from haslb_lab.agents.bindings import expiry
from haslb_lab.agents.visitors import Visitor, VisitorTable, Watch, unwatched
from haslb_lab.node.deadlines import Deadlines
from ryu_haslb.mobile_ip.authentication import SecurityAssociation, append_authentication, verify_authentication
from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.extensions import nai_extension
from ryu_haslb.mobile_ip.identification import seconds_between, timestamp
from ryu_haslb.mobile_ip.registration import (
    ANY_HOME_AGENT,
    NO_FLAGS,
    Flags,
    RegistrationReply,
    RegistrationRequest,
    ReplyCode,
    describe_code,
)

NO_REPLY = "no reply"
NOT_REGISTERED = "not registered"
_LOW_HALF = 0xFFFFFFFF
#: Seconds. A home agent's timestamp has a resolution of one second, so a smaller difference is ignored.
_MAX_CLOCK_ERROR = 1.0
#: Seconds by which starts of registrations may be late and still be made up for at once.
_MAX_CATCH_UP = 0.1
_UNSPECIFIED = IPv4Address(0)


@dataclass(frozen=True)
class Policy:
    """How to register.

    ``retransmit`` is the time in seconds until the first retransmission; it doubles with each further one. ``window``
    is the maximum number of registrations in progress, ``rate`` the maximum number started per second. ``flags`` are
    those of every request.
    """

    care_of_address: IPv4Address
    home_agent: IPv4Address
    association: SecurityAssociation
    home_agent_field: IPv4Address = _UNSPECIFIED
    nai_format: str = "mwts-mip-np-user{}@ispxyz.com"
    lifetime: int = 600
    retransmit: float = 1.0
    retries: int = 5
    window: int = 64
    rate: Optional[float] = None
    flags: Flags = NO_FLAGS

    def nai(self, user: int) -> str:
        """The NAI of a user."""
        return self.nai_format.replace("{}", str(user))


class Outgoing(NamedTuple):
    """A payload to send to the Mobile IP port of ``destination``."""

    payload: bytes
    destination: IPv4Address


@dataclass
class Traffic:
    """Counters of ``show ip mobile traffic``.

    ``unmatched`` replies belong to no registration in progress, those of ``failed_authentication`` are not signed with
    the mobile's key. Both are ignored.
    """

    sent: int = 0
    retransmitted: int = 0
    received: int = 0
    accepted: int = 0
    denied: int = 0
    malformed: int = 0
    unmatched: int = 0
    failed_authentication: int = 0


@dataclass(eq=False)
class _Pending:
    """A registration in progress. ``visitor`` is the entry that a deregistration will remove."""

    user: int
    nai: str
    batch: Batch
    visitor: Optional[Visitor]
    lifetime: int
    started: float
    transmissions: int = 0
    identifications: list[int] = field(default_factory=list)
    reason: str = NO_REPLY


class ForeignAgent:
    """Registers the users of batches and keeps the visitor table.

    ``clock_offset`` is added to ``now`` (the monotonic clock) to get seconds since 1970. ``watch`` is called with each
    change of the visitor table.
    """

    def __init__(self, policy: Policy, clock_offset: float, watch: Watch = unwatched) -> None:
        self.visitors = VisitorTable(watch)
        self.traffic = Traffic()
        self._policy = policy
        self._clock_offset = clock_offset
        self._batches: list[Batch] = []
        self._pending: dict[int, _Pending] = {}
        self._by_low_half: dict[int, tuple[_Pending, int]] = {}
        self._timeouts: Deadlines[int] = Deadlines()
        self._last_identification = 0
        self._next_start = 0.0

    def start(self, batch: Batch) -> None:
        """Add a batch. :meth:`advance` starts its users after those of earlier batches."""
        self._batches.append(batch)

    def cancel(self, batch: Batch) -> None:
        """Start no more users of this batch. Registrations in progress continue."""
        if batch in self._batches:
            self._batches.remove(batch)

    def advance(self, now: float) -> list[Outgoing]:
        """What to send now: retransmissions that are due, then new registrations within window and rate."""
        self.visitors.expire(now)
        outgoing = []
        for user in list(self._timeouts.pop_due(now)):
            pending = self._pending[user]
            if pending.transmissions > self._policy.retries:
                self._fail(pending, pending.reason)
            else:
                outgoing.append(self._transmit(pending, now))
        for batch in list(self._batches):
            outgoing.extend(self._start_users(batch, now))
            if batch.next_user is None:
                self._batches.remove(batch)
        return outgoing

    def next_event(self) -> Optional[float]:
        """When to call :meth:`advance` again; None: only after a reply or a new batch."""
        starts = self._next_start if any(self._can_start(batch) for batch in self._batches) else None
        times = (self._timeouts.next(), self.visitors.next_expiry(), starts)
        return min((time for time in times if time is not None), default=None)

    def received(self, payload: bytes, now: float) -> None:
        """Handle a payload, of any content, that arrived at the Mobile IP port. Call :meth:`advance` afterwards."""
        self.traffic.received += 1
        try:
            reply = RegistrationReply.decode(payload)
            authentic = verify_authentication(payload, self._policy.association)
        except MalformedMessage:
            self.traffic.malformed += 1
            return
        pending = self._match(reply)
        if pending is None:
            self.traffic.unmatched += 1
        elif not authentic:
            self.traffic.failed_authentication += 1
        elif reply.code == ReplyCode.IDENTIFICATION_MISMATCH:
            self._resynchronise(pending, reply, now)
        elif not reply.accepted:
            self.traffic.denied += 1
            self._fail(pending, describe_code(reply.code))
        elif reply.home_agent in ANY_HOME_AGENT or reply.home_address == _UNSPECIFIED:
            self.traffic.malformed += 1
        else:
            self.traffic.accepted += 1
            self._succeed(pending, reply, now)

    def _can_start(self, batch: Batch) -> bool:
        user = batch.next_user
        return user is not None and user not in self._pending and len(self._pending) < self._policy.window

    def _start_users(self, batch: Batch, now: float) -> list[Outgoing]:
        outgoing = []
        while self._next_start <= now and self._can_start(batch):
            user = batch.first + batch.taken
            batch.taken += 1
            visitor = self.visitors.get(user) if batch.purpose is Purpose.DEREGISTER else None
            if batch.purpose is Purpose.DEREGISTER and visitor is None:
                batch.failures[NOT_REGISTERED] += 1
                continue
            if self._policy.rate is not None:
                self._next_start = max(self._next_start, now - _MAX_CATCH_UP) + 1 / self._policy.rate
            lifetime = self._policy.lifetime if visitor is None else 0
            pending = _Pending(user, self._policy.nai(user), batch, visitor, lifetime, now)
            self._pending[user] = pending
            outgoing.append(self._transmit(pending, now))
        return outgoing

    def _transmit(self, pending: _Pending, now: float) -> Outgoing:
        """The next request of a registration.

        An initial one goes to the configured home agent with an open home agent field; a deregistration goes to the
        home agent that has the binding (steps 1 and 5 of the call flow).
        """
        policy, visitor = self._policy, pending.visitor
        identification = self._new_identification(now)
        request = RegistrationRequest(
            home_address=_UNSPECIFIED if visitor is None else visitor.home_address,
            home_agent=policy.home_agent_field if visitor is None else visitor.home_agent,
            care_of_address=policy.care_of_address,
            identification=identification,
            lifetime=pending.lifetime,
            flags=policy.flags,
            extensions=(nai_extension(pending.nai.encode()),),
        )
        self.traffic.sent += 1
        if pending.transmissions:
            self.traffic.retransmitted += 1
            pending.batch.retransmissions += 1
        self._timeouts.set(pending.user, now + policy.retransmit * 2**pending.transmissions)
        pending.transmissions += 1
        pending.identifications.append(identification)
        self._by_low_half[identification & _LOW_HALF] = (pending, identification)
        payload = append_authentication(request.encode(), policy.association)
        return Outgoing(payload, policy.home_agent if visitor is None else visitor.home_agent)

    def _new_identification(self, now: float) -> int:
        """A timestamp later than all before, whose low half no registration in progress has.

        A reply with code 133 contains only the low half.
        """
        identification = max(timestamp(now + self._clock_offset), self._last_identification + 1)
        while identification & _LOW_HALF in self._by_low_half:
            identification += 1
        self._last_identification = identification
        return identification

    def _match(self, reply: RegistrationReply) -> Optional[_Pending]:
        pending, identification = self._by_low_half.get(reply.identification & _LOW_HALF, (None, 0))
        if pending is None or reply.nai not in (None, pending.nai.encode()):
            return None
        whole = reply.identification == identification
        return pending if whole or reply.code == ReplyCode.IDENTIFICATION_MISMATCH else None

    def _resynchronise(self, pending: _Pending, reply: RegistrationReply, now: float) -> None:
        """Adopt the home agent's clock after an identification mismatch, and try again at once.

        If only the order of two requests was wrong, a new timestamp is sufficient.
        """
        self.traffic.denied += 1
        pending.reason = describe_code(reply.code)
        error = seconds_between(timestamp(now + self._clock_offset), reply.identification)
        if abs(error) > _MAX_CLOCK_ERROR:
            self._clock_offset += error
            self._last_identification = 0
        _, outdated = self._by_low_half.pop(reply.identification & _LOW_HALF)
        pending.identifications.remove(outdated)
        self._timeouts.set(pending.user, now)

    def _succeed(self, pending: _Pending, reply: RegistrationReply, now: float) -> None:
        self._finish(pending)
        pending.batch.succeeded += 1
        pending.batch.home_agents[str(reply.home_agent)] += 1
        if pending.visitor is not None:
            self.visitors.remove(pending.user)
            return
        lifetime = min(reply.lifetime, pending.lifetime)
        self.visitors.put(
            Visitor(
                user=pending.user,
                nai=pending.nai,
                home_address=reply.home_address,
                home_agent=reply.home_agent,
                identification=reply.identification,
                lifetime=lifetime,
                expires=expiry(lifetime, now),
                retransmissions=pending.transmissions - 1,
                time_to_register=now - pending.started,
            )
        )

    def _fail(self, pending: _Pending, reason: str) -> None:
        self._finish(pending)
        pending.batch.failures[reason] += 1

    def _finish(self, pending: _Pending) -> None:
        for identification in pending.identifications:
            del self._by_low_half[identification & _LOW_HALF]
        self._timeouts.cancel(pending.user)
        del self._pending[pending.user]
