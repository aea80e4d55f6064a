"""Reads the frame of a packet-in: Ethernet, VLAN tag, IPv4, UDP, and the virtual server that it is for.

This is the first half of the request path: one pass over the bytes, no packet library.
:mod:`ryu_haslb.mobile_ip.request_reader` reads the datagram inside.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Mapping
from struct import Struct
from typing import Final, Optional, Union

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.mobile_ip.request_reader import RequestFault, read_registration_request
from ryu_haslb.openflow.packets.martians import IS_UNICAST
from ryu_haslb.openflow.pipeline import PROTOCOL_UDP
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
# From byte 14: of IPv4 the first byte, total length, fragment, TTL, protocol, source and destination; then the header
# of UDP. With IP options the latter is elsewhere, so they are looked at first.
_HEADERS: Final = Struct("!BxH2xHBB2x4s4sHHHH")
_IPV4_LENGTH: Final = 20
_UDP_LENGTH: Final = 8
_MESSAGE: Final = UDP_HEADER + _UDP_LENGTH

# Makes a NamedTuple in less than half the time that its own constructor takes, which is a Python function.
_new: Final = tuple.__new__
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
    while frame[12:14] in _VLAN_TAGS:
        frame = frame[:12] + frame[16:]
    return frame, vlan


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


def read_request(  # noqa: PLR0911 - one return for each way in which a datagram can be wrong
    frame: bytes, virtual_servers: Mapping[bytes, VirtualServer], own_addresses: Container[bytes], datapath_id: int
) -> Union[Request, DropReason]:
    """The Registration Request in an untagged IPv4 frame, or why there is none.

    ``own_addresses`` are never a client's (:mod:`.martians`). A packet is dropped that no client sends, or that was
    damaged on its way. Each checksum is compared in one step: 2**16 is 1 modulo 0xFFFF, so the sum of all 16-bit words
    is the remainder of the whole as one number. Its order of bytes may be the reverse (RFC 1071, section 2): an odd
    datagram then needs no byte of zero behind it.
    """
    if len(frame) > MAX_FRAME_LENGTH:
        return DropReason.OVERSIZED
    try:
        (head, total_length, fragment, ttl, protocol, client, virtual_address, client_port, port, length, checksum) = (
            _HEADERS.unpack_from(frame, IPV4_HEADER)
        )
    except struct.error:
        return _fault_of_header(frame)
    if head != _VERSION_AND_LENGTH or fragment & _FRAGMENT or protocol != PROTOCOL_UDP:
        return _fault_of_header(frame)
    end = UDP_HEADER + length
    if not _MESSAGE < end <= IPV4_HEADER + total_length <= len(frame):
        return DropReason.TRUNCATED
    if _number(frame[IPV4_HEADER:UDP_HEADER], "little") % 0xFFFF:
        return DropReason.BAD_IP_CHECKSUM
    # A checksum of 0: the sender made none (RFC 768). The addresses of the pseudo-header are right in front of UDP.
    if checksum and (_number(frame[IPV4_SRC:end], "little") % 0xFFFF + (PROTOCOL_UDP + length << 8)) % 0xFFFF:
        return DropReason.BAD_UDP_CHECKSUM
    if not IS_UNICAST[client[0]] or client in own_addresses or frame[6] & 1:
        return DropReason.MARTIAN_SOURCE
    if not ttl:
        return DropReason.TTL_EXPIRED
    if port != MOBILE_IP_PORT:
        return DropReason.NOT_REGISTRATION_REQUEST
    if not client_port:
        return DropReason.SOURCE_PORT_ZERO
    fields = read_registration_request(frame, _MESSAGE, end)
    if not isinstance(fields, tuple):
        return _DROP_REASONS[fields]
    server = virtual_servers.get(virtual_address)
    if server is None:
        return DropReason.VIRTUAL_SERVER_OUT_OF_SERVICE
    identity, home_agent, lifetime, identification = fields
    return _new(Request, (server, identity, client, client_port, home_agent, lifetime, datapath_id, identification))


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
