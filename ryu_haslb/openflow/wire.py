"""OpenFlow 1.3 messages of the request path, packed by hand.

Ryu can build the same messages, a hundred times slower; the tests hold each against what Ryu builds.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple, Optional

from ryu_haslb.openflow.pipeline import (
    ETHERTYPE_IPV4,
    ETHERTYPE_VLAN,
    OFPP_CONTROLLER,
    PROTOCOL_UDP,
    SESSION_PRIORITY,
    Table,
)

OFP_VERSION = 4
OFPT_ERROR = 1
OFPT_EXPERIMENTER = 4
OFPT_PACKET_IN = 10
OFPT_PACKET_OUT = 13
OFPT_FLOW_MOD = 14
OFPT_MULTIPART_REQUEST = 18
OFPT_MULTIPART_REPLY = 19
OFPT_BARRIER_REQUEST = 20
OFPT_BARRIER_REPLY = 21

OFPP_TABLE = 0xFFFFFFF9
OFPP_FLOOD = 0xFFFFFFFB
OFPP_ANY = 0xFFFFFFFF
OFP_NO_BUFFER = 0xFFFFFFFF

OFPFC_ADD = 0
OFPFC_DELETE_STRICT = 4

_BUNDLE_EXPERIMENTER = 0x4F4E4600
_BUNDLE_CONTROL = 2300
_BUNDLE_ADD = 2301
_BUNDLE_OPEN = 0
_BUNDLE_COMMIT = 4
_ATOMIC = 3  # and ordered

HEADER = Struct("!BBHI")
_PACKET_OUT = Struct("!BBHIIIH6x")
_FLOW_MOD = Struct("!BBHIQQBBHHHIIIH2x")
_BUNDLE = Struct("!BBHIIIIHH")
_OUTPUT = Struct("!HHIH6x")
_ACTION = Struct("!HHI")
_INSTRUCTION = Struct("!HH4x")
_SESSION_MATCH = Struct("!HHI6sIHIBI4sIHx")

_OXM_ETH_DST = 0x80000606
_OXM_ETH_SRC = 0x80000806
_OXM_ETH_TYPE = 0x80000A02
_OXM_VLAN_VID = 0x80000C02
_OXM_IP_PROTO = 0x80001401
_OXM_IPV4_DST = 0x80001804
_OXM_UDP_DST = 0x80002002
_VLAN_PRESENT = 0x1000


def output(port: int) -> bytes:
    """Action: send the whole packet out of a port."""
    return _OUTPUT.pack(0, 16, port, 0xFFFF)


def _set_field(oxm: int, value: bytes) -> bytes:
    length = (8 + len(value) + 7) // 8 * 8
    return (_ACTION.pack(25, length, oxm) + value).ljust(length, b"\0")


def set_eth_src(address: bytes) -> bytes:
    """Action: rewrite the Ethernet source."""
    return _set_field(_OXM_ETH_SRC, address)


def set_eth_dst(address: bytes) -> bytes:
    """Action: rewrite the Ethernet destination."""
    return _set_field(_OXM_ETH_DST, address)


def set_ipv4_dst(address: bytes) -> bytes:
    """Action: rewrite the IPv4 destination; the switch mends the checksums."""
    return _set_field(_OXM_IPV4_DST, address)


def set_udp_dst(port: int) -> bytes:
    """Action: rewrite the UDP destination port."""
    return _set_field(_OXM_UDP_DST, port.to_bytes(2, "big"))


def push_vlan() -> bytes:
    """Action: give the frame an 802.1Q tag, which :func:`set_vlan` fills in."""
    return _OUTPUT.pack(17, 8, ETHERTYPE_VLAN << 16, 0)[:8]


def set_vlan(vlan: int) -> bytes:
    """Action: set the VLAN of the frame's tag."""
    return _set_field(_OXM_VLAN_VID, (vlan | _VLAN_PRESENT).to_bytes(2, "big"))


