"""Reads the frame of a packet-in: Ethernet, VLAN tag, IPv4, UDP, and the virtual server that it is for.

This is the first half of the request path: one pass over the bytes, no packet library.
:mod:`ryu_haslb.mobile_ip.request_reader` reads the datagram inside.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from struct import Struct
from typing import Final, Optional

from ryu_haslb.mobile_ip.identity import REQUEST_LENGTH
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.mobile_ip.request_reader import RequestFault, read_identity
from ryu_haslb.openflow.packets.martians import IS_UNICAST
from ryu_haslb.openflow.wire.wire import PROTOCOL_UDP
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.virtual_server import VirtualServer

#: Longest frame in bytes that fits into a packet-out beside its actions: an OpenFlow message has a 16-bit length.
MAX_FRAME_LENGTH: Final = 65_000

# Where an untagged frame has these fields. Each of the five begins where the one before ends, IPv4 without options.
ETH_SRC: Final = 6
ETHERTYPE: Final = 12
IPV4_HEADER: Final = 14
IPV4_SRC: Final = 26
IPV4_DST: Final = 30
UDP_HEADER: Final = 34

_CUSTOMER_TAG: Final = b"\x81\x00"
_VLAN_TAGS: Final = frozenset({_CUSTOMER_TAG, b"\x88\xa8"})
_VERSION_AND_LENGTH: Final = 0x45  # IPv4, and a header of five words: without options
_FRAGMENT: Final = 0x3FFF  # more fragments, and the offset
# The Ethernet source; from byte 14 on, of IPv4 the first byte, total length, a word of fragment, TTL and protocol,
# source and destination; then the header of UDP, and of the request the lifetime, home agent and Identification. With
# IP options all but the former is elsewhere, so they are looked at first. The Identification is read as a signed
# number: time stamps of the years 2002 to 2070 are then so small that a compiled session holds them without an object.
_HEADERS: Final = Struct("!6x6s2xBxH2xI2x4s4sHHHH2xH4x4s4xq")
_FRAGMENT_AND_PROTOCOL: Final = _FRAGMENT << 16 | 0xFF
_TTL: Final = 0xFF00
_IPV4_LENGTH: Final = 20
_UDP_LENGTH: Final = 8
_MESSAGE: Final = UDP_HEADER + _UDP_LENGTH
_EXTENSIONS: Final = _MESSAGE + REQUEST_LENGTH

_number: Final = int.from_bytes

_DROP_REASONS: Final = {
    RequestFault.NOT_A_REQUEST: DropReason.NOT_REGISTRATION_REQUEST,
    RequestFault.TRUNCATED: DropReason.TRUNCATED,
    RequestFault.MALFORMED_EXTENSION: DropReason.MALFORMED_EXTENSION,
    RequestFault.NO_IDENTITY: DropReason.NO_IDENTITY,
}


def without_vlan_tag(frame: bytes) -> tuple[bytes, Optional[int]]:
    """The frame without its VLAN tags, and the VLAN id of the outer tag (None: the frame has no tag)."""
    if frame[12:14] not in _VLAN_TAGS:
        return frame, None
    vlan = int.from_bytes(frame[14:16], "big") & 0xFFF
    behind = 16
    while frame[behind : behind + 2] in _VLAN_TAGS:  # a switch that lies may send thousands
        behind += 4
    return frame[:12] + frame[behind:], vlan


def with_one_vlan_tag_at_most(frame: bytes) -> Optional[tuple[bytes, Optional[int]]]:
    """The frame without its VLAN tag, and the VLAN (None: no tag, or one of priority only, IEEE 802.1Q VLAN id 0).

    None when it has a second tag or one of a provider (IEEE 802.1ad): the VLAN in these is not one of the switch.
    """
    if frame[12:14] == _CUSTOMER_TAG:
        vlan = int.from_bytes(frame[14:16], "big") & 0xFFF
        frame = frame[:12] + frame[16:]
    else:
        vlan = 0
    return None if frame[12:14] in _VLAN_TAGS else (frame, vlan or None)


def read_request(  # noqa: PLR0911, PLR0912 - one return for each way in which a datagram can be wrong
    request: Request, frame: bytes, virtual_servers: Mapping[bytes, VirtualServer], own_addresses: Container[bytes]
) -> Optional[DropReason]:
    """Fill ``request`` with the Registration Request in an untagged IPv4 frame; or return why there is none.

    ``own_addresses`` are never a client's (:mod:`.martians`). A packet is dropped that no client sends, or that was
    damaged on its way. Each checksum is compared in one step: 2**16 is 1 modulo 0xFFFF, so the sum of all 16-bit words
    is the remainder of the whole as one number. Its order of bytes may be the reverse (RFC 1071, section 2): an odd
    datagram then needs no byte of zero behind it.
    """
    size = len(frame)
    if size > MAX_FRAME_LENGTH:
        return DropReason.OVERSIZED
    if size < _EXTENSIONS:  # too short for a request, and perhaps for a reason that comes first
        if size < _MESSAGE:
            return _fault_of_header(frame)
        frame = frame.ljust(_EXTENSIONS, b"\0")
    # fmt: off
    (sender, head, total_length, word, client, virtual_address, client_port, port, length, checksum,
     lifetime, home_agent, identification) = _HEADERS.unpack_from(frame)
    # fmt: on
    if head != _VERSION_AND_LENGTH or word & _FRAGMENT_AND_PROTOCOL != PROTOCOL_UDP:
        return _fault_of_header(frame)
    end = UDP_HEADER + length
    if not _MESSAGE < end <= IPV4_HEADER + total_length <= size:
        return DropReason.TRUNCATED
    if _number(frame[IPV4_HEADER:UDP_HEADER], "little") % 0xFFFF:
        return DropReason.BAD_IP_CHECKSUM
    # A checksum of 0: the sender made none (RFC 768). The addresses of the pseudo-header are right in front of UDP.
    if checksum and (_number(frame[IPV4_SRC:end], "little") % 0xFFFF + (PROTOCOL_UDP + length << 8)) % 0xFFFF:
        return DropReason.BAD_UDP_CHECKSUM
    if not IS_UNICAST[client[0]] or client in own_addresses or sender[0] & 1:
        return DropReason.MARTIAN_SOURCE
    if not word & _TTL:
        return DropReason.TTL_EXPIRED
    if port != MOBILE_IP_PORT:
        return DropReason.NOT_REGISTRATION_REQUEST
    if not client_port:
        return DropReason.SOURCE_PORT_ZERO
    identity = read_identity(frame, _MESSAGE, end)
    if not isinstance(identity, bytes):
        return _DROP_REASONS[identity]
    server = virtual_servers.get(virtual_address)
    if server is None:
        return DropReason.VIRTUAL_SERVER_OUT_OF_SERVICE
    request.sender = sender
    request.virtual_server = server
    request.identity = identity
    request.client = client
    if client_port != request.client_port:  # else all sessions share the number, and its memory
        request.client_port = client_port
    request.lifetime = lifetime
    request.home_agent = home_agent
    request.identification = identification
    return None


def _fault_of_header(frame: bytes) -> DropReason:
    """Why a frame is dropped that is too short for the headers of IPv4 and UDP, or has others."""
    header = frame[IPV4_HEADER:UDP_HEADER]
    if len(header) < _IPV4_LENGTH:
        return DropReason.TRUNCATED
    if int.from_bytes(header[6:8], "big") & _FRAGMENT:
        return DropReason.FRAGMENT
    if header[0] >> 4 != _VERSION_AND_LENGTH >> 4 or header[0] < _VERSION_AND_LENGTH:
        return DropReason.TRUNCATED
    if header[9] != PROTOCOL_UDP:
        return DropReason.NOT_REGISTRATION_REQUEST
    return DropReason.TRUNCATED if header[0] == _VERSION_AND_LENGTH else DropReason.IP_OPTIONS
