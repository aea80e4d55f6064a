"""OpenFlow 1.3 messages, packed and unpacked by hand (OpenFlow 1.3.5, section 7).

This file has OpenFlow's constants, the header, match fields (OXM), actions, and the smallest messages.
``packet.py`` has packet-ins and packet-outs, ``flow_mod.py`` flow-mods, meter-mods and bundles,
``multipart.py`` the statistics, ``role.py`` the roles, ``flow_monitor.py`` the flow monitor.

Ryu builds the same messages, a hundred times slower. The tests compare each function with what Ryu builds or reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from socket import inet_aton
from struct import Struct
from typing import Final, NamedTuple, Optional, Union

from ryu_haslb.errors import HaslbError
from ryu_haslb.openflow.wire.error_names import error_name

OFP_VERSION = 4

OFPT_HELLO = 0
OFPT_ERROR = 1
OFPT_ECHO_REQUEST = 2
OFPT_ECHO_REPLY = 3
OFPT_EXPERIMENTER = 4
OFPT_FEATURES_REQUEST = 5
OFPT_FEATURES_REPLY = 6
OFPT_GET_CONFIG_REQUEST = 7
OFPT_SET_CONFIG = 9
OFPT_PACKET_IN = 10
OFPT_FLOW_REMOVED = 11
OFPT_PORT_STATUS = 12
OFPT_PACKET_OUT = 13
OFPT_FLOW_MOD = 14
OFPT_GROUP_MOD = 15
OFPT_PORT_MOD = 16
OFPT_TABLE_MOD = 17
OFPT_MULTIPART_REQUEST = 18
OFPT_MULTIPART_REPLY = 19
OFPT_BARRIER_REQUEST = 20
OFPT_BARRIER_REPLY = 21
OFPT_QUEUE_GET_CONFIG_REQUEST = 22
OFPT_ROLE_REQUEST = 24
OFPT_ROLE_REPLY = 25
OFPT_GET_ASYNC_REQUEST = 26
OFPT_SET_ASYNC = 28
OFPT_METER_MOD = 29

OFPP_MAX = 0xFFFFFF00
OFPP_TABLE = 0xFFFFFFF9
OFPP_NORMAL = 0xFFFFFFFA
OFPP_FLOOD = 0xFFFFFFFB
OFPP_ALL = 0xFFFFFFFC
OFPP_CONTROLLER = 0xFFFFFFFD
OFPP_LOCAL = 0xFFFFFFFE
OFPP_ANY = 0xFFFFFFFF
OFPG_ANY = 0xFFFFFFFF
OFP_NO_BUFFER = 0xFFFFFFFF
OFPCML_NO_BUFFER = 0xFFFF

OFPAT_OUTPUT = 0
OFPAT_PUSH_VLAN = 17
OFPAT_SET_FIELD = 25

OFPMT_OXM = 1
OFPXMC_OPENFLOW_BASIC = 0x8000
OFPXMT_OFB_IN_PORT = 0
OFPXMT_OFB_METADATA = 2
OFPXMT_OFB_ETH_DST = 3
OFPXMT_OFB_ETH_SRC = 4
OFPXMT_OFB_ETH_TYPE = 5
OFPXMT_OFB_VLAN_VID = 6
OFPXMT_OFB_IP_PROTO = 10
OFPXMT_OFB_IPV4_SRC = 11
OFPXMT_OFB_IPV4_DST = 12
OFPXMT_OFB_UDP_SRC = 15
OFPXMT_OFB_UDP_DST = 16
OFPXMT_OFB_ARP_OP = 21
OFPXMT_OFB_ARP_SPA = 22
OFPXMT_OFB_ARP_TPA = 23
OFPVID_NONE = 0
OFPVID_PRESENT = 0x1000

OFPTT_ALL = 0xFF
OFPFC_ADD = 0
OFPFC_MODIFY_STRICT = 2
OFPFC_DELETE = 3
OFPFC_DELETE_STRICT = 4
OFPFF_SEND_FLOW_REM = 1 << 0
OFPFF_CHECK_OVERLAP = 1 << 1
OFPRR_IDLE_TIMEOUT = 0
OFPIT_GOTO_TABLE = 1
OFPIT_WRITE_ACTIONS = 3
OFPIT_APPLY_ACTIONS = 4
OFPIT_METER = 6

OFPMC_ADD = 0
OFPMC_MODIFY = 1
OFPMC_DELETE = 2
OFPMF_PKTPS = 1 << 1
OFPMF_BURST = 1 << 2
OFPMF_STATS = 1 << 3
OFPMBT_DROP = 1
OFPM_ALL = 0xFFFFFFFF

OFPMP_FLOW = 1
OFPMP_AGGREGATE = 2
OFPMP_TABLE = 3
OFPMP_METER = 9
OFPMP_METER_CONFIG = 10
OFPMP_PORT_DESC = 13
OFPMP_EXPERIMENTER = 0xFFFF
OFPMPF_REPLY_MORE = 1

OFPPC_PORT_DOWN = 1 << 0
OFPPS_LINK_DOWN = 1 << 0
OFPPR_DELETE = 1

OFPET_HELLO_FAILED = 0
OFPET_BAD_REQUEST = 1
OFPET_BAD_ACTION = 2
OFPET_BAD_INSTRUCTION = 3
OFPET_BAD_MATCH = 4
OFPET_FLOW_MOD_FAILED = 5
OFPET_METER_MOD_FAILED = 12
OFPFMFC_UNKNOWN = 0
OFPFMFC_TABLE_FULL = 1
OFPFMFC_BAD_TABLE_ID = 2
OFPFMFC_EPERM = 4
OFPFMFC_BAD_TIMEOUT = 5
OFPFMFC_BAD_FLAGS = 7
OFPHFC_INCOMPATIBLE = 0
OFPBAC_BAD_OUT_PORT = 4
OFPBIC_UNKNOWN_INST = 0
OFPBIC_UNSUP_INST = 1
OFPBIC_BAD_TABLE_ID = 2
OFPBRC_BAD_EXPERIMENTER = 3
OFPBRC_IS_SLAVE = 10

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_VLAN = 0x8100
ETHERTYPE_SERVICE_VLAN = 0x88A8
PROTOCOL_UDP: Final = 17  # read for each request

#: Version, type, length and transaction id: the beginning of every message.
HEADER: Final = Struct("!BBHI")
_ERROR = Struct("!8xHH")
_FLOW_REMOVED = Struct("!8xQHB")
_OUTPUT: Final = Struct("!HHIH6x")
_PUSH_VLAN = Struct("!HHH2x")
_SET_FIELD: Final = Struct("!HH")
_OXM: Final = Struct("!I")

#: A match field's value: a number, an address as text or bytes, or an address and its mask as text.
Value = Union[int, str, bytes, tuple[str, str]]

#: Number and size in bytes of the match fields that we use, by their names in OpenFlow 1.3.5, section 7.2.3.7.
OXM_FIELDS: Mapping[str, tuple[int, int]] = {
    "in_port": (OFPXMT_OFB_IN_PORT, 4),
    "metadata": (OFPXMT_OFB_METADATA, 8),
    "eth_dst": (OFPXMT_OFB_ETH_DST, 6),
    "eth_src": (OFPXMT_OFB_ETH_SRC, 6),
    "eth_type": (OFPXMT_OFB_ETH_TYPE, 2),
    "vlan_vid": (OFPXMT_OFB_VLAN_VID, 2),
    "ip_proto": (OFPXMT_OFB_IP_PROTO, 1),
    "ipv4_src": (OFPXMT_OFB_IPV4_SRC, 4),
    "ipv4_dst": (OFPXMT_OFB_IPV4_DST, 4),
    "udp_src": (OFPXMT_OFB_UDP_SRC, 2),
    "udp_dst": (OFPXMT_OFB_UDP_DST, 2),
    "arp_op": (OFPXMT_OFB_ARP_OP, 2),
    "arp_spa": (OFPXMT_OFB_ARP_SPA, 4),
    "arp_tpa": (OFPXMT_OFB_ARP_TPA, 4),
}


class MalformedMessage(HaslbError, ValueError):  # noqa: N818 - the message is what is malformed
    """A message from a switch is cut short, or a length inside of it does not fit."""


def oxm_header(name: str, masked: bool = False) -> int:
    """The four bytes in front of a match field's value, and of its mask if it has one."""
    number, size = OXM_FIELDS[name]
    return OFPXMC_OPENFLOW_BASIC << 16 | number << 9 | masked << 8 | size << masked