def packet_out(actions: bytes, frame: bytes) -> bytes:
    """Have the switch apply actions to a frame that comes from the controller."""
    length = 24 + len(actions) + len(frame)
    header = _PACKET_OUT.pack(OFP_VERSION, OFPT_PACKET_OUT, length, 0, OFP_NO_BUFFER, OFPP_CONTROLLER, len(actions))
    return header + actions + frame


_RETURN_HEAD = _ACTION.pack(25, 16, _OXM_ETH_SRC)
_RETURN_TAIL = b"\0\0" + output(OFPP_TABLE)


def return_to_session(tag: int) -> bytes:
    """Actions: mark the packet with a session's tag and run it through the tables."""
    return _RETURN_HEAD + tag.to_bytes(6, "big") + _RETURN_TAIL


class SessionRule(NamedTuple):
    """The rule of one session: its tag at the virtual address and port, the actions that lead to the real server."""

    cookie: int
    tag: int
    virtual_address: bytes
    port: int
    idle_timeout: int
    actions: bytes

    def flow_mod(self, xid: int, command: int) -> bytes:
        """The message that adds or deletes it; one that deletes needs no actions."""
        tag = self.tag.to_bytes(6, "big")
        match = _SESSION_MATCH.pack(
            *(1, 39, _OXM_ETH_SRC, tag, _OXM_ETH_TYPE, ETHERTYPE_IPV4, _OXM_IP_PROTO, PROTOCOL_UDP),
            *(_OXM_IPV4_DST, self.virtual_address, _OXM_UDP_DST, self.port),
        )
        instruction = _INSTRUCTION.pack(4, 8 + len(self.actions)) + self.actions
        head = _FLOW_MOD.pack(
            *(OFP_VERSION, OFPT_FLOW_MOD, 88 + len(instruction), xid, self.cookie, 0, Table.SESSIONS, command),
            *(self.idle_timeout, 0, SESSION_PRIORITY, OFP_NO_BUFFER, OFPP_ANY, OFPP_ANY, 0),
        )
        return head + match + instruction


def bundle(xid: int, bundle_id: int, messages: list[bytes]) -> bytes:
    """Messages that the switch carries out all together or not at all (ONF EXT-230); each must bear this ``xid``."""
    parts = [_bundle_control(xid, bundle_id, _BUNDLE_OPEN)]
    for message in messages:
        length = _BUNDLE.size + len(message)
        parts.append(
            _BUNDLE.pack(
                OFP_VERSION, OFPT_EXPERIMENTER, length, xid, _BUNDLE_EXPERIMENTER, _BUNDLE_ADD, bundle_id, 0, _ATOMIC
            )
        )
        parts.append(message)
    parts.append(_bundle_control(xid, bundle_id, _BUNDLE_COMMIT))
    return b"".join(parts)


def _bundle_control(xid: int, bundle_id: int, kind: int) -> bytes:
    head = (OFP_VERSION, OFPT_EXPERIMENTER, _BUNDLE.size, xid, _BUNDLE_EXPERIMENTER, _BUNDLE_CONTROL)
    return _BUNDLE.pack(*head, bundle_id, kind, _ATOMIC)


def barrier_request(xid: int) -> bytes:
    """Have the switch answer once all before this is done."""
    return HEADER.pack(OFP_VERSION, OFPT_BARRIER_REQUEST, 8, xid)


_PACKET_IN = Struct("!16xQHHII")
_OXM_IN_PORT = 0x80000004


def read_packet_in(message: bytes) -> Optional[tuple[int, int, bytes]]:
    """Cookie of the rule that punted, port and frame of an OpenFlow 1.3 packet-in; None when it has no port."""
    cookie, _, match_length, oxm, in_port = _PACKET_IN.unpack_from(message)
    match_end = 24 + match_length
    offset = 28
    while oxm != _OXM_IN_PORT:
        offset += 4 + (oxm & 0xFF)
        if offset + 8 > match_end:
            return None
        oxm = int.from_bytes(message[offset : offset + 4], "big")
        in_port = int.from_bytes(message[offset + 4 : offset + 8], "big")
    return cookie, in_port, message[26 + (match_length + 7 & ~7) :]
