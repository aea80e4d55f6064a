"""The messages of the OpenFlow 1.3 handshake (OpenFlow 1.3.5, sections 6.3.1, 7.3.1 and 7.5.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from ryu_haslb.openflow.wire.errors import ProtocolError
from ryu_haslb.openflow.wire.wire import (
    HEADER,
    OFP_VERSION,
    OFPCML_NO_BUFFER,
    OFPMP_PORT_DESC,
    OFPT_FEATURES_REQUEST,
    OFPT_HELLO,
    OFPT_MULTIPART_REQUEST,
    OFPT_SET_CONFIG,
    MalformedMessage,
)

_OFPHET_VERSIONBITMAP = 1
#: Bytes of a bitmap that stand for a version: a header has 8 bits for it.
_MAX_BITMAP = 256 // 8
_HELLO_ELEMENT = Struct("!HH")
_FEATURES_REPLY = Struct("!8xQIBB")
#: Bytes of a features reply. :func:`read_features` does not read the last ten.
FEATURES_REPLY_LENGTH = 32
_PORT_REQUEST = Struct("!BBHIHH4x")
_SET_CONFIG = Struct("!BBHIHH")
#: Fragments go through the tables as other packets do.
OFPC_FRAG_NORMAL = 0


class Features(NamedTuple):
    """The datapath id, the number of flow tables, and the number of an auxiliary connection; 0: the main one."""

    datapath_id: int
    tables: int
    auxiliary_id: int


def hello(xid: int) -> bytes:
    """Offer OpenFlow 1.3. Without a bitmap of versions: older versions of CPqD's switch reject a hello that has one."""
    return HEADER.pack(OFP_VERSION, OFPT_HELLO, HEADER.size, xid)


def offered_versions(message: bytes) -> Iterator[int]:
    """The versions in the first bitmap of a hello (section 7.5.1); none if it has no bitmap.

    Bits that stand for no version are not read: a hello may have half a million.

    Raises:
        ProtocolError: an element is cut short, or does not fit.
    """
    offset = HEADER.size
    while offset < len(message):
        try:
            kind, length = _HELLO_ELEMENT.unpack_from(message, offset)
        except struct.error as error:
            raise ProtocolError(
                f"a hello of {len(message)} bytes: its element at byte {offset} is cut short"
            ) from error
        if not _HELLO_ELEMENT.size <= length <= len(message) - offset:
            raise ProtocolError(f"a hello of {len(message)} bytes with an element of {length} bytes at byte {offset}")
        if kind == _OFPHET_VERSIONBITMAP:
            bitmap = message[offset + _HELLO_ELEMENT.size : offset + length][:_MAX_BITMAP]
            for place in range(0, len(bitmap) - 3, 4):
                bits = int.from_bytes(bitmap[place : place + 4], "big")
                yield from (place * 8 + bit for bit in range(32) if bits >> bit & 1)
            return
        offset += length + 7 & ~7


def features_request(xid: int) -> bytes:
    """Ask which switch it is."""
    return HEADER.pack(OFP_VERSION, OFPT_FEATURES_REQUEST, HEADER.size, xid)


def read_features(message: bytes) -> Features:
    """Unpack a features reply.

    Raises:
        MalformedMessage: the message is cut short.
    """
    try:
        datapath_id, _, tables, auxiliary_id = _FEATURES_REPLY.unpack_from(message)
    except struct.error as error:
        raise MalformedMessage(
            f"features reply of {len(message)} bytes: expected {FEATURES_REPLY_LENGTH} or more"
        ) from error
    return Features(datapath_id, tables, auxiliary_id)


def port_description_request(xid: int) -> bytes:
    """Ask for all ports."""
    return _PORT_REQUEST.pack(OFP_VERSION, OFPT_MULTIPART_REQUEST, _PORT_REQUEST.size, xid, OFPMP_PORT_DESC, 0)


def set_config(xid: int) -> bytes:
    """Have the switch send whole packets, and use no buffers, also where it goes by this and not by the action."""
    return _SET_CONFIG.pack(OFP_VERSION, OFPT_SET_CONFIG, _SET_CONFIG.size, xid, OFPC_FRAG_NORMAL, OFPCML_NO_BUFFER)
