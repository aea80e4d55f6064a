"""Extensions of Mobile IP messages and their shapes on the wire (RFC 5944 sections 1.8 to 1.10).

* padding: the type byte alone (type 0)
* short: type, length (1), data; every type that :data:`SHAPES` does not list otherwise
* long: type, subtype (1), length (2), data; 36, 40 to 43, 47, 48
* vendor: type 38, reserved (1), length (2), vendor id (4), data (RFC 3115)
* either: short or long; the numbers below 128 whose format is not certain (:data:`UNCERTAIN`)

The length counts what follows the length field. A long and a vendor extension differ only in the meaning of the second
byte and in the vendor id, so both are read alike, and :class:`Extension` keeps the second byte as ``subtype``.

From 128 on every type is short: an agent must be able to skip one that it does not implement (RFC 5944 section 1.10).
Below 128 a type may be long. A number there that IANA has not assigned is read both ways, by :func:`possible_nais`: an
NAI is accepted if the message has no other reading. A wrong reading would take an NAI out of the middle of an
authenticator.

A new type with an unusual shape is one line in ``_REGISTERED_SHAPES``: the decoder, the encoder and the fast reader of
the request path (:mod:`ryu_haslb.mobile_ip.request_reader`) read the shapes from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, Optional

from ryu_haslb.errors import InvalidValueError
from ryu_haslb.mobile_ip.errors import MalformedMessage


class ExtensionType(IntEnum):
    """The types that this project names. Every other number from 0 to 255 is a valid extension type too."""

    PADDING = 0
    MOBILE_HOME_AUTHENTICATION = 32
    MOBILE_FOREIGN_AUTHENTICATION = 33
    FOREIGN_HOME_AUTHENTICATION = 34
    GENERALIZED_AUTHENTICATION = 36
    CRITICAL_VENDOR = 38
    NAI = 131
    NORMAL_VENDOR = 134


class Shape(NamedTuple):
    """The layout of an extension type, in bytes: the header before the data, and the bounds of the data."""

    header: int
    min_data: int
    max_data: int

    @property
    def has_subtype(self) -> bool:
        """Whether a byte stands between the type and the length, which then has two bytes."""
        return self.header == _LONG.header


_PADDING = Shape(header=1, min_data=0, max_data=0)
_SHORT = Shape(header=2, min_data=0, max_data=0xFF)
_LONG = Shape(header=4, min_data=0, max_data=0xFFFF)

# The numbers of IANA's registry "Extensions to Mobile IP Registration Messages", each with the RFC that has its format.
_REGISTERED_SHAPES: dict[int, Shape] = {
    ExtensionType.PADDING: _PADDING,  # RFC 5944 section 1.8
    ExtensionType.MOBILE_HOME_AUTHENTICATION: _SHORT,  # RFC 5944 section 3.5.2
    ExtensionType.MOBILE_FOREIGN_AUTHENTICATION: _SHORT,  # RFC 5944 section 3.5.3
    ExtensionType.FOREIGN_HOME_AUTHENTICATION: _SHORT,  # RFC 5944 section 3.5.4
    ExtensionType.GENERALIZED_AUTHENTICATION: _LONG,  # RFC 4721 section 5, RFC 3012 before it
    ExtensionType.CRITICAL_VENDOR: _LONG._replace(min_data=4),  # RFC 3115 section 2; at least the vendor id
    40: _LONG,  # MN-FA key generation nonce request, RFC 3957 section 6
    41: _LONG,  # MN-FA key generation nonce reply, RFC 3957 section 6
    42: _LONG,  # MN-HA key generation nonce request, RFC 3957 section 6
    43: _LONG,  # MN-HA key generation nonce reply, RFC 3957 section 6
    44: _SHORT,  # UDP tunnel reply, RFC 3519 section 3.2
    45: _SHORT,  # FA error, RFC 4636 section 4
    46: _SHORT,  # GFA IP address, RFC 4857 section 9
    47: _LONG,  # Proxy Mobile IPv4, not skippable, RFC 5563 section 9
    48: _LONG,  # GRE key, RFC 6245 section 3
    ExtensionType.NAI: _SHORT._replace(min_data=1),  # RFC 2794 section 2; an NAI is never empty
}
# The other registered numbers: 128 (deprecated), 129 (RFC 2356), 130 (RFC 3024), 132 (RFC 4721), 134 (RFC 3115), 136
# (RFC 3846), 137 (RFC 3543), 138 (RFC 4881), 139 (RFC 4433), 140 to 142 (RFC 4857), 144 (RFC 3519), 145 (RFC 4917), 147
# (RFC 5563), 148 (RFC 5177), 149 (RFC 5265), 151 (RFC 5446), 152 (RFC 5454), 153 (RFC 6521), 154 (RFC 6626 and later)
# and 255 (RFC 4064) are skippable and so short.

#: The types below 128 that may be short or long: the numbers that are not assigned, and 49, 50 (RFC 6521) and 127 (RFC
#: 4064), which are experimental.
UNCERTAIN = frozenset(range(1, 128)).difference(_REGISTERED_SHAPES)

#: The shape of each extension type, by its number from 0 to 255. Those of :data:`UNCERTAIN` are encoded as short ones.
SHAPES: tuple[Shape, ...] = tuple(_REGISTERED_SHAPES.get(number, _SHORT) for number in range(256))

#: Extensions of a message that are read until its NAI is found. One of a byte each would cost as much as 20 requests.
MAX_EXTENSIONS: Final = 64
#: Places in a message at which an extension may begin that :func:`possible_nais` looks at: a microsecond each.
MAX_POSSIBLE_EXTENSIONS = 32


class Span(NamedTuple):
    """Where an extension lies in its message: its type byte at ``start``, its data from ``data`` up to ``end``."""

    type: int
    start: int
    data: int
    end: int


@dataclass(frozen=True)
class Extension:
    """One extension. ``subtype`` is the byte after the type in the long and vendor shapes, and 0 in the others.

    :raises InvalidValueError: the values do not fit the shape of ``type``.
    """

    type: int
    data: bytes = b""
    subtype: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.type <= 0xFF or not 0 <= self.subtype <= 0xFF:
            raise InvalidValueError(f"extension type {self.type}, subtype {self.subtype}: each must be 0 to 255")
        shape = SHAPES[self.type]
        if self.subtype and not shape.has_subtype:
            raise InvalidValueError(f"extension type {self.type} has no subtype, {self.subtype} given")
        if not shape.min_data <= len(self.data) <= shape.max_data:
            raise InvalidValueError(
                f"extension type {self.type} holds {shape.min_data} to {shape.max_data} bytes, {len(self.data)} given"
            )

    def encode(self) -> bytes:
        """The bytes of the extension on the wire."""
        shape = SHAPES[self.type]
        if shape is _PADDING:
            return b"\0"
        if shape.has_subtype:
            return bytes((self.type, self.subtype)) + len(self.data).to_bytes(2, "big") + self.data
        return bytes((self.type, len(self.data))) + self.data


def walk(payload: bytes, offset: int) -> Iterator[Span]:
    """The extensions of ``payload`` from ``offset`` on, without a copy of their data.

    The extensions before a broken one are yielded before the error is raised.

    :raises MalformedMessage: an extension reaches beyond the payload, or is shorter than its type requires.
    """
    size = len(payload)
    while offset < size:
        kind = payload[offset]
        header, min_data, _ = SHAPES[kind]
        data = offset + header
        if data > size:
            raise MalformedMessage(size, f"{data - size} more byte(s) of the header of extension type {kind}")
        length = _data_length(payload, offset, header)
        end = data + length
        if end > size:
            raise MalformedMessage(
                size, f"{end - size} more byte(s) of extension type {kind}, which starts at {offset}"
            )
        if length < min_data:
            raise MalformedMessage(
                data, f"at least {min_data} byte(s) of data in extension type {kind}, found {length}"
            )
        yield Span(kind, offset, data, end)
        offset = end


def _data_length(payload: bytes, offset: int, header: int) -> int:
    """The length field of the extension at ``offset``, whose header has ``header`` bytes."""
    if header == _PADDING.header:
        return 0
    return int.from_bytes(payload[offset + header // 2 : offset + header], "big")


def possible_nais(payload: bytes, offset: int, end: int) -> set[Optional[bytes]]:
    """The first NAI of each possible reading of the extensions from ``offset`` to ``end``; None: one without an NAI.

    The extensions of :data:`UNCERTAIN` are read as short and as long ones. Malformed readings do not count. The set is
    empty if all are malformed, or if more than :data:`MAX_POSSIBLE_EXTENSIONS` places have to be looked at.
    """
    found: set[Optional[bytes]] = set()
    waiting, seen = [offset], {offset}
    while waiting:
        offset = waiting.pop()
        if offset == end:
            found.add(None)
            continue
        kind = payload[offset]
        for shape in (_SHORT, _LONG) if kind in UNCERTAIN else (SHAPES[kind],):
            data = offset + shape.header
            if data > end:
                continue
            length = _data_length(payload, offset, shape.header)
            behind = data + length
            if behind > end or length < shape.min_data:
                continue
            if kind == ExtensionType.NAI:
                found.add(bytes(payload[data:behind]))
            elif behind not in seen:
                seen.add(behind)
                waiting.append(behind)
        if len(seen) > MAX_POSSIBLE_EXTENSIONS:
            return set()
    return found


def decode_extensions(payload: bytes, offset: int) -> tuple[Extension, ...]:
    """Every extension of ``payload`` from ``offset`` to its end.

    :raises MalformedMessage: one of them is malformed.
    """
    return tuple(
        Extension(
            span.type, payload[span.data : span.end], payload[span.start + 1] if SHAPES[span.type].has_subtype else 0
        )
        for span in walk(payload, offset)
    )


def encode_extensions(extensions: Iterable[Extension]) -> bytes:
    """The bytes of the extensions, one after the other."""
    return b"".join(extension.encode() for extension in extensions)


def nai_extension(nai: bytes) -> Extension:
    """The Mobile Node NAI extension (RFC 2794 section 2).

    :raises InvalidValueError: ``nai`` has not 1 to 255 bytes.
    """
    return Extension(ExtensionType.NAI, nai)
