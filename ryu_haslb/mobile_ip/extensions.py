"""Extensions of Mobile IP messages and the four shapes they have on the wire (RFC 5944 section 1.8 to 1.10).

* padding: the type byte alone (type 0)
* short: type, length (1), data; every type that is not named here
* long: type, subtype (1), length (2), data; 36 (RFC 4721), 40 to 43 (RFC 3957)
* vendor: type 38, reserved (1), length (2), vendor id (4), data (RFC 3115)

The length counts what follows the length field. Long and vendor extensions differ in the meaning of the second byte
only, so both are walked alike, and :class:`Extension` keeps that byte as ``subtype``. What the data of a vendor
extension holds is its vendor's business, so one too short for a vendor id is no reason to miss the NAI behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from ryu_haslb.mobile_ip.errors import MalformedMessage


class ExtensionType(IntEnum):
    """The types that this project names; every other number from 0 to 255 is as good an extension type."""

    PADDING = 0
    MOBILE_HOME_AUTHENTICATION = 32
    MOBILE_FOREIGN_AUTHENTICATION = 33
    FOREIGN_HOME_AUTHENTICATION = 34
    GENERALIZED_AUTHENTICATION = 36
    CRITICAL_VENDOR = 38
    NAI = 131
    NORMAL_VENDOR = 134


LONG_TYPES = frozenset({36, 38, 40, 41, 42, 43})
"""Types with a second byte before a length of two bytes; 38, the vendor shape, is one of them."""

MINIMUM_LENGTH = {int(ExtensionType.NAI): 1, int(ExtensionType.CRITICAL_VENDOR): 4}
"""Bytes of data that a type cannot do without: an NAI is never empty, a vendor extension names its vendor."""

_PADDING = int(ExtensionType.PADDING)


class Span(NamedTuple):
    """Where an extension lies in its message: its type byte at ``start``, its data at ``data`` up to ``end``."""

    type: int
    start: int
    data: int
    end: int


@dataclass(frozen=True)
class Extension:
    """One extension. ``subtype`` is the byte after the type in the long and vendor shapes and 0 in the others.

    Raises ValueError when the values do not fit the shape of ``type``.
    """

    type: int
    data: bytes = b""
    subtype: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.type <= 0xFF or not 0 <= self.subtype <= 0xFF:
            raise ValueError(f"extension type {self.type}, subtype {self.subtype}: each must be 0 to 255")
        if self.subtype and self.type not in LONG_TYPES:
            raise ValueError(f"extension type {self.type} has no subtype, {self.subtype} given")
        least = MINIMUM_LENGTH.get(self.type, 0)
        most = 0 if self.type == _PADDING else 0xFFFF if self.type in LONG_TYPES else 0xFF
        if not least <= len(self.data) <= most:
            raise ValueError(f"extension type {self.type} holds {least} to {most} bytes, {len(self.data)} given")

    def encode(self) -> bytes:
        """The extension as it stands in a message."""
        if self.type == _PADDING:
            return b"\0"
        if self.type in LONG_TYPES:
            return bytes((self.type, self.subtype)) + len(self.data).to_bytes(2, "big") + self.data
        return bytes((self.type, len(self.data))) + self.data


def walk(payload: bytes, offset: int) -> Iterator[Span]:
    """The extensions of ``payload`` from ``offset`` on, without copying them.

    Raises MalformedMessage on reaching an extension that does not fit into the payload or is shorter than its type
    allows; the extensions before it have been handed out by then.
    """
    size = len(payload)
    while offset < size:
        kind = payload[offset]
        if kind == _PADDING:
            yield Span(kind, offset, offset + 1, offset + 1)
            offset += 1
            continue
        header = 4 if kind in LONG_TYPES else 2
        data = offset + header
        if data > size:
            raise MalformedMessage(size, f"{data - size} more byte(s) of the header of extension type {kind}")
        length = payload[offset + 1] if header == 2 else payload[offset + 2] << 8 | payload[offset + 3]
        end = data + length
        if end > size:
            raise MalformedMessage(
                size, f"{end - size} more byte(s) of extension type {kind}, which starts at {offset}"
            )
        if length < MINIMUM_LENGTH.get(kind, 0):
            raise MalformedMessage(
                data, f"at least {MINIMUM_LENGTH[kind]} byte(s) of data in extension type {kind}, found {length}"
            )
        yield Span(kind, offset, data, end)
        offset = end


def decode_extensions(payload: bytes, offset: int) -> tuple[Extension, ...]:
    """Every extension of ``payload`` from ``offset`` to its end. Raises MalformedMessage."""
    return tuple(
        Extension(span.type, payload[span.data : span.end], payload[span.start + 1] if span.type in LONG_TYPES else 0)
        for span in walk(payload, offset)
    )


def encode_extensions(extensions: Iterable[Extension]) -> bytes:
    """The extensions one behind the other."""
    return b"".join(extension.encode() for extension in extensions)


def nai_extension(nai: bytes) -> Extension:
    """The Mobile Node NAI extension (RFC 2794 section 2); ``nai`` is 1 to 255 bytes, or ValueError is raised."""
    return Extension(ExtensionType.NAI, nai)
