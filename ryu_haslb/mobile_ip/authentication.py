"""The Mobile-Home Authentication extension with HMAC-MD5 (RFC 5944 sections 3.5.1 and 3.5.2).

The authenticator covers the message from its first byte up to and including the extension's type, length and SPI.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from ryu_haslb.errors import InvalidValueError
from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.extensions import Extension, ExtensionType, walk
from ryu_haslb.mobile_ip.identity import REQUEST_LENGTH, REQUEST_TYPE
from ryu_haslb.mobile_ip.registration import REPLY_LENGTH, REPLY_TYPE

SPI_LENGTH = 4
AUTHENTICATOR_LENGTH = 16
_LENGTH = SPI_LENGTH + AUTHENTICATOR_LENGTH
_FIXED_LENGTH = {REQUEST_TYPE: REQUEST_LENGTH, REPLY_TYPE: REPLY_LENGTH}


@dataclass(frozen=True)
class SecurityAssociation:
    """What a mobile and its home agent share: the SPI (RFC 5944 reserves 0 to 255) and the secret key.

    :raises InvalidValueError: the SPI is reserved or has more than 32 bits, or the key is empty.
    """

    spi: int
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 256 <= self.spi <= 0xFFFFFFFF:
            raise InvalidValueError(f"SPI {self.spi}: must be 256 to {0xFFFFFFFF}")
        if not self.key:
            raise InvalidValueError("the key must not be empty")


def compute_authenticator(covered: bytes, key: bytes) -> bytes:
    """The authenticator of ``covered``: 16 bytes of HMAC-MD5."""
    return hmac.new(key, covered, "md5").digest()


def append_authentication(payload: bytes, association: SecurityAssociation) -> bytes:
    """``payload`` followed by its Mobile-Home Authentication extension."""
    spi = association.spi.to_bytes(SPI_LENGTH, "big")
    unsigned = Extension(ExtensionType.MOBILE_HOME_AUTHENTICATION, spi + bytes(AUTHENTICATOR_LENGTH)).encode()
    covered = payload + unsigned[:-AUTHENTICATOR_LENGTH]
    return covered + compute_authenticator(covered, association.key)


def verify_authentication(payload: bytes, association: SecurityAssociation) -> bool:
    """Whether a holder of ``association`` has signed ``payload``.

    The message must have exactly one Mobile-Home Authentication extension, with the right SPI, length and
    authenticator. An NAI must stand before it (RFC 2794 section 2), since the authenticator does not cover what
    follows.

    :raises MalformedMessage: the payload is no request or reply, or one of its extensions is malformed.
    """
    fixed = _FIXED_LENGTH.get(payload[0]) if payload else None
    if fixed is None:
        raise MalformedMessage(0, "type 1 (Registration Request) or 3 (Registration Reply)")
    if len(payload) < fixed:
        raise MalformedMessage(len(payload), f"a message of at least {fixed} bytes")
    spans = list(walk(payload, fixed))
    signed = [span for span in spans if span.type == ExtensionType.MOBILE_HOME_AUTHENTICATION]
    if len(signed) != 1:
        return False
    (signature,) = signed
    if any(span.type == ExtensionType.NAI and span.start > signature.start for span in spans):
        return False
    if signature.end - signature.data != _LENGTH:
        return False
    authenticator = signature.data + SPI_LENGTH
    if int.from_bytes(payload[signature.data : authenticator], "big") != association.spi:
        return False
    expected = compute_authenticator(payload[:authenticator], association.key)
    return hmac.compare_digest(payload[authenticator : signature.end], expected)
