"""Extensions of Mobile IP messages and their shapes on the wire (RFC 5944 sections 1.8 to 1.10).

* padding: the type byte alone (type 0)
* short: type, length (1), data; every type that :data:`SHAPES` does not list otherwise
* long: type, subtype (1), length (2), data; 36 (RFC 4721), 40 to 43 (RFC 3957)
* vendor: type 38, reserved (1), length (2), vendor id (4), data (RFC 3115)

The length counts what follows the length field. A long and a vendor extension differ only in the meaning of the second
byte and in the vendor id, so both are read alike, and :class:`Extension` keeps the second byte as ``subtype``.

A new type with an unusual shape is one line in :data:`SHAPES`: the decoder, the encoder and the fast reader of the
request path (:mod:`ryu_haslb.mobile_ip.request_reader`) read the shapes from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

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

_UNUSUAL_SHAPES: dict[int, Shape] = {
    ExtensionType.PADDING: _PADDING,
    ExtensionType.GENERALIZED_AUTHENTICATION: _LONG,
    ExtensionType.CRITICAL_VENDOR: _LONG._replace(min_data=4),  # the vendor id
    40: _LONG,  # key requests and replies, 40 to 43
    41: _LONG,
    42: _LONG,
    43: _LONG,
    ExtensionType.NAI: _SHORT._replace(min_data=1),  # an NAI is never empty
}
#: The shape of each extension type, by its number from 0 to 255.
SHAPES: tuple[Shape, ...] = tuple(_UNUSUAL_SHAPES.get(number, _SHORT) for number in range(256))


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
