"""How a home agent answers Registration Requests (RFC 5944 section 3.8.2)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

from haslb_lab.agents.bindings import Binding, BindingTable, HomeAddressRefusedError, NoRoomError, expiry
from ryu_haslb.errors import HaslbError
from ryu_haslb.mobile_ip.authentication import SecurityAssociation, append_authentication, verify_authentication
from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.extensions import Extension, nai_extension
from ryu_haslb.mobile_ip.identification import ReplayGuard, mismatch_identification, timestamp
from ryu_haslb.mobile_ip.identity import REQUEST_LENGTH, Identity
from ryu_haslb.mobile_ip.registration import (
    ANY_HOME_AGENT,
    Flags,
    RegistrationReply,
    RegistrationRequest,
    ReplyCode,
)

#: Extension types from 0 to 127 that the home agent recognises. A request with another one is discarded.
RECOGNISED_BELOW_128 = frozenset({0, 32, 33, 34, 36, 38, 40, 41, 42, 43})

#: Flags that request another encapsulation than IP in IP (RFC 5944 section 3.3).
OTHER_ENCAPSULATIONS = Flags.MINIMAL_ENCAPSULATION | Flags.GRE


class Request(NamedTuple):
    """A UDP payload that reached this home agent from ``source`` at its own address ``local``."""

    payload: bytes
    source: IPv4Address
    local: IPv4Address


class Answer(NamedTuple):
    """A reply and the address of this home agent that it is to be sent from."""

    payload: bytes
    home_agent: IPv4Address


@dataclass
class Traffic:
    """Counters of ``show ip mobile traffic``.

    ``denied`` counts by reply code. ``malformed`` payloads cannot be answered; ``unrecognised`` requests have an
    unknown extension of a type below 128.
    """

    received: int = 0
    registered: int = 0
    deregistered: int = 0
    denied: Counter[int] = field(default_factory=Counter)
    malformed: int = 0
    unrecognised: int = 0


@dataclass(frozen=True)
class HomeAgentAddresses:
    """The addresses of a home agent.

    ``virtual`` are those that it shares with other home agents behind a balancer. ``dynamic`` is the
    ``ip mobile home-agent dynamic-address``: replies name it and come from it. Without it they come from the address
    that the request was sent to.
    """

    own: IPv4Address
    dynamic: Optional[IPv4Address] = None
    virtual: tuple[IPv4Address, ...] = ()

    def accepts(self, home_agent: IPv4Address) -> bool:
        """Whether a request with this home agent field is for this home agent."""
        return home_agent in ANY_HOME_AGENT or home_agent in (self.own, self.dynamic, *self.virtual)


class _DenialError(HaslbError):
    def __init__(self, code: ReplyCode) -> None:
        super().__init__(code)
        self.code = code


class Registrations:
    """Decides about every request and keeps the bindings.

    ``clock_offset`` is added to ``now`` (the monotonic clock) to get seconds since 1970, for the replay check.
    ``tunnels`` is whether the node carries the mobiles' traffic.
    """

    def __init__(
        self,
        addresses: HomeAgentAddresses,
        bindings: BindingTable,
        association: SecurityAssociation,
        clock_offset: float,
        tunnels: bool = False,
    ) -> None:
        self.bindings = bindings
        self.traffic = Traffic()
        self._addresses = addresses
        self._association = association
        self._clock_offset = clock_offset
        self._tunnels = tunnels
        self._replays = ReplayGuard()

    def answer(self, received: Request, now: float) -> Optional[Answer]:
        """Handle a payload of any content: open, renew or close a binding. Returns the reply, or None for no reply."""
        self.traffic.received += 1
        self.bindings.expire(now)
        try:
            request = RegistrationRequest.decode(received.payload)
        except MalformedMessage:
            return self._answer_malformed(received)
        if any(each.type < 128 and each.type not in RECOGNISED_BELOW_128 for each in request.extensions):
            self.traffic.unrecognised += 1
            return None
        try:
            return self._accept(request, received, now)
        except _DenialError as denied:
            identification = request.identification
            if denied.code is ReplyCode.IDENTIFICATION_MISMATCH:
                identification = mismatch_identification(timestamp(now + self._clock_offset), identification)
            return self._deny(request, received, denied.code, identification)

    def _accept(self, request: RegistrationRequest, received: Request, now: float) -> Answer:
        if not verify_authentication(received.payload, self._association):
            raise _DenialError(ReplyCode.MOBILE_NODE_FAILED_AUTHENTICATION)
        if request.identity is None:
            raise _DenialError(ReplyCode.POORLY_FORMED_REQUEST)
        own_timestamp = timestamp(now + self._clock_offset)
        if not self._replays.admit(request.identity, request.identification, own_timestamp):
            raise _DenialError(ReplyCode.IDENTIFICATION_MISMATCH)
        if not self._addresses.accepts(request.home_agent):
            raise _DenialError(ReplyCode.UNKNOWN_HOME_AGENT_ADDRESS)
        if request.lifetime == 0:
            closed = self.bindings.close(request.identity)
            self.traffic.deregistered += 1
            home_address = request.home_address if closed is None else closed.home_address
        else:
            home_address = self._bind(request.identity, request, received, now)
            self.traffic.registered += 1
        return self._reply(
            received,
            RegistrationReply(
                code=ReplyCode.ACCEPTED,
                home_address=home_address,
                home_agent=self._speaks_from(received),
                identification=request.identification,
                lifetime=request.lifetime,
                extensions=_nai_extensions(request),
            ),
        )

    def _bind(self, mobile: Identity, request: RegistrationRequest, received: Request, now: float) -> IPv4Address:
        if request.flags & Flags.REVERSE_TUNNELING and not self._tunnels:
            raise _DenialError(ReplyCode.REQUESTED_REVERSE_TUNNEL_UNAVAILABLE)
        if request.flags & OTHER_ENCAPSULATIONS:
            raise _DenialError(ReplyCode.REQUESTED_ENCAPSULATION_UNAVAILABLE)
        try:
            home_address = self.bindings.home_address(mobile, request.home_address)
        except NoRoomError:
            raise _DenialError(ReplyCode.INSUFFICIENT_RESOURCES) from None
        except HomeAddressRefusedError:
            raise _DenialError(ReplyCode.ADMINISTRATIVELY_PROHIBITED) from None
        self.bindings.put(
            Binding(
                identity=mobile,
                home_address=home_address,
                home_agent=self._speaks_from(received),
                care_of_address=request.care_of_address,
                source=received.source,
                flags=request.flags,
                identification=request.identification,
                lifetime=request.lifetime,
                expires=expiry(request.lifetime, now),
            )
        )
        return home_address

    def _deny(self, request: RegistrationRequest, received: Request, code: ReplyCode, identification: int) -> Answer:
        self.traffic.denied[code] += 1
        unknown_to_us = code is ReplyCode.UNKNOWN_HOME_AGENT_ADDRESS
        return self._reply(
            received,
            RegistrationReply(
                code=code,
                home_address=request.home_address,
                home_agent=self._addresses.own if unknown_to_us else self._speaks_from(received),
                identification=identification,
                extensions=_nai_extensions(request),
            ),
        )

    def _answer_malformed(self, received: Request) -> Optional[Answer]:
        """Deny a request whose fixed part can be read and whose extensions are malformed.

        Any other payload is not a request, and an answer to it could start a loop between two nodes.
        """
        try:
            fixed_part = RegistrationRequest.decode(received.payload[:REQUEST_LENGTH])
        except MalformedMessage:
            self.traffic.malformed += 1
            return None
        return self._deny(fixed_part, received, ReplyCode.POORLY_FORMED_REQUEST, fixed_part.identification)

    def _speaks_from(self, received: Request) -> IPv4Address:
        return self._addresses.dynamic or received.local

    def _reply(self, received: Request, reply: RegistrationReply) -> Answer:
        return Answer(append_authentication(reply.encode(), self._association), self._speaks_from(received))


def _nai_extensions(request: RegistrationRequest) -> tuple[Extension, ...]:
    return () if request.nai is None else (nai_extension(request.nai),)
