"""The OpenFlow messages that tests play to the simulated switch and to Open vSwitch, made by the engine."""

from __future__ import annotations

import struct
from typing import Any

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS

MARK = 0x51B7
TAG = "02:11:22:33:44:55"

ofp: Any = ofproto_v1_3
parser: Any = ofproto_v1_3_parser
PROTOCOL = ofproto_protocol.ProtocolDesc(version=ofp.OFP_VERSION)
_HEADER = struct.Struct("!BBHI")
_BUNDLE = struct.Struct("!BBHIIIIHH")

FRAME = bytes(
    Ether(src="02:00:00:00:00:01", dst="02:51:b7:00:00:01")
    / IP(src="15.1.1.51", dst="10.1.1.10")
    / UDP(sport=434, dport=434)
    / (bytes([1, 0, 2, 88]) + bytes(20))
)


def message(built: Any, xid: int) -> bytes:
    """The bytes of a message of the engine."""
    built.set_xid(xid)
    built.serialize()
    return bytes(built.buf)


def bundle(xid: int, messages: list[bytes]) -> bytes:
    """Messages in a bundle that is opened and committed (ONF EXT-230)."""

    def control(kind: int) -> bytes:
        return _BUNDLE.pack(4, ofp.OFPT_EXPERIMENTER, 24, xid, 0x4F4E4600, 2300, 7, kind, 3)

    parts = [control(0)]
    for each in messages:
        head = _BUNDLE.pack(4, ofp.OFPT_EXPERIMENTER, 24 + len(each), xid, 0x4F4E4600, 2301, 7, 0, 3)
        parts.append(head + each)
    return b"".join([*parts, control(4)])


def flow_mod(command: int, table: int = 0, actions: Any = (), xid: int = 5, meter: int = 0, **options: Any) -> bytes:
    """A flow-mod; ``options`` are the engine's, ``match`` as a dictionary."""
    match = parser.OFPMatch(**options.pop("match", {}))
    instructions = [parser.OFPInstructionMeter(meter)] if meter else []
    if actions:
        instructions.append(parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, list(actions)))
    if "goto" in options:
        instructions.append(parser.OFPInstructionGotoTable(options.pop("goto")))
    options.setdefault("out_port", ofp.OFPP_ANY)
    options.setdefault("out_group", ofp.OFPG_ANY)
    built = parser.OFPFlowMod(
        PROTOCOL, table_id=table, command=command, match=match, instructions=instructions, **options
    )
    return message(built, xid)


def packet_out(*actions: Any, frame: bytes = FRAME, xid: int = 6) -> bytes:
    return message(parser.OFPPacketOut(PROTOCOL, ofp.OFP_NO_BUFFER, ofp.OFPP_CONTROLLER, list(actions), frame), xid)


def flow_stats(table: int = ofp.OFPTT_ALL, cookie: int = 0, mask: int = 0, match: Any = None) -> bytes:
    return message(_statistics_request(parser.OFPFlowStatsRequest, table, cookie, mask, match), 9)


def aggregate_stats(table: int = ofp.OFPTT_ALL, cookie: int = 0, mask: int = 0, match: Any = None) -> bytes:
    return message(_statistics_request(parser.OFPAggregateStatsRequest, table, cookie, mask, match), 9)


def table_stats() -> bytes:
    return message(parser.OFPTableStatsRequest(PROTOCOL, 0), 9)


def _statistics_request(make: Any, table: int, cookie: int, mask: int, match: Any) -> Any:
    return make(PROTOCOL, 0, table, ofp.OFPP_ANY, ofp.OFPG_ANY, cookie, mask, parser.OFPMatch(**match or {}))


def to_controller() -> Any:
    return parser.OFPActionOutput(ofp.OFPP_CONTROLLER, ofp.OFPCML_NO_BUFFER)


def to_table() -> Any:
    return parser.OFPActionOutput(ofp.OFPP_TABLE)


REQUEST = {"eth_type": 0x0800, "ip_proto": 17, "ipv4_dst": "10.1.1.10", "udp_dst": 434}
SESSION = {**REQUEST, "eth_src": TAG}


def session_rule(command: int = 0, **options: Any) -> bytes:
    rewrite = [parser.OFPActionSetField(eth_dst="02:00:0a:01:01:33"), parser.OFPActionSetField(ipv4_dst="10.1.1.51")]
    defaults = {"table": 1, "priority": 50000, "cookie": 0x1122330051B7, "match": SESSION}
    return flow_mod(command, actions=[*rewrite, to_controller()], **{**defaults, **options})


def classifier() -> bytes:
    match = {**REQUEST, "in_port": ofp.OFPP_CONTROLLER}
    return flow_mod(0, priority=50040, cookie=3 << COOKIE_MARK_BITS | MARK, match=match, goto=1)


def monitor(flags: int, table: int = ofp.OFPTT_ALL, number: int = 1, xid: int = 50, match: Any = None) -> bytes:
    """Open a flow monitor (ONF EXT-187)."""
    packed = bytearray()
    length: int = parser.OFPMatch(**match or {}).serialize(packed, 0)
    body = struct.pack("!IIIHHIB3x", 0x4F4E4600, 1870, number, flags, length, ofp.OFPP_ANY, table) + packed
    head = struct.pack("!HH4x", ofp.OFPMP_EXPERIMENTER, 0)
    return _HEADER.pack(4, ofp.OFPT_MULTIPART_REQUEST, 16 + len(body), xid) + head + body


def cancel_monitor(number: int = 1, xid: int = 51) -> bytes:
    """End a flow monitor."""
    return _HEADER.pack(4, ofp.OFPT_EXPERIMENTER, 20, xid) + struct.pack("!III", 0x4F4E4600, 1870, number)


def return_to_session() -> bytes:
    return packet_out(parser.OFPActionSetField(eth_src=TAG), to_table())


def role(kind: int, generation: int) -> bytes:
    return message(parser.OFPRoleRequest(PROTOCOL, kind, generation), 40)


#: The messages that empty a switch.
WIPE = flow_mod(ofp.OFPFC_DELETE, table=ofp.OFPTT_ALL) + message(
    parser.OFPMeterMod(PROTOCOL, ofp.OFPMC_DELETE, 0, ofp.OFPM_ALL, []), 1
)
