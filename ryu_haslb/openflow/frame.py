"""Reads the frame of a packet-in: Ethernet, VLAN tag, IPv4, UDP, and the virtual server that it is for.

This is the first half of the request path: one pass over the bytes, no packet library.
:mod:`ryu_haslb.mobile_ip.request_reader` reads the datagram inside.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from struct import Struct
from typing import Optional, Union

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.mobile_ip.request_reader import RequestFault, read_registration_request
from ryu_haslb.openflow.pipeline import PROTOCOL_UDP
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.statistics import DropReason
from ryu_haslb.slb.virtual_server import VirtualServer

#: Longest frame in bytes that fits into a packet-out beside its actions: an OpenFlow message has a 16-bit length.
MAX_FRAME_LENGTH = 65_000

_ETHERNET_LENGTH = 14
_VLAN_TAGS = frozenset({b"\x81\x00", b"\x88\xa8"})
# Bounds of the first byte of an IPv4 header: the version, 4, and the header's length in words, at least 5.
_NO_OPTIONS, _NEXT_VERSION = 0x45, 0x50
_FRAGMENT = 0x3FFF  # more fragments, and the offset
_IPV4 = Struct("!BxH2xHxB2x4s4s")
_UDP = Struct("!HHH")
_UDP_LENGTH = 8

# Makes a NamedTuple in less than half the time that its own constructor takes, which is a Python function.
_new = tuple.__new__

_DROP_REASONS = {
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


def read_request(  # noqa: PLR0911 - one return for each way in which a datagram can be wrong
    frame: bytes, virtual_servers: Mapping[bytes, VirtualServer], datapath_id: int
) -> Union[Request, DropReason]:
    """The Registration Request in an untagged IPv4 frame, or why there is none."""
    if len(frame) > MAX_FRAME_LENGTH:
        return DropReason.OVERSIZED
    try:
        version_ihl, total_length, fragment, protocol, client, virtual_address = _IPV4.unpack_from(
            frame, _ETHERNET_LENGTH
        )
        if fragment & _FRAGMENT:
            return DropReason.FRAGMENT
        if not _NO_OPTIONS <= version_ihl < _NEXT_VERSION:
            return DropReason.TRUNCATED
        if protocol != PROTOCOL_UDP:
            return DropReason.NOT_REGISTRATION_REQUEST
        datagram = _ETHERNET_LENGTH + (version_ihl & 0x0F) * 4
        client_port, port, datagram_length = _UDP.unpack_from(frame, datagram)
    except struct.error:
        return DropReason.TRUNCATED
    message, end = datagram + _UDP_LENGTH, datagram + datagram_length
    if end > _ETHERNET_LENGTH + total_length or end > len(frame) or end <= message:
        return DropReason.TRUNCATED
    if port != MOBILE_IP_PORT:
        return DropReason.NOT_REGISTRATION_REQUEST
    fields = read_registration_request(frame, message, end)
    if not isinstance(fields, tuple):
        return _DROP_REASONS[fields]
    server = virtual_servers.get(virtual_address)
    if server is None:
        return DropReason.VIRTUAL_SERVER_OUT_OF_SERVICE
    identity, home_agent, lifetime, identification = fields
    return _new(Request, (server, identity, client, client_port, home_agent, lifetime, datapath_id, identification))
