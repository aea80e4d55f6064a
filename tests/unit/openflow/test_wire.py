"""Messages packed by hand are what Ryu packs (OpenFlow 1.3.5; bundles: ONF EXT-230)."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.pipeline import SESSION_PRIORITY, Table

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
MAC = b"\x02\x51\xb7\x00\x00\x01"
TAG = 0xEADAF5D49D37


def packed(message: Any, xid: int = 0) -> bytes:
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


def actions() -> list[Any]:
    parser = ofproto_v1_3_parser
    return [
        parser.OFPActionSetField(eth_src="02:51:b7:00:00:01"),
        parser.OFPActionSetField(eth_dst="02:51:b7:00:00:01"),
        parser.OFPActionSetField(ipv4_dst="10.1.1.51"),
        parser.OFPActionSetField(udp_dst=435),
        parser.OFPActionPushVlan(0x8100),
        parser.OFPActionSetField(vlan_vid=0x1000 | 15),
        parser.OFPActionOutput(3, 0xFFFF),
    ]


HAND_MADE = (
    wire.set_eth_src(MAC)
    + wire.set_eth_dst(MAC)
    + wire.set_ipv4_dst(bytes([10, 1, 1, 51]))
    + wire.set_udp_dst(435)
    + wire.push_vlan()
    + wire.set_vlan(15)
    + wire.output(3)
)


def test_packet_out() -> None:
    frame = bytes(range(100))
    message = ofproto_v1_3_parser.OFPPacketOut(
        DATAPATH, ofproto_v1_3.OFP_NO_BUFFER, ofproto_v1_3.OFPP_CONTROLLER, actions(), frame
    )
    assert wire.packet_out(HAND_MADE, frame) == packed(message)


def test_return_to_session() -> None:
    message = ofproto_v1_3_parser.OFPPacketOut(
        DATAPATH,
        ofproto_v1_3.OFP_NO_BUFFER,
        ofproto_v1_3.OFPP_CONTROLLER,
        [
            ofproto_v1_3_parser.OFPActionSetField(eth_src="ea:da:f5:d4:9d:37"),
            ofproto_v1_3_parser.OFPActionOutput(ofproto_v1_3.OFPP_TABLE, 0xFFFF),
        ],
        b"frame",
    )
    assert wire.packet_out(wire.return_to_session(TAG), b"frame") == packed(message)


@pytest.mark.parametrize("command", [wire.OFPFC_ADD, wire.OFPFC_DELETE_STRICT])
def test_session_rule(command: int) -> None:
    parser = ofproto_v1_3_parser
    message = parser.OFPFlowMod(
        DATAPATH,
        cookie=0xEADAF5D49D3751B7,
        table_id=Table.SESSIONS,
        command=command,
        idle_timeout=300,
        priority=SESSION_PRIORITY,
        out_port=ofproto_v1_3.OFPP_ANY,
        out_group=ofproto_v1_3.OFPG_ANY,
        match=parser.OFPMatch(
            eth_src="ea:da:f5:d4:9d:37", eth_type=0x0800, ip_proto=17, ipv4_dst="10.1.1.10", udp_dst=434
        ),
        instructions=[parser.OFPInstructionActions(ofproto_v1_3.OFPIT_APPLY_ACTIONS, actions())],
    )
    rule = wire.SessionRule(0xEADAF5D49D3751B7, TAG, bytes([10, 1, 1, 10]), 434, 300, HAND_MADE)
    assert rule.flow_mod(7, command) == packed(message, 7)


def test_bundle() -> None:
    parser = ofproto_v1_3_parser
    flags = ofproto_v1_3.ONF_BF_ATOMIC | ofproto_v1_3.ONF_BF_ORDERED
    inner = [parser.OFPFlowMod(DATAPATH, priority=number) for number in (1, 2)]
    for each in inner:
        packed(each, 9)

    def control(kind: int) -> bytes:
        return packed(parser.ONFBundleCtrlMsg(DATAPATH, 9, kind, flags, []), 9)

    def add(message: Any) -> bytes:
        return packed(parser.ONFBundleAddMsg(DATAPATH, 9, flags, message, []), 9)

    expected = control(ofproto_v1_3.ONF_BCT_OPEN_REQUEST) + add(inner[0]) + add(inner[1])
    expected += control(ofproto_v1_3.ONF_BCT_COMMIT_REQUEST)
    assert wire.bundle(9, 9, [bytes(each.buf) for each in inner]) == expected


def test_barrier() -> None:
    assert wire.barrier_request(5) == packed(ofproto_v1_3_parser.OFPBarrierRequest(DATAPATH), 5)


def packet_in(match: Any, frame: bytes, cookie: int = 0x151B7) -> bytes:
    body = struct.pack("!IHBBQ", wire.OFP_NO_BUFFER, len(frame), 1, 0, cookie)
    fields = bytearray()
    match.serialize(fields, 0)
    payload = body + bytes(fields) + b"\0\0" + frame
    return wire.HEADER.pack(4, wire.OFPT_PACKET_IN, 8 + len(payload), 0) + payload


@pytest.mark.parametrize("extra", [{}, {"metadata": 7}, {"vlan_vid": 0x100F, "eth_dst": "02:51:b7:00:00:01"}])
def test_packet_in_wherever_the_port_stands_in_the_match(extra: dict[str, Any]) -> None:
    match = ofproto_v1_3_parser.OFPMatch(in_port=5, **extra)
    assert wire.read_packet_in(packet_in(match, b"frame")) == (0x151B7, 5, b"frame")
    backwards = ofproto_v1_3_parser.OFPMatch(**extra, in_port=5)
    assert wire.read_packet_in(packet_in(backwards, b"frame")) == (0x151B7, 5, b"frame")


def test_packet_in_without_a_port() -> None:
    match = ofproto_v1_3_parser.OFPMatch(metadata=7, eth_dst="02:51:b7:00:00:01")
    assert wire.read_packet_in(packet_in(match, b"frame")) is None


@given(st.binary(max_size=120))
def test_no_bytes_upset_the_reader_of_packet_ins(data: bytes) -> None:
    try:
        wire.read_packet_in(data)
    except struct.error:
        assert len(data) < 36
