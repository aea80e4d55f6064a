"""Messages of the request path are what Ryu packs and reads (OpenFlow 1.3.5); what a switch cuts short is an error."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from engine_messages import packed
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.engine import ofproto_common, ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow.wire import flow_mod, packet, wire
from ryu_haslb.openflow.wire.wire import MalformedMessage

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
MAC = b"\x02\x51\xb7\x00\x00\x01"
TAG = 0xEADAF5D49D37


def action(ryu_action: Any) -> bytes:
    """An action as Ryu packs it."""
    buffer = bytearray()
    ryu_action.serialize(buffer, 0)
    return bytes(buffer)


def constants() -> list[tuple[str, int]]:
    named = {**vars(wire), **vars(flow_mod)}
    return sorted((name, value) for name, value in named.items() if name.startswith(("OFP", "ONF")) and name.isupper())


@pytest.mark.parametrize(("name", "value"), constants())
def test_constants_have_the_names_and_numbers_of_openflow(name: str, value: int) -> None:
    known = {**vars(ofproto_common), **vars(ofproto_v1_3)}
    assert known[name] == value


def test_there_are_constants_to_compare() -> None:
    assert {"OFPT_PACKET_IN", "OFPP_TABLE", "OFPMPF_REPLY_MORE", "ONF_BCT_COMMIT_REQUEST"} <= dict(constants()).keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eth_src", "02:51:b7:00:00:01"),
        ("eth_dst", "02:51:b7:00:00:01"),
        ("ipv4_dst", "10.1.1.51"),
        ("udp_dst", 435),
        ("vlan_vid", 0x100F),
    ],
)
def test_set_field(name: str, value: wire.Value) -> None:
    assert wire.set_field(name, value) == action(ofproto_v1_3_parser.OFPActionSetField(**{name: value}))


def test_a_field_may_be_given_as_bytes() -> None:
    assert wire.set_field("eth_src", MAC) == wire.set_field("eth_src", "02:51:b7:00:00:01")
    assert wire.set_field("ipv4_dst", bytes([10, 1, 1, 51])) == wire.set_field("ipv4_dst", "10.1.1.51")


@pytest.mark.parametrize("name", sorted(wire.OXM_FIELDS))
def test_what_stands_in_front_of_the_value_of_a_field_without_a_mask(name: str) -> None:
    """Class, number, no mask, length of the value (OpenFlow 1.3.5, section 7.2.3.2)."""
    match = bytearray()
    ofproto_v1_3_parser.OFPMatch(**{name: 0}).serialize(match, 0)
    length = int.from_bytes(match[2:4], "big")
    value = length - 8
    assert wire.oxm_prefix(name) == match[4:8]
    assert wire.oxm(name, bytes(value)) == wire.oxm_prefix(name) + bytes(value) == match[4:length]


@pytest.mark.parametrize("port", [3, wire.OFPP_CONTROLLER, wire.OFPP_NORMAL, wire.OFPP_FLOOD])
def test_output(port: int) -> None:
    assert wire.output(port) == action(ofproto_v1_3_parser.OFPActionOutput(port, ofproto_v1_3.OFPCML_NO_BUFFER))


def test_push_vlan() -> None:
    push = action(ofproto_v1_3_parser.OFPActionPushVlan(0x8100))
    vlan = action(ofproto_v1_3_parser.OFPActionSetField(vlan_vid=ofproto_v1_3.OFPVID_PRESENT | 15))
    assert wire.push_vlan(15) == push + vlan


def returned(frame: bytes) -> Any:
    parser = ofproto_v1_3_parser
    actions = [
        parser.OFPActionSetField(eth_src="ea:da:f5:d4:9d:37"),
        parser.OFPActionOutput(ofproto_v1_3.OFPP_TABLE, ofproto_v1_3.OFPCML_NO_BUFFER),
    ]
    return parser.OFPPacketOut(
        DATAPATH, ofproto_v1_3.OFP_NO_BUFFER, ofproto_v1_3.OFPP_CONTROLLER, actions, frame or None
    )


@pytest.mark.parametrize("frame", [b"", b"frame", bytes(range(100))])
def test_a_packet_out_that_returns_a_request_to_its_session(frame: bytes) -> None:
    assert packet.packet_out(packet.return_to_session(TAG), frame) == packed(returned(frame))
    assert packet.packet_out_to_session(TAG, frame) == packed(returned(frame))
    assert packet.numbered_packet_out(7, packet.return_to_session(TAG), frame) == packed(returned(frame), 7)


def test_only_that_packet_out_is_recognized_in_an_error() -> None:
    message = packed(returned(b"frame"))
    assert packet.is_return_to_session(message)
    assert packet.is_return_to_session(message[:48])
    assert not packet.is_return_to_session(message[:47])
    assert not packet.is_return_to_session(b"")
    assert not packet.is_return_to_session(packet.packet_out(wire.set_field("eth_src", MAC) + wire.output(3), b"frame"))


def test_what_a_packet_out_does_is_recognized_in_an_error() -> None:
    flooding = packet.packet_out(wire.output(wire.OFPP_FLOOD), b"frame")
    dispatching = packet.packet_out(wire.set_field("eth_src", MAC) + wire.output(3), b"frame")
    barrier = wire.barrier_request(5)
    assert [packet.is_flood_packet_out(each) for each in (flooding, dispatching, barrier)] == [True, False, False]
    assert [packet.is_request_packet_out(each) for each in (flooding, dispatching, barrier)] == [False, True, False]


def test_barrier_request() -> None:
    assert wire.barrier_request(5) == packed(ofproto_v1_3_parser.OFPBarrierRequest(DATAPATH), 5)


def test_echo_request_and_reply() -> None:
    request = packed(ofproto_v1_3_parser.OFPEchoRequest(DATAPATH, b"data"), 5)
    assert wire.echo_request(5) == packed(ofproto_v1_3_parser.OFPEchoRequest(DATAPATH), 5)
    assert wire.echo_reply(5, request) == packed(ofproto_v1_3_parser.OFPEchoReply(DATAPATH, b"data"), 5)


def test_the_error_for_a_peer_without_openflow_1_3() -> None:
    failed = ofproto_v1_3.OFPET_HELLO_FAILED, ofproto_v1_3.OFPHFC_INCOMPATIBLE
    assert wire.hello_failed("1.3 only") == packed(ofproto_v1_3_parser.OFPErrorMsg(DATAPATH, *failed, b"1.3 only"))


def test_flow_removed() -> None:
    match = bytes(flow_mod.match({"eth_src": MAC}))
    body = struct.pack("!QHBBIIHHQQ", 0x951B7, 50000, ofproto_v1_3.OFPRR_DELETE, 1, 0, 0, 10, 0, 3, 300) + match
    message = wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_FLOW_REMOVED, 8 + len(body), 0) + body
    read_by_ryu = ofproto_v1_3_parser.OFPFlowRemoved.parser(
        DATAPATH, wire.OFP_VERSION, wire.OFPT_FLOW_REMOVED, len(message), 0, bytearray(message)
    )
    assert wire.read_flow_removed(message) == (read_by_ryu.cookie, read_by_ryu.reason)
    with pytest.raises(MalformedMessage, match="flow-removed message of 18 bytes"):
        wire.read_flow_removed(message[:18])


def test_error() -> None:
    message = packed(ofproto_v1_3_parser.OFPErrorMsg(DATAPATH, type_=1, code=4, data=b"what was rejected"))
    assert wire.read_error(message) == wire.Error(1, 4, b"what was rejected")
    with pytest.raises(MalformedMessage, match="error message of 11 bytes: expected 12 or more"):
        wire.read_error(message[:11])


def test_the_error_about_a_message_in_a_bundle_names_that_message() -> None:
    """Open vSwitch repeats the bundle-add message (ONF EXT-230) that has brought it."""
    rejected = flow_mod.FlowMod(wire.OFPFC_ADD, 1, 0x1251B7).pack(7)
    added = flow_mod.bundle(7, 7, [rejected])[24:-24]
    message = wire.HEADER.pack(4, wire.OFPT_ERROR, 12 + len(added), 7) + struct.pack("!HH", 5, 1) + added
    error = wire.read_error(message)
    assert error == wire.Error(5, 1, rejected)
    assert (error.is_table_full, error.table) == (True, 1)
    assert wire.read_error(message[:40]).table is None, "it is cut short"


def packet_in(match: Any, frame: bytes, cookie: int = 0x151B7) -> bytes:
    body = struct.pack("!IHBBQ", wire.OFP_NO_BUFFER, len(frame), 1, 0, cookie)
    fields = bytearray()
    match.serialize(fields, 0)
    payload = body + bytes(fields) + b"\0\0" + frame
    return wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_PACKET_IN, 8 + len(payload), 0) + payload


def test_an_error_is_written_with_the_name_of_its_reason() -> None:
    assert str(wire.Error(wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_TABLE_FULL, b"")) == "OFPFMFC_TABLE_FULL"


@pytest.mark.parametrize(
    "extra", [{}, {"metadata": 7}, {"metadata": (7, 15)}, {"vlan_vid": 0x100F, "eth_dst": "02:51:b7:00:00:01"}]
)
def test_packet_in_wherever_the_port_stands_in_the_match(extra: dict[str, Any]) -> None:
    message = packet_in(ofproto_v1_3_parser.OFPMatch(**extra, in_port=5), b"frame")
    read_by_ryu = ofproto_v1_3_parser.OFPPacketIn.parser(
        DATAPATH, wire.OFP_VERSION, wire.OFPT_PACKET_IN, len(message), 0, bytearray(message)
    )
    assert packet.read_packet_in(message) == (
        read_by_ryu.cookie,
        read_by_ryu.match["in_port"],
        bytes(read_by_ryu.data),
    )
    fields = ofproto_v1_3_parser.OFPMatch(**extra, in_port=5)
    fields.fields2 = fields._fields2 = fields._fields2[::-1]
    assert packet.read_packet_in(packet_in(fields, b"frame")) == (0x151B7, 5, b"frame")


@pytest.mark.parametrize("fields", [{}, {"metadata": 7, "eth_dst": "02:51:b7:00:00:01"}])
def test_packet_in_without_a_port(fields: dict[str, Any]) -> None:
    assert packet.read_packet_in(packet_in(ofproto_v1_3_parser.OFPMatch(**fields), b"frame")) is None


@pytest.mark.parametrize("match_length", [0, 3, 5, 11, 13, 40, 0xFFFF])
def test_a_match_whose_length_lies_is_an_error(match_length: int) -> None:
    message = bytearray(packet_in(ofproto_v1_3_parser.OFPMatch(metadata=7), b"frame"))
    message[26:28] = match_length.to_bytes(2, "big")
    with pytest.raises(MalformedMessage):
        packet.read_packet_in(bytes(message))


@given(st.binary(max_size=120))
def test_any_bytes_are_a_packet_in_or_an_error(data: bytes) -> None:
    try:
        found = packet.read_packet_in(data)
    except MalformedMessage as error:
        assert str(error)
    else:
        assert found is None or data.endswith(found[2])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"in_port": 5},
        {"eth_src": ("02:51:b7:00:00:00", "ff:ff:ff:00:00:00"), "eth_type": 0x0800, "ipv4_dst": "10.1.1.10"},
        {"metadata": (7, 15), "arp_spa": ("10.1.1.0", "255.255.255.0"), "tcp_src": 80},
    ],
)
def test_the_fields_of_a_match_are_read_as_ryu_writes_them(fields: dict[str, Any]) -> None:
    """OpenFlow 1.3.5, section 7.2.3.2: class, number and mask in the header; mask behind the value."""
    buffer = bytearray()
    length = ofproto_v1_3_parser.OFPMatch(**fields).serialize(buffer, 0)
    message = b"before" + bytes(buffer)
    end = 6 + int.from_bytes(buffer[2:4], "big")
    assert end <= 6 + length
    read_by_ryu = []
    at = 4
    while at < end - 6:
        number, value, mask, size = ofproto_v1_3.oxm_parse(bytes(buffer), at)
        header = 0x8000 << 16 | number << 9 | (mask is not None) << 8 | size - 4
        read_by_ryu.append((header, value + (mask or b"")))
        at += size
    assert list(wire.oxm_fields(message, 10, end)) == read_by_ryu
    assert len(read_by_ryu) == len(fields)


@given(st.binary(max_size=60), st.integers(0, 70))
def test_a_match_field_is_found_or_missing_or_an_error(data: bytes, end: int) -> None:
    header = wire.oxm_header("in_port")
    try:
        value = wire.find_oxm(data, 0, end, header)
    except MalformedMessage:
        return
    assert end <= len(data)
    assert value is None or header.to_bytes(4, "big") + value in data[:end]
