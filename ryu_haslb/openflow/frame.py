"""From a punted frame to a request: the first half of the request path.

One pass over the bytes, no packet library. :mod:`ryu_haslb.mobile_ip` reads the same messages at leisure, and the tests
hold the two against each other on the same packets.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from struct import Struct
from typing import Optional, Union

from ryu_haslb.configuration.model import MOBILE_IP_PORT
from ryu_haslb.openflow.pipeline import PROTOCOL_UDP
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.statistics import DropReason
from ryu_haslb.slb.virtual_server import VirtualServer

#: Bytes of a frame that a packet-out, 16 bits long at most, has room for beside its actions.
LARGEST_FRAME = 65_000

_ETHERNET = 14
_VLAN_TAGS = frozenset({b"\x81\x00", b"\x88\xa8"})
_NO_OPTIONS, _NEXT_VERSION = 0x45, 0x50  # version 4, and the header's length in words
_FRAGMENT = 0x3FFF  # more fragments, and the offset
_IPV4 = Struct("!BxH2xHxB2x4s4s")
_UDP = Struct("!HHH")
_REGISTRATION = Struct("!2xH4s4s")
_REGISTRATION_LENGTH = 24
_TYPE_REQUEST = 1

_PADDING = 0
_NAI = 131
_VENDOR = 38
_VENDOR_ID = 4  # the least that a vendor extension holds (RFC 3115)
#: Generalized authentication, vendor (CVSE), key requests and replies: their length is two bytes at offset 2.
_LONG_EXTENSIONS = frozenset({36, 38, 40, 41, 42, 43})


def without_vlan_tag(frame: bytes) -> tuple[bytes, Optional[int]]:
    """The frame as it were on an access port, and the VLAN that its outer tag named (None: it had no tag)."""
    if frame[12:14] not in _VLAN_TAGS:
        return frame, None
    vlan = int.from_bytes(frame[14:16], "big") & 0xFFF
    while frame[12:14] in _VLAN_TAGS:
        frame = frame[:12] + frame[16:]
    return frame, vlan


def read_request(  # noqa: PLR0911 - one return for each way in which a datagram can be wrong
    frame: bytes, virtual_servers: Mapping[bytes, VirtualServer], datapath_id: int
) -> Union[Request, DropReason]:
    """The registration request in an untagged IPv4 frame, or why there is none."""
    if len(frame) > LARGEST_FRAME:
        return DropReason.OVERSIZED
    try:
        version_ihl, total_length, fragment, protocol, client, virtual_address = _IPV4.unpack_from(frame, _ETHERNET)
        if fragment & _FRAGMENT:
            return DropReason.FRAGMENT
        datagram = _ETHERNET + (version_ihl & 0x0F) * 4
        if not _NO_OPTIONS <= version_ihl < _NEXT_VERSION:
            return DropReason.TRUNCATED
        if protocol != PROTOCOL_UDP:
            return DropReason.NOT_REGISTRATION_REQUEST
        client_port, port, datagram_length = _UDP.unpack_from(frame, datagram)
        message = datagram + 8
        end = datagram + datagram_length
        if end > _ETHERNET + total_length or end > len(frame) or end <= message:
            return DropReason.TRUNCATED
        if frame[message] != _TYPE_REQUEST or port != MOBILE_IP_PORT:
            return DropReason.NOT_REGISTRATION_REQUEST
        if end < message + _REGISTRATION_LENGTH:
            return DropReason.TRUNCATED
        lifetime, home_address, home_agent = _REGISTRATION.unpack_from(frame, message)
    except struct.error:
        return DropReason.TRUNCATED
    identity = _identity(frame, message + _REGISTRATION_LENGTH, end, home_address)
    if isinstance(identity, DropReason):
        return identity
    server = virtual_servers.get(virtual_address)
    if server is None:
        return DropReason.VIRTUAL_SERVER_OUT_OF_SERVICE
    return Request(server, identity, client, client_port, home_agent, lifetime, datapath_id)


def _identity(frame: bytes, offset: int, end: int, home_address: bytes) -> Union[bytes, DropReason]:
    """The key of the mobile's identity; the request's extensions stand between ``offset`` and ``end``."""
    while offset < end:
        kind = frame[offset]
        if kind == _PADDING:
            offset += 1
            continue
        header = 4 if kind in _LONG_EXTENSIONS else 2
        if offset + header > end:
            return DropReason.MALFORMED_EXTENSION
        following = offset + header + (frame[offset + 1] if header == 2 else frame[offset + 2] << 8 | frame[offset + 3])
        if following > end or (kind == _VENDOR and following < offset + header + _VENDOR_ID):
            return DropReason.MALFORMED_EXTENSION
        if kind == _NAI:
            nai = frame[offset + header : following]
            return b"\x01" + nai if nai else DropReason.MALFORMED_EXTENSION
        offset = following
    if home_address == b"\0\0\0\0":
        return DropReason.NO_IDENTITY
    return b"\0" + home_address
