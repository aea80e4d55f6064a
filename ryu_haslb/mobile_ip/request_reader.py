"""The fast reader of Registration Requests: what the balancer decides by, read in one pass.

Every request that a switch sends to the controller is read here, tens of thousands a second in a storm. Hence offsets
into the packet instead of slices, a tuple instead of an object, and a fault that is returned instead of raised. The
plain reading of the same rule is :func:`ryu_haslb.mobile_ip.identity.identity_of_request`; the tests hold the two
against each other.
"""

from __future__ import annotations

from enum import Enum
from struct import Struct
from typing import Final, Union

from ryu_haslb.mobile_ip.extensions import SHAPES, UNCERTAIN, ExtensionType, possible_nais
from ryu_haslb.mobile_ip.identity import REQUEST_LENGTH, REQUEST_TYPE, IdentityKind


class RequestFault(Enum):
    """Why bytes cannot be balanced as a Registration Request."""

    #: Another type of message.
    NOT_A_REQUEST = "not_a_request"
    #: Shorter than the fixed part of a request.
    TRUNCATED = "truncated"
    #: An extension before the NAI reaches beyond the message, is shorter than its type requires, or has a type of
    #: unknown shape and leaves open which NAI the message has.
    MALFORMED_EXTENSION = "malformed_extension"
    #: Neither an NAI nor a home address.
    NO_IDENTITY = "no_identity"


#: The key of the mobile's identity (:attr:`ryu_haslb.mobile_ip.identity.Identity.key`), the home agent field (four
#: bytes), the lifetime in seconds, and the Identification (RFC 5944 section 3.3).
RequestFields = tuple[bytes, bytes, int, int]

_FIXED_PART: Final = Struct("!2xH4s4s4xQ")  # lifetime, home address, home agent, Identification
_NAI: Final = int(ExtensionType.NAI)
_NAI_KEY: Final = bytes((IdentityKind.NAI,))
_HOME_ADDRESS_KEY: Final = bytes((IdentityKind.HOME_ADDRESS,))
_NO_ADDRESS: Final = bytes(4)

# The columns of SHAPES that the walk needs: an index into bytes costs less than an attribute of a tuple's entry.
# A header of 0 bytes stands for a type whose shape is not certain.
_HEADER: Final = bytes(0 if number in UNCERTAIN else shape.header for number, shape in enumerate(SHAPES))
_MIN_DATA: Final = bytes(shape.min_data for shape in SHAPES)


def read_registration_request(  # noqa: PLR0911 - one return for each outcome
    data: bytes, start: int, end: int
) -> Union[RequestFields, RequestFault]:
    """The fields of the request in ``data[start:end]``, which holds at least one byte; or why it is none.

    Extensions behind the first NAI are not read: they are for the home agent.
    """
    if data[start] != REQUEST_TYPE:
        return RequestFault.NOT_A_REQUEST
    offset = start + REQUEST_LENGTH
    if end < offset:
        return RequestFault.TRUNCATED
    lifetime, home_address, home_agent, identification = _FIXED_PART.unpack_from(data, start)
    while offset < end:
        kind = data[offset]
        header = _HEADER[kind]
        if header < 2:
            if not header:
                return _read_uncertain(data, start, offset, end)
            offset += 1  # padding
            continue
        content = offset + header
        if content > end:
            return RequestFault.MALFORMED_EXTENSION
        length = data[offset + 1] if header == 2 else data[offset + 2] << 8 | data[offset + 3]
        offset = content + length
        if offset > end or length < _MIN_DATA[kind]:
            return RequestFault.MALFORMED_EXTENSION
        if kind == _NAI:
            return _NAI_KEY + data[content:offset], home_agent, lifetime, identification
    if home_address == _NO_ADDRESS:
        return RequestFault.NO_IDENTITY
    return _HOME_ADDRESS_KEY + home_address, home_agent, lifetime, identification


def _read_uncertain(data: bytes, start: int, offset: int, end: int) -> Union[RequestFields, RequestFault]:
    """The fields of a request with an extension at ``offset`` that may be short or long."""
    nais = possible_nais(data, offset, end)
    if len(nais) != 1:
        return RequestFault.MALFORMED_EXTENSION
    lifetime, home_address, home_agent, identification = _FIXED_PART.unpack_from(data, start)
    nai = nais.pop()
    if nai is not None:
        return _NAI_KEY + nai, home_agent, lifetime, identification
    if home_address == _NO_ADDRESS:
        return RequestFault.NO_IDENTITY
    return _HOME_ADDRESS_KEY + home_address, home_agent, lifetime, identification
