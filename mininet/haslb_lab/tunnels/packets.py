"""IPv4 packets in IPv4 packets (RFC 2003), and the ICMP errors that the entrance of a tunnel sends."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import NamedTuple

from ryu_haslb.errors import HaslbError

ICMP = 1
IP_IN_IP = 4
HEADER_LENGTH = 20
MAX_PACKET_SIZE = 65535
OUTER_TTL = 64

HOST_UNREACHABLE = 1
#: Codes of ICMP Destination Unreachable (RFC 792, RFC 1191).
FRAGMENTATION_NEEDED = 4

_DESTINATION_UNREACHABLE = 3
_ICMP_QUERIES = frozenset({0, 8, 9, 10, 13, 14, 15, 16, 17, 18})
#: Bytes of the original packet in an ICMP error: as many as fit into 576 bytes (RFC 1812 section 4.3.2.3).
_QUOTED = 548

_HEADER = struct.Struct("!BBHHHBBH8s")
_DONT_FRAGMENT, _MORE_FRAGMENTS, _OFFSET = 0x4000, 0x2000, 0x1FFF
_CONGESTION_BITS = 0x03


class MalformedPacketError(HaslbError):
    """These bytes are not a valid IPv4 packet; the message says what is wrong."""


class Header(NamedTuple):
    """The fields of an IPv4 header that a tunnel needs. ``length``, ``total_length`` and ``offset`` are in bytes."""

    length: int
    type_of_service: int
    total_length: int
    dont_fragment: bool
    offset: int
    ttl: int
    protocol: int
    source: IPv4Address
    destination: IPv4Address


def read_header(packet: bytes) -> Header:
    """The header of a complete packet. The payload is not read. Raises: MalformedPacketError."""
    if len(packet) < HEADER_LENGTH:
        raise MalformedPacketError(f"{len(packet)} bytes where an IPv4 header has at least {HEADER_LENGTH}")
    first, service, total, _, fragmentation, ttl, protocol, _, addresses = _HEADER.unpack_from(packet)
    length = (first & 0x0F) * 4
    if first >> 4 != 4:
        raise MalformedPacketError(f"IP version {first >> 4}, expected 4")
    if not HEADER_LENGTH <= length <= total <= len(packet):
        raise MalformedPacketError(f"header of {length} and packet of {total} bytes, but {len(packet)} bytes received")
    if checksum(packet[:length]) != 0:
        raise MalformedPacketError("the header's checksum is wrong")
    return Header(
        length,
        service,
        total,
        bool(fragmentation & _DONT_FRAGMENT),
        (fragmentation & _OFFSET) * 8,
        ttl,
        protocol,
        IPv4Address(addresses[:4]),
        IPv4Address(addresses[4:]),
    )


def encapsulate(
    packet: bytes, inner: Header, source: IPv4Address, destination: IPv4Address, identification: int
) -> bytes:
    """``packet`` with an outer header (RFC 2003 section 3.1). The caller has checked that the result is not too long.

    The inner header is unchanged. Don't Fragment is copied to the outer header. The type of service is copied without
    the congestion bits, so that the exit has nothing to restore (RFC 3168 section 9.1).
    """
    header = _outer_header(
        inner.type_of_service & ~_CONGESTION_BITS,
        HEADER_LENGTH + inner.total_length,
        identification,
        _DONT_FRAGMENT if inner.dont_fragment else 0,
        source.packed + destination.packed,
    )
    return header + packet[: inner.total_length]


def _outer_header(service: int, total: int, identification: int, fragmentation: int, addresses: bytes) -> bytes:
    fields = (0x45, service, total, identification, fragmentation, OUTER_TTL, IP_IN_IP)
    return _HEADER.pack(*fields, checksum(_HEADER.pack(*fields, 0, addresses)), addresses)


def fragments(packet: bytes, mtu: int) -> list[bytes]:
    """Fragments of at most ``mtu`` bytes of a packet made by :func:`encapsulate` (RFC 791 section 2.3).

    ``mtu`` is at least 68, as on every link.
    """
    _, service, _, identification, _, _, _, _, addresses = _HEADER.unpack_from(packet)
    payload = packet[HEADER_LENGTH:]
    step = (mtu - HEADER_LENGTH) // 8 * 8
    pieces = []
    for offset in range(0, len(payload), step):
        piece = payload[offset : offset + step]
        more = _MORE_FRAGMENTS if offset + step < len(payload) else 0
        total = HEADER_LENGTH + len(piece)
        header = _outer_header(service, total, identification, more | offset // 8, addresses)
        pieces.append(header + piece)
    return pieces


def unreachable(code: int, packet: bytes, mtu: int = 0) -> bytes:
    """The ICMP message that ``packet`` cannot be delivered; with FRAGMENTATION_NEEDED, ``mtu`` is the next hop's."""
    quoted = packet[:_QUOTED]
    without = struct.pack("!BBHHH", _DESTINATION_UNREACHABLE, code, 0, 0, mtu) + quoted
    return struct.pack("!BBHHH", _DESTINATION_UNREACHABLE, code, checksum(without), 0, mtu) + quoted


def deserves_an_error(packet: bytes, header: Header) -> bool:
    """Whether an ICMP error may be sent for this packet (RFC 1812 section 4.3.2.7).

    Not for another ICMP error, a later fragment, or a packet that is not from one host to one host.
    """
    if header.offset or not _is_one_host(header.source) or not _is_one_host(header.destination):
        return False
    is_icmp = header.protocol == ICMP
    return not is_icmp or (header.total_length > header.length and packet[header.length] in _ICMP_QUERIES)


def _is_one_host(address: IPv4Address) -> bool:
    return not (address.is_multicast or address.is_reserved or address.is_loopback or address.is_unspecified)


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071). It is 0 over data that contain their correct checksum."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
