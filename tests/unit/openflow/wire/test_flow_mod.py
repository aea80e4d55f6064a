"""Flow-mods, meter-mods and bundles are what Ryu packs (OpenFlow 1.3.5; bundles: ONF EXT-230)."""

from __future__ import annotations

from typing import Any

import pytest
from engine_messages import packed
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow.wire import flow_mod, wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)


def part(ryu_part: Any) -> bytes:
    """A match or an instruction as Ryu packs it."""
    buffer = bytearray()
    ryu_part.serialize(buffer, 0)
    return bytes(buffer)


addresses = st.ip_addresses(v=4).map(str)
macs = st.binary(min_size=6, max_size=6).map(lambda mac: mac.hex(":"))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "in_port": st.integers(0, 0xFFFFFFFF),
    "metadata": st.integers(0, 2**64 - 1),
    "eth_dst": macs,
    "eth_src": macs | st.tuples(macs, macs),
    "eth_type": st.integers(0, 0xFFFF),
    "vlan_vid": st.integers(0, 0x1FFF),
    "ip_proto": st.integers(0, 255),
    "ipv4_src": addresses | st.tuples(addresses, addresses),
    "ipv4_dst": addresses,
    "udp_src": st.integers(0, 0xFFFF),
    "udp_dst": st.integers(0, 0xFFFF),
    "arp_op": st.integers(0, 0xFFFF),
    "arp_spa": addresses,
    "arp_tpa": addresses,
}


@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_match(wanted: dict[str, Any]) -> None:
    assert flow_mod.match(wanted) == part(ofproto_v1_3_parser.OFPMatch(**wanted))


@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_the_match_of_packed_fields(wanted: dict[str, Any]) -> None:
    """Fields that a switch has reported make the same match again: header, and zeros up to a multiple of eight."""
    reported = part(ofproto_v1_3_parser.OFPMatch(**wanted))
    length = int.from_bytes(reported[2:4], "big")
    assert flow_mod.match_of(reported[4:length]) == reported


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**32 - 1))
def test_a_template_makes_the_flow_mods_that_differ_by_tag_and_transaction_id(tag: int, xid: int) -> None:
    def rule(tag: int) -> FlowMod:
        matched = flow_mod.match({"eth_src": tag, "eth_type": 0x800, "ipv4_dst": "10.1.1.10"})
        return FlowMod(wire.OFPFC_ADD, 1, tag << 16 | 0x51B7, priority=50000, match=matched)

    template = flow_mod.with_xid(xid, flow_mod.template_of(rule(0)))
    assert flow_mod.with_tag(tag, template) == rule(tag).pack(xid)


def test_all_fields_that_we_name_are_tried() -> None:
    assert FIELDS.keys() == wire.OXM_FIELDS.keys()


def test_instructions() -> None:
    parser = ofproto_v1_3_parser
    assert flow_mod.goto_table(1) == part(parser.OFPInstructionGotoTable(1))
    assert flow_mod.meter(0x51B7) == part(parser.OFPInstructionMeter(0x51B7))
    actions = [parser.OFPActionSetField(udp_dst=435), parser.OFPActionOutput(3, ofproto_v1_3.OFPCML_NO_BUFFER)]
    for number in range(3):
        expected = part(parser.OFPInstructionActions(ofproto_v1_3.OFPIT_APPLY_ACTIONS, actions[:number]))
        ours = [wire.set_field("udp_dst", 435), wire.output(3)][:number]
        assert flow_mod.apply_actions(b"".join(ours)) == expected


@pytest.mark.parametrize("command", [wire.OFPFC_ADD, wire.OFPFC_DELETE, wire.OFPFC_DELETE_STRICT])
def test_flow_mod(command: int) -> None:
    parser = ofproto_v1_3_parser
    message = parser.OFPFlowMod(
        DATAPATH,
        cookie=0xEADAF5D49D3751B7,
        cookie_mask=0xFFFF,
        table_id=1,
        command=command,
        idle_timeout=300,
        priority=50000,
        out_port=ofproto_v1_3.OFPP_ANY,
        out_group=ofproto_v1_3.OFPG_ANY,
        flags=ofproto_v1_3.OFPFF_CHECK_OVERLAP,
        match=parser.OFPMatch(in_port=3),
        instructions=[parser.OFPInstructionGotoTable(1)],
    )
    match, instructions = flow_mod.match({"in_port": 3}), flow_mod.goto_table(1)
    ours = FlowMod(command, 1, 0xEADAF5D49D3751B7, 0xFFFF, 50000, 300, wire.OFPFF_CHECK_OVERLAP, match, instructions)
    assert ours.pack(7) == packed(message, 7)


def test_a_flow_mod_that_deletes_by_cookie() -> None:
    message = ofproto_v1_3_parser.OFPFlowMod(
        DATAPATH,
        cookie=0x51B7,
        cookie_mask=0xFFFF,
        table_id=ofproto_v1_3.OFPTT_ALL,
        command=ofproto_v1_3.OFPFC_DELETE,
        priority=0,
        out_port=ofproto_v1_3.OFPP_ANY,
        out_group=ofproto_v1_3.OFPG_ANY,
    )
    assert FlowMod(wire.OFPFC_DELETE, wire.OFPTT_ALL, 0x51B7, 0xFFFF).pack(3) == packed(message, 3)


@pytest.mark.parametrize("command", [wire.OFPMC_ADD, wire.OFPMC_MODIFY, wire.OFPMC_DELETE])
def test_meter_mod(command: int) -> None:
    flags = ofproto_v1_3.OFPMF_PKTPS | ofproto_v1_3.OFPMF_BURST | ofproto_v1_3.OFPMF_STATS
    deleted = command == wire.OFPMC_DELETE
    bands = [] if deleted else [ofproto_v1_3_parser.OFPMeterBandDrop(50_000, 5000)]
    message = ofproto_v1_3_parser.OFPMeterMod(DATAPATH, command, flags, 0x51B7, bands)
    rate = None if deleted else 50_000
    assert flow_mod.meter_mod(8, command, 0x51B7, rate, 5000) == packed(message, 8)


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
    assert flow_mod.bundle(9, 9, [bytes(each.buf) for each in inner]) == expected
