"""Registration Request and Registration Reply (RFC 5944 sections 3.3 and 3.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address
from typing import Optional

from ryu_haslb.errors import InvalidValueError
from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.extensions import Extension, ExtensionType, decode_extensions, encode_extensions
from ryu_haslb.mobile_ip.identity import (
    REQUEST_LENGTH,
    REQUEST_TYPE,
    Identity,
    check_request_header,
    home_address_identity,
    nai_identity,
)

#: The UDP port of Registration Requests (RFC 5944 section 3.3).
MOBILE_IP_PORT = 434
REPLY_TYPE = 3
REPLY_LENGTH = 20
#: The lifetime of a binding that never ends. A smaller one counts seconds, and 0 ends the binding.
INFINITE_LIFETIME = 0xFFFF

#: Home agent fields of a mobile that leaves the choice of its home agent to the network (RFC 4433).
ANY_HOME_AGENT = (IPv4Address("0.0.0.0"), IPv4Address("255.255.255.255"))

_UNSPECIFIED = IPv4Address(0)
_REQUEST = struct.Struct("!BBHIIIQ")
_REPLY = struct.Struct("!BBHIIQ")


class Flags(IntFlag):
    """The second byte of a Registration Request. DECAPSULATION (D) means that the mobile owns its care-of address."""

    SIMULTANEOUS_BINDINGS = 0x80
    BROADCAST = 0x40
    DECAPSULATION = 0x20
    MINIMAL_ENCAPSULATION = 0x10
    GRE = 0x08
    RESERVED_R = 0x04
    REVERSE_TUNNELING = 0x02
    RESERVED_X = 0x01

    @property
    def letters(self) -> str:
        """The flags as IOS shows them: capital when set, a dash where a bit has no meaning."""
        return "".join(
            letter.upper() if self & (0x80 >> place) and letter != "-" else letter
            for place, letter in enumerate("sbdmg-t-")
        )


NO_FLAGS = Flags(0)


class ReplyCode(IntEnum):
    """The codes of a home agent's replies (RFC 5944 section 3.4; 137 to 139: RFC 3024 section 3.4)."""

    ACCEPTED = 0
    ACCEPTED_NO_SIMULTANEOUS_BINDINGS = 1
    REASON_UNSPECIFIED = 128
    ADMINISTRATIVELY_PROHIBITED = 129
    INSUFFICIENT_RESOURCES = 130
    MOBILE_NODE_FAILED_AUTHENTICATION = 131
    FOREIGN_AGENT_FAILED_AUTHENTICATION = 132
    IDENTIFICATION_MISMATCH = 133
    POORLY_FORMED_REQUEST = 134
    TOO_MANY_SIMULTANEOUS_BINDINGS = 135
    UNKNOWN_HOME_AGENT_ADDRESS = 136
    REQUESTED_REVERSE_TUNNEL_UNAVAILABLE = 137
    REVERSE_TUNNEL_MANDATORY = 138
    REQUESTED_ENCAPSULATION_UNAVAILABLE = 139


def describe_code(code: int) -> str:
    """A reply code in words, such as ``131 mobile node failed authentication``; an unknown code stays a number."""
    try:
        return f"{int(code)} {ReplyCode(code).name.lower().replace('_', ' ')}"
    except ValueError:
        return str(code)


@dataclass(frozen=True)
class RegistrationRequest:
    """A Registration Request. ``lifetime`` is in seconds; ``extensions`` are in the order of the wire."""

    home_address: IPv4Address
    home_agent: IPv4Address
    care_of_address: IPv4Address
    identification: int
    lifetime: int
    flags: Flags = NO_FLAGS
    extensions: tuple[Extension, ...] = ()

    def encode(self) -> bytes:
        """The UDP payload.

        :raises InvalidValueError: a number does not fit its field.
        """
        return _pack(
            _REQUEST,
            REQUEST_TYPE,
            self.flags,
            self.lifetime,
            int(self.home_address),
            int(self.home_agent),
            int(self.care_of_address),
            self.identification,
        ) + encode_extensions(self.extensions)

    @classmethod
    def decode(cls, payload: bytes) -> RegistrationRequest:
        """The request in a UDP payload.

        :raises MalformedMessage: the payload is no request, or an extension is malformed. Nothing else is raised.
        """
        check_request_header(payload)
        _, flags, lifetime, home_address, home_agent, care_of_address, identification = _REQUEST.unpack_from(payload)
        return cls(
            home_address=IPv4Address(home_address),
            home_agent=IPv4Address(home_agent),
            care_of_address=IPv4Address(care_of_address),
            identification=identification,
            lifetime=lifetime,
            flags=Flags(flags),
            extensions=decode_extensions(payload, REQUEST_LENGTH),
        )

    @property
    def nai(self) -> Optional[bytes]:
        """The first NAI, or None."""
        return _first_nai(self.extensions)

    @property
    def identity(self) -> Optional[Identity]:
        """The mobile of the request, by the rule of :func:`ryu_haslb.mobile_ip.identity.identity_of_request`."""
        nai = self.nai
        if nai is not None:
            return nai_identity(nai)
        return None if self.home_address == _UNSPECIFIED else home_address_identity(self.home_address)


@dataclass(frozen=True)
class RegistrationReply:
    """A Registration Reply.

    ``code`` is a :class:`ReplyCode` or another number from 0 to 255. ``lifetime`` is in seconds and has a meaning only
    if ``accepted``.
    """

    code: int
    home_address: IPv4Address
    home_agent: IPv4Address
    identification: int
    lifetime: int = 0
    extensions: tuple[Extension, ...] = ()

    def encode(self) -> bytes:
        """The UDP payload.

        :raises InvalidValueError: a number does not fit its field.
        """
        return _pack(
            _REPLY,
            REPLY_TYPE,
            self.code,
            self.lifetime,
            int(self.home_address),
            int(self.home_agent),
            self.identification,
        ) + encode_extensions(self.extensions)

    @classmethod
    def decode(cls, payload: bytes) -> RegistrationReply:
        """The reply in a UDP payload.

        :raises MalformedMessage: the payload is no reply, or an extension is malformed. Nothing else is raised.
        """
        if not payload or payload[0] != REPLY_TYPE:
            raise MalformedMessage(0, f"type {REPLY_TYPE} (Registration Reply), found {payload[:1].hex() or 'nothing'}")
        if len(payload) < REPLY_LENGTH:
            raise MalformedMessage(len(payload), f"a Registration Reply of at least {REPLY_LENGTH} bytes")
        _, code, lifetime, home_address, home_agent, identification = _REPLY.unpack_from(payload)
        return cls(
            code=code,
            home_address=IPv4Address(home_address),
            home_agent=IPv4Address(home_agent),
            identification=identification,
            lifetime=lifetime,
            extensions=decode_extensions(payload, REPLY_LENGTH),
        )

    @property
    def accepted(self) -> bool:
        """Whether the home agent accepted the request."""
        return self.code in (ReplyCode.ACCEPTED, ReplyCode.ACCEPTED_NO_SIMULTANEOUS_BINDINGS)

    @property
    def nai(self) -> Optional[bytes]:
        """The first NAI, or None."""
        return _first_nai(self.extensions)


def _first_nai(extensions: tuple[Extension, ...]) -> Optional[bytes]:
    return next((extension.data for extension in extensions if extension.type == ExtensionType.NAI), None)


def _pack(layout: struct.Struct, *fields: int) -> bytes:
    try:
        return layout.pack(*fields)
    except struct.error as error:
        raise InvalidValueError(f"a field of the message is out of range: {error}") from None
