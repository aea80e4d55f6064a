"""The fast reader of a mobile's identity in a Registration Request, in one pass.

Every request that a switch sends to the controller is read here, tens of thousands a second in a storm. Hence offsets
into the packet instead of slices, and a fault that is returned instead of raised. The
plain reading of the same rule is :func:`ryu_haslb.mobile_ip.identity.identity_of_request`; the tests hold the two
against each other.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Union

from ryu_haslb.mobile_ip.extensions import MAX_EXTENSIONS, SHAPES, UNCERTAIN, ExtensionType, possible_nais
from ryu_haslb.mobile_ip.identity import REQUEST_LENGTH, REQUEST_TYPE, IdentityKind


class RequestFault(Enum):
    """Why bytes cannot be balanced as a Registration Request."""

    #: Another type of message.
    NOT_A_REQUEST = "not_a_request"
    #: Shorter than the fixed part of a request.
    TRUNCATED = "truncated"
    #: An extension before the NAI reaches beyond the message, is shorter than its type requires, or has a type of
    #: unknown shape and leaves open which NAI the message has; or there are more than MAX_EXTENSIONS.
    MALFORMED_EXTENSION = "malformed_extension"
    #: Neither an NAI nor a home address.
    NO_IDENTITY = "no_identity"


_NAI: Final = int(ExtensionType.NAI)
_NAI_KEY: Final = bytes((IdentityKind.NAI,))
_HOME_ADDRESS_KEY: Final = bytes((IdentityKind.HOME_ADDRESS,))
_NO_ADDRESS: Final = bytes(4)

# The columns of SHAPES that the walk needs: an index into bytes costs less than an attribute of a tuple's entry.
# A header of 0 bytes stands for a type whose shape is not certain.
_HEADER: Final = bytes(0 if number in UNCERTAIN else shape.header for number, shape in enumerate(SHAPES))
_MIN_DATA: Final = bytes(shape.min_data for shape in SHAPES)


def read_identity(  # noqa: PLR0911 - one return for each outcome
    data: bytes, start: int, end: int
) -> Union[bytes, RequestFault]:
    """The key of the mobile's identity (:attr:`.Identity.key`) in a request, or why it is none.

    The request is in ``data[start:end]``, which holds at least one byte. Extensions behind the first NAI are not read:
    they are for the home agent.
    """
    if data[start] != REQUEST_TYPE:
        return RequestFault.NOT_A_REQUEST
    offset = start + REQUEST_LENGTH
    if end < offset:
        return RequestFault.TRUNCATED
    left = MAX_EXTENSIONS
    while offset < end:
        kind = data[offset]
        if kind == _NAI:  # nearly always the first extension
            content = offset + 2
            if content < end and content < (behind := content + data[offset + 1]) <= end:
                return _NAI_KEY + data[content:behind]
            return RequestFault.MALFORMED_EXTENSION
        left -= 1
        if left < 0:
            return RequestFault.MALFORMED_EXTENSION
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
    return _read_home_address(data, start)


def _read_home_address(data: bytes, start: int) -> Union[bytes, RequestFault]:
    home_address = data[start + 4 : start + 8]
    return RequestFault.NO_IDENTITY if home_address == _NO_ADDRESS else _HOME_ADDRESS_KEY + home_address


def _read_uncertain(data: bytes, start: int, offset: int, end: int) -> Union[bytes, RequestFault]:
    """The identity in a request with an extension at ``offset`` that may be short or long."""
    nais = possible_nais(data, offset, end)
    if len(nais) != 1:
        return RequestFault.MALFORMED_EXTENSION
    nai = nais.pop()
    return _read_home_address(data, start) if nai is None else _NAI_KEY + nai
