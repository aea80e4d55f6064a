"""Handshake and features are asked for and read as Ryu does (OpenFlow 1.3.5, sections 7.3.1 and 7.3.5)."""

from __future__ import annotations

import struct
from typing import Any, Callable

import pytest
from engine_messages import packed
from fake_switch import message

from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow.sockets.screening import State, Treatment, screen
from ryu_haslb.openflow.wire import handshake, wire
from ryu_haslb.openflow.wire.description import OFPMP_DESC, description_request, read_description
from ryu_haslb.openflow.wire.features import (
    OFPMP_GROUP_FEATURES,
    OFPMP_METER_FEATURES,
    OFPMP_PORT_STATS,
    OFPMP_TABLE_FEATURES,
    features_request,
    max_groups,
    max_meters,
    port_stats_request,
    sent_packets,
    table_features,
)
from ryu_haslb.openflow.wire.wire import MalformedMessage

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
parser: Any = ofproto_v1_3_parser
ofp: Any = ofproto_v1_3


def reply(kind: int, rows: bytes) -> bytes:
    return message(wire.OFPT_MULTIPART_REPLY, 7, struct.pack("!HH4x", kind, 0) + rows)


def read_by_ryu(data: bytes) -> Any:
    return parser.OFPMultipartReply.parser(
        DATAPATH, wire.OFP_VERSION, wire.OFPT_MULTIPART_REPLY, len(data), 7, bytearray(data)
    ).body


TABLE_ROWS = b"".join(
    struct.pack("!HB5x32sQQII", 64 + 8, number, b"classifier", 0, 0, 0, size) + struct.pack("!HH4x", 0, 4)
    for number, size in ((0, 2000), (1, 1_000_000))
)
TABLES = reply(OFPMP_TABLE_FEATURES, TABLE_ROWS)
METERS = reply(OFPMP_METER_FEATURES, struct.pack("!IIIBBxx", 4096, 2, 15, 1, 0))
GROUPS = reply(OFPMP_GROUP_FEATURES, struct.pack("!II4I4I", 15, 0, 100, 200, 300, 400, 1, 2, 3, 4))
PORTS = reply(OFPMP_PORT_STATS, b"".join(struct.pack("!I4x12QII", n, *range(12), 0, 0) for n in (1, 9)))


DESCRIPTION = reply(OFPMP_DESC, struct.pack("!256s256s256s32s256s", b"maker", b"chassis", b"3.1", b"17", b"rack 5"))


@pytest.mark.parametrize(
    ("ours", "ryus"),
    [
        (handshake.features_request(7), parser.OFPFeaturesRequest(DATAPATH)),
        (handshake.set_config(7), parser.OFPSetConfig(DATAPATH, ofp.OFPC_FRAG_NORMAL, ofp.OFPCML_NO_BUFFER)),
        (handshake.port_description_request(7), parser.OFPPortDescStatsRequest(DATAPATH, 0)),
        (description_request(7), parser.OFPDescStatsRequest(DATAPATH, 0)),
        (port_stats_request(7), parser.OFPPortStatsRequest(DATAPATH, 0, ofp.OFPP_ANY)),
        (features_request(7, 8), parser.OFPGroupFeaturesStatsRequest(DATAPATH, 0)),
        (features_request(7, 11), parser.OFPMeterFeaturesStatsRequest(DATAPATH, 0)),
        (features_request(7, 12), parser.OFPTableFeaturesStatsRequest(DATAPATH, 0)),
    ],
)
def test_requests_are_those_of_ryu(ours: bytes, ryus: Any) -> None:
    assert ours == packed(ryus, 7)


def test_the_hello_is_that_of_the_engine() -> None:
    """It has no body: older versions of CPqD's switch (BOFUSS) reject a hello with one."""
    hello = handshake.hello(7)
    assert hello == packed(parser.OFPHello(DATAPATH), 7)
    assert screen(State.HELLO, wire.OFP_VERSION, wire.OFPT_HELLO, hello) == (Treatment.PARSE, hello)