def oxm_prefix(name: str) -> bytes:
    """The packed header of a match field without a mask."""
    return _OXM.pack(oxm_header(name))


def oxm(name: str, value: Value) -> bytes:
    """A match field (OXM TLV). Where the mask of a value has a zero bit, the value has one too (section 7.2.3.5)."""
    _, size = OXM_FIELDS[name]
    if not isinstance(value, tuple):
        return _OXM.pack(oxm_header(name)) + _field_bytes(value, size)
    address, mask = (_field_bytes(each, size) for each in value)
    return _OXM.pack(oxm_header(name, masked=True)) + bytes(a & m for a, m in zip(address, mask)) + mask


def _field_bytes(value: Union[int, str, bytes], size: int) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(size, "big")
    if isinstance(value, str):
        return bytes.fromhex(value.replace(":", "")) if ":" in value else inet_aton(value)
    return value


def oxm_fields(message: bytes, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Header and value (with its mask behind it, if it has one) of each match field between ``offset`` and ``end``.

    Raises:
        MalformedMessage: a field reaches beyond ``end``, or ``end`` is beyond the message.
    """
    while offset + _OXM.size <= end <= len(message):
        (header,) = _OXM.unpack_from(message, offset)
        value = offset + _OXM.size
        offset = value + (header & 0xFF)
        if offset > end:
            break
        yield header, message[value:offset]
    if offset != end:
        raise MalformedMessage(f"match field at byte {offset}: expected the end of the match at byte {end}")


def find_oxm(message: bytes, offset: int, end: int, header: int) -> Optional[bytes]:
    """The value of the first match field with this header; None if there is no such field.

    Raises:
        MalformedMessage: a field in front of it does not fit, as in :func:`oxm_fields`.
    """
    for found, value in oxm_fields(message, offset, end):
        if found == header:
            return value
    return None


def output(port: int) -> bytes:
    """Action: send the packet out of a port, all of it if that is the controller."""
    return _OUTPUT.pack(OFPAT_OUTPUT, _OUTPUT.size, port, OFPCML_NO_BUFFER)


def set_field(name: str, value: Value) -> bytes:
    """Action: rewrite a field of the packet; the switch corrects the checksums."""
    field = oxm(name, value)
    length = _SET_FIELD.size + len(field) + 7 & ~7
    return (_SET_FIELD.pack(OFPAT_SET_FIELD, length) + field).ljust(length, b"\0")


def push_vlan(vlan: int) -> bytes:
    """Actions: give the frame an 802.1Q tag with this VLAN."""
    push = _PUSH_VLAN.pack(OFPAT_PUSH_VLAN, _PUSH_VLAN.size, ETHERTYPE_VLAN)
    return push + set_field("vlan_vid", vlan | OFPVID_PRESENT)


#: Where a flow-mod has the number of its table (OpenFlow 1.3.5, section 7.3.4.1).
_FLOW_MOD_TABLE = 24


class Error(NamedTuple):
    """An error message: type, code, and the beginning of the message that the switch rejected."""

    type: int
    code: int
    data: bytes

    @property
    def is_table_full(self) -> bool:
        """Whether a flow-mod was rejected because the table has no room for another flow."""
        return (self.type, self.code) == (OFPET_FLOW_MOD_FAILED, OFPFMFC_TABLE_FULL)

    @property
    def is_about_timeout(self) -> bool:
        """Whether a flow-mod was rejected because the switch does not have its time-out, or the report of its end."""
        return self.type == OFPET_FLOW_MOD_FAILED and self.code in (OFPFMFC_BAD_TIMEOUT, OFPFMFC_BAD_FLAGS)

    @property
    def is_about_meter(self) -> bool:
        """Whether a flow-mod may have been rejected because of its meter: there is no such meter, or no instruction."""
        is_instruction = self.type == OFPET_BAD_INSTRUCTION and self.code in (OFPBIC_UNKNOWN_INST, OFPBIC_UNSUP_INST)
        return is_instruction or self.type == OFPET_METER_MOD_FAILED

    @property
    def table(self) -> Optional[int]:
        """The table of the flow-mod that was rejected; None if it was another message, or is cut short."""
        return self.data[_FLOW_MOD_TABLE] if self._is_about_flow_mod else None

    @property
    def cookie(self) -> Optional[int]:
        """The cookie of the flow-mod that was rejected; None if it was another message, or is cut short."""
        return int.from_bytes(self.data[8:16], "big") if self._is_about_flow_mod else None

    @property
    def _is_about_flow_mod(self) -> bool:
        return self.data[1:2] == bytes([OFPT_FLOW_MOD]) and len(self.data) > _FLOW_MOD_TABLE

    def __str__(self) -> str:
        """OpenFlow's name of the reason, or the numbers if it has none."""
        return error_name(self.type, self.code)


#: Experimenter and type of a bundle-add message, which has so many bytes before the message that it brings.
_BUNDLE_ADD: Final = bytes.fromhex("4f4e4600 000008fd")
_BUNDLE_ADD_HEADER: Final = 24


def read_error(message: bytes) -> Error:
    """Unpack an error message. ``data`` is the rejected message itself, also of one in a bundle.

    Open vSwitch repeats such a message in the bundle-add message that has brought it (ONF EXT-230).

    Raises:
        MalformedMessage: the message is cut short.
    """
    try:
        kind, code = _ERROR.unpack_from(message)
    except struct.error as error:
        raise MalformedMessage(f"error message of {len(message)} bytes: expected {_ERROR.size} or more") from error
    data = message[_ERROR.size :]
    is_bundle_add = data[1:2] == bytes([OFPT_EXPERIMENTER]) and data[8:16] == _BUNDLE_ADD
    return Error(kind, code, data[_BUNDLE_ADD_HEADER:] if is_bundle_add else data)


def hello_failed(text: str) -> bytes:
    """The error for a peer that does not offer OpenFlow 1.3; ``text`` is the explanation for its operator."""
    data = text.encode("ascii", "replace")
    length = HEADER.size + 4 + len(data)
    header = HEADER.pack(OFP_VERSION, OFPT_ERROR, length, 0)
    return header + struct.pack("!HH", OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE) + data


def read_flow_removed(message: bytes) -> tuple[int, int]:
    """The cookie of a rule that has left its table, and the reason (``OFPRR_...``).

    Raises:
        MalformedMessage: the message is cut short.
    """
    try:
        cookie, _, reason = _FLOW_REMOVED.unpack_from(message)
    except struct.error as error:
        raise MalformedMessage(
            f"flow-removed message of {len(message)} bytes: expected {_FLOW_REMOVED.size} or more"
        ) from error
    return cookie, reason


def echo_request(xid: int) -> bytes:
    """Have the switch show that it is there."""
    return HEADER.pack(OFP_VERSION, OFPT_ECHO_REQUEST, HEADER.size, xid)


def echo_reply(xid: int, request: bytes) -> bytes:
    """Answer an echo request, with the same data."""
    return HEADER.pack(OFP_VERSION, OFPT_ECHO_REPLY, len(request), xid) + request[HEADER.size :]


def barrier_request(xid: int) -> bytes:
    """Have the switch reply as soon as it has processed all that was sent before."""
    return HEADER.pack(OFP_VERSION, OFPT_BARRIER_REQUEST, HEADER.size, xid)
