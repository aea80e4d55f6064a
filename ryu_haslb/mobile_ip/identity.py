"""The identity of a mobile: the key of the balancer's sessions and of a home agent's bindings.

A mobile is identified by its NAI (RFC 2794 section 2.1), or by its home address if it sends no NAI. An NAI never equals
a home address, not even if its bytes are those of an address.
"""

from __future__ import annotations

import re
from contextlib import suppress
from enum import IntEnum
from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple, Optional

from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.extensions import MAX_EXTENSIONS, UNCERTAIN, ExtensionType, possible_nais, walk

REQUEST_TYPE = 1
#: Bytes of a Registration Request before its extensions (RFC 5944 section 3.3).
REQUEST_LENGTH = 24

_NAI_TYPE = int(ExtensionType.NAI)
_NO_ADDRESS = bytes(4)
#: What an unprintable character or byte of an NAI is printed as.
_ESCAPE = re.compile(r"(\\(?:[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U0010[0-9a-f]{4}|U000[0-9a-f]{5}))")


class IdentityKind(IntEnum):
    """What an identity consists of."""

    HOME_ADDRESS = 0
    NAI = 1


class Identity(NamedTuple):
    """One mobile: ``value`` is its NAI as sent, or the four bytes of its home address."""

    kind: IdentityKind
    value: bytes

    @property
    def key(self) -> bytes:
        """The identity as bytes, for hashing: the kind and the value, so that two identities never share a key."""
        return bytes((self.kind,)) + self.value

    def __str__(self) -> str:
        """The identity for operators and logs; unprintable characters of a hostile NAI are escaped."""
        if self.kind is IdentityKind.HOME_ADDRESS:
            return str(IPv4Address(self.value))
        text = self.value.decode("utf-8", "backslashreplace")
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def identity_of_key(key: bytes) -> Identity:
    """The identity that has this :attr:`Identity.key`."""
    return Identity(IdentityKind(key[0]), key[1:])


def nai_identity(nai: bytes) -> Identity:
    """The identity of the mobile with this NAI."""
    return Identity(IdentityKind.NAI, nai)


def home_address_identity(address: IPv4Address) -> Identity:
    """The identity of a mobile that has this home address and sends no NAI."""
    return Identity(IdentityKind.HOME_ADDRESS, address.packed)


def identities_of_text(text: str) -> tuple[Identity, ...]:
    """The identities that operators see as this text: that of an NAI, of a home address, or of both.

    In the text of a hostile NAI, ``\\x85`` may be that byte or the character U+0085: the one is tried for all escapes,
    then the other.
    """
    nais = [text.encode("utf-8", "surrogatepass")]
    if "\\" in text:
        nais += [_unescaped(text, "latin-1"), _unescaped(text, "utf-8")]
    found = [nai_identity(nai) for nai in dict.fromkeys(nais)]
    with suppress(AddressValueError):
        found.append(home_address_identity(IPv4Address(text)))
    return tuple(found)


def _unescaped(text: str, encoding: str) -> bytes:
    """The bytes that :meth:`Identity.__str__` prints as this text; ``encoding`` is that of characters below U+0100."""
    parts = _ESCAPE.split(text)
    for index in range(1, len(parts), 2):
        parts[index] = parts[index].encode().decode("unicode_escape")
    return b"".join(
        part.encode(encoding if index % 2 and part < "\u0100" else "utf-8", "surrogatepass")
        for index, part in enumerate(parts)
    )


def check_request_header(payload: bytes) -> None:
    """Check the type and the length of the fixed part of a Registration Request.

    :raises MalformedMessage: ``payload`` has another type, or is shorter than the fixed part.
    """
    if not payload or payload[0] != REQUEST_TYPE:
        raise MalformedMessage(0, f"type {REQUEST_TYPE} (Registration Request), found {payload[:1].hex() or 'nothing'}")
    if len(payload) < REQUEST_LENGTH:
        raise MalformedMessage(len(payload), f"a Registration Request of at least {REQUEST_LENGTH} bytes")


def identity_of_request(payload: bytes) -> Optional[Identity]:
    """The mobile that a Registration Request identifies: by its first NAI, else by its home address, else None.

    This is the plain form of the rule. The request path reads the same with
    :func:`ryu_haslb.mobile_ip.request_reader.read_registration_request`, and the tests hold that against this function.
    Like it, this one does not read the extensions behind the NAI, which are for the home agent.

    :raises MalformedMessage: the payload is no Registration Request, or an extension before the NAI is malformed, or
        has a type of unknown shape and leaves open which NAI the request has; or there are more than
        :data:`~ryu_haslb.mobile_ip.extensions.MAX_EXTENSIONS` before the NAI.
    """
    check_request_header(payload)
    nai, offset, number = None, REQUEST_LENGTH, 0
    while nai is None and offset < len(payload):
        number += payload[offset] != _NAI_TYPE
        if number > MAX_EXTENSIONS:
            raise MalformedMessage(offset, f"at most {MAX_EXTENSIONS} extensions")
        if payload[offset] in UNCERTAIN:
            nais = possible_nais(payload, offset, len(payload))
            if len(nais) != 1:
                raise MalformedMessage(offset, f"an extension of a known shape, found type {payload[offset]}")
            nai = nais.pop()
            break
        kind, _, data, offset = next(walk(payload, offset))
        if kind == _NAI_TYPE:
            nai = payload[data:offset]
    if nai is not None:
        return Identity(IdentityKind.NAI, nai)
    home_address = payload[4:8]
    return None if home_address == _NO_ADDRESS else Identity(IdentityKind.HOME_ADDRESS, home_address)