@pytest.mark.parametrize("bitmap", [(0x12,), (0x72, 0, 0x1), (0,)])
def test_the_versions_that_a_hello_offers_are_read_as_by_ryu(bitmap: tuple[int, ...]) -> None:
    """Elements of whole eight bytes: Ryu does not skip what fills up others."""
    element = struct.pack("!HH", 1, 4 + 4 * len(bitmap)) + b"".join(each.to_bytes(4, "big") for each in bitmap)
    hello = message(wire.OFPT_HELLO, 7, element)
    (read,) = parser.OFPHello.parser(DATAPATH, 4, 0, len(hello), 7, bytearray(hello)).elements
    assert sorted(handshake.offered_versions(hello)) == sorted(read.versions)


def test_a_hello_offers_no_versions_that_a_header_cannot_have() -> None:
    """Half a million bits took 0.2 s, of a peer that nothing is known of."""
    bitmap = struct.pack("!HH", 1, 65_524) + b"\xff" * 65_520
    assert list(handshake.offered_versions(message(wire.OFPT_HELLO, 7, bitmap))) == list(range(256))
    again = struct.pack("!HHI", 1, 8, 0x10) + struct.pack("!HHI", 1, 8, 0x12) * 8000
    assert list(handshake.offered_versions(message(wire.OFPT_HELLO, 7, again))) == [4]


def test_replies_are_read_as_by_ryu() -> None:
    tables = read_by_ryu(TABLES)
    assert list(table_features(TABLES)) == [(each.table_id, each.max_entries) for each in tables]
    assert len(tables) == 2
    assert max_meters(METERS) == read_by_ryu(METERS)[0].max_meter == 4096
    assert max_groups(GROUPS) == read_by_ryu(GROUPS).max_groups[0] == 100
    sent = {each.port_no: each.tx_packets for each in read_by_ryu(PORTS)}
    assert sent_packets(PORTS) == sent == {1: 1, 9: 1}
    described = read_by_ryu(DESCRIPTION)
    texts = described.mfr_desc, described.hw_desc, described.sw_desc, described.serial_num
    assert read_description(DESCRIPTION) == tuple(each.rstrip(b"\0").decode() for each in texts)
    assert read_description(DESCRIPTION) == ("maker", "chassis", "3.1", "17")
    features = message(wire.OFPT_FEATURES_REPLY, 1, struct.pack("!QIBB2xII", 1 << 60 | 5, 0, 254, 3, 0, 0))
    read = parser.OFPSwitchFeatures.parser(DATAPATH, 4, wire.OFPT_FEATURES_REPLY, 32, 1, bytearray(features))
    assert handshake.read_features(features) == (read.datapath_id, read.n_tables, read.auxiliary_id)
    assert handshake.read_features(features) == (1 << 60 | 5, 254, 3)


READERS: tuple[tuple[Callable[[bytes], Any], bytes], ...] = (
    (lambda data: list(table_features(data)), TABLES),
    (max_meters, METERS),
    (max_groups, GROUPS),
    (sent_packets, PORTS),
    (handshake.read_features, message(wire.OFPT_FEATURES_REPLY, 1, bytes(13))),
)


@pytest.mark.parametrize(("read", "whole"), READERS)
def test_a_reply_that_is_cut_short_or_of_another_type_is_an_error(read: Callable[[bytes], Any], whole: bytes) -> None:
    for end in range(len(whole)):
        try:
            read(whole[:end])
        except MalformedMessage as error:
            assert str(error)
    with pytest.raises(MalformedMessage):
        read(whole[:12])
    if whole[1] == wire.OFPT_MULTIPART_REPLY:
        with pytest.raises(MalformedMessage, match="expected type"):
            read(whole[:9] + b"\x7f" + whole[10:])


@pytest.mark.parametrize("length", [0, 8, 63, 0xFFFF])
def test_a_table_whose_length_lies_is_an_error(length: int) -> None:
    lying = TABLES[:16] + length.to_bytes(2, "big") + TABLES[18:]
    with pytest.raises(MalformedMessage, match="a length of"):
        list(table_features(lying))
