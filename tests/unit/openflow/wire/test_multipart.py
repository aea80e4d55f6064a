"""Statistics are asked for and read as Ryu does (OpenFlow 1.3.5, section 7.3.5); a switch may lie about lengths."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest
from engine_messages import packed
from hypothesis import given
from hypothesis import strategies as st
from statistics_replies import FlowRow, aggregate_stats_reply, flow_stats_reply, meter_stats_reply, table_stats_reply

from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow.wire import flow_mod, multipart, wire
from ryu_haslb.openflow.wire.wire import MalformedMessage

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
parser = ofproto_v1_3_parser


APPLY = flow_mod.apply_actions(wire.output(3))
FLOWS = (
    FlowRow(
        0x151B7,
        flow_mod.match({"eth_src": "ea:da:f5:d4:9d:37", "eth_type": 0x0800, "ipv4_dst": "10.1.1.10"}),
        flow_mod.meter(9) + APPLY,
    ),
    FlowRow(0x251B7, flow_mod.match({"ipv4_dst": ("10.1.1.0", "255.255.255.0")}), table=0, priority=7),
    FlowRow(0x351B7, instructions=flow_mod.goto_table(2)),
)


def read_by_ryu(reply: bytes) -> Any:
    return parser.OFPMultipartReply.parser(
        DATAPATH, wire.OFP_VERSION, wire.OFPT_MULTIPART_REPLY, len(reply), 7, bytearray(reply)
    )


def test_flow_stats_request() -> None:
    message = parser.OFPFlowStatsRequest(
        DATAPATH, 0, 1, ofproto_v1_3.OFPP_ANY, ofproto_v1_3.OFPG_ANY, 0x51B7, 0xFFFF, parser.OFPMatch()
    )
    assert multipart.flow_stats_request(7, 1, 0x51B7, 0xFFFF) == packed(message, 7)


def test_rule_count_request_of_what_a_match_selects() -> None:
    fields = {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 434}
    for make, ours in (
        (parser.OFPAggregateStatsRequest, multipart.rule_count_request),
        (parser.OFPFlowStatsRequest, multipart.flow_stats_request),
    ):
        selected = 1, ofproto_v1_3.OFPP_ANY, ofproto_v1_3.OFPG_ANY, 0x51B6, 1
        message = make(DATAPATH, 0, *selected, parser.OFPMatch(**fields))
        assert ours(7, 1, 0x51B6, 1, flow_mod.match(fields)) == packed(message, 7)


def test_rule_count_is_read_as_by_ryu() -> None:
    reply = aggregate_stats_reply(200_000)
    assert multipart.rule_count(reply) == read_by_ryu(reply).body.flow_count == 200_000


@pytest.mark.parametrize("reply", [table_stats_reply({}), aggregate_stats_reply(1)[:-1], aggregate_stats_reply(1)[:9]])
def test_another_reply_has_no_rule_count(reply: bytes) -> None:
    with pytest.raises(MalformedMessage):
        multipart.rule_count(reply)


def test_meter_stats_request() -> None:
    message = parser.OFPMeterStatsRequest(DATAPATH, 0, ofproto_v1_3.OFPM_ALL)
    assert multipart.meter_stats_request(7) == packed(message, 7)


def test_meter_config_request() -> None:
    message = parser.OFPMeterConfigStatsRequest(DATAPATH, 0, ofproto_v1_3.OFPM_ALL)
    assert multipart.meter_config_request(7) == packed(message, 7)


def test_table_stats_request() -> None:
    assert multipart.table_stats_request(7) == packed(parser.OFPTableStatsRequest(DATAPATH, 0), 7)


def test_rules_of_tables_are_counted_as_by_ryu() -> None:
    reply = table_stats_reply({0: 17, 1: 1_000_000, 254: 0})
    assert multipart.table_stats(reply) == {each.table_id: each.active_count for each in read_by_ryu(reply).body}
    assert multipart.table_stats(reply) == {0: 17, 1: 1_000_000, 254: 0}


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("make", [flow_stats_reply, meter_stats_reply])
def test_the_type_of_a_reply_is_read_as_by_ryu(make: Any, more: bool) -> None:
    reply = make(more=more)
    assert multipart.multipart_type(reply) == read_by_ryu(reply).type
    assert multipart.is_marked_as_continued(reply) is more
    with pytest.raises(MalformedMessage):
        multipart.multipart_type(reply[:15])
    assert not multipart.is_marked_as_continued(reply[:10])


def test_meter_rates_are_read_and_a_length_that_lies_is_named() -> None:
    """OpenFlow 1.3.5, section 7.3.5.9."""
    head = bytes([4, 19, 0, 64, 0, 0, 0, 7, 0, 10, 0, 0, 0, 0, 0, 0])
    band = bytes([0, 1, 0, 16, 0, 0, 0, 50, 0, 0, 0, 5, 0, 0, 0, 0])
    rows = bytes([0, 24, 0, 14, 0, 0, 0, 3]) + band + bytes([0, 24, 0, 13, 0, 0, 0, 4]) + band
    assert [each[:3] for each in multipart.meter_rates(head + rows)] == [(3, 50, True), (4, 50, False)]
    assert [(each.meter_id, each.bands[0].rate, each.flags) for each in read_by_ryu(head + rows).body] == [
        (3, 50, ofproto_v1_3.OFPMF_STATS | ofproto_v1_3.OFPMF_BURST | ofproto_v1_3.OFPMF_PKTPS),
        (4, 50, ofproto_v1_3.OFPMF_STATS | ofproto_v1_3.OFPMF_BURST | ofproto_v1_3.OFPMF_KBPS),
    ]
    with pytest.raises(wire.MalformedMessage, match="a length of 0"):
        list(multipart.meter_rates(head + bytes(8)))


def test_flow_stats() -> None:
    reply = flow_stats_reply(*FLOWS)
    rows, expected = list(multipart.flow_stats(reply)), read_by_ryu(reply).body
    assert [(row.table, row.priority, row.cookie) for row in rows] == [
        (each.table_id, each.priority, each.cookie) for each in expected
    ]
    assert [row.field("ipv4_dst") for row in rows] == [bytes([10, 1, 1, 10]), None, None]
    assert [each.match.get("ipv4_dst") for each in expected] == ["10.1.1.10", ("10.1.1.0", "255.255.255.0"), None]
    assert [row.actions() for row in rows] == [wire.output(3), b"", b""]
    assert expected[0].instructions[1].actions[0].port == 3


def test_a_rule_with_a_longer_match_than_any_of_ours_is_left_out() -> None:
    """OpenFlow 1.3.5, section 7.2.3: its length has 16 bits, and what is kept of a reply must be bounded."""
    fields = bytes(multipart.MAX_MATCH_LENGTH - 4)
    matches = [struct.pack("!HH", 1, 4 + len(each)) + each for each in (fields, fields + bytes(8))]
    rows = multipart.flow_stats(flow_stats_reply(*(FlowRow(7, each) for each in matches), FLOWS[2]))
    assert [len(row.match) for row in rows] == [len(fields), 0]


@pytest.mark.parametrize("with_options", [False, True])
def test_no_row_of_a_long_reply_has_the_rest_of_it_copied(with_options: bool) -> None:
    """CPqD's switch sends all rows in one message, of up to 16 MB (:mod:`ryu_haslb.openflow.wire.framing`)."""
    reply = flow_stats_reply(*FLOWS)
    reply += reply[16:] * 2000
    rows = multipart.flow_stats(reply, with_options)
    next(rows)
    tracemalloc.start()
    next(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(reply) / 20


def test_meter_stats() -> None:
    reply = meter_stats_reply((7, [5]), (8, []), (9, [6, 1]))
    assert list(multipart.meter_stats(reply)) == [(7, 5), (8, 0), (9, 6)]
    assert [(row.meter_id, [band.packet_band_count for band in row.band_stats]) for row in read_by_ryu(reply).body] == [
        (7, [5]),
        (8, []),
        (9, [6, 1]),
    ]


@pytest.mark.parametrize("more", [False, True])
def test_whether_more_parts_follow(more: bool) -> None:
    for reply in (flow_stats_reply(*FLOWS, more=more), meter_stats_reply(more=more)):
        assert multipart.has_more(reply) is more
        assert bool(read_by_ryu(reply).flags & ofproto_v1_3.OFPMPF_REPLY_MORE) is more


def test_a_reply_of_another_type_is_an_error() -> None:
    with pytest.raises(MalformedMessage, match="multipart reply of type 9: expected type 1"):
        list(multipart.flow_stats(meter_stats_reply((7, [5]))))
    with pytest.raises(MalformedMessage, match="multipart reply of type 1: expected type 9"):
        list(multipart.meter_stats(flow_stats_reply(*FLOWS)))


FLOW_REPLY, METER_REPLY = flow_stats_reply(*FLOWS), meter_stats_reply((7, [5]), (8, [6]))
#: Where the first row of a reply begins, and where it has its length.
ROW = 16


@pytest.mark.parametrize("length", [0, 1, 39, 51, 1000, 0xFFFF])
def test_a_row_whose_length_lies_is_an_error(length: int) -> None:
    """A length of zero, above all, must not be read for ever."""
    for reply, read, at in (
        (FLOW_REPLY, multipart.flow_stats, ROW),
        (METER_REPLY, multipart.meter_stats, ROW + 4),
    ):
        lying = reply[:at] + length.to_bytes(2, "big") + reply[at + 2 :]
        with pytest.raises(MalformedMessage):
            list(read(lying))


@pytest.mark.parametrize("length", [0, 3, 200, 0xFFFF])
def test_a_match_whose_length_lies_is_an_error(length: int) -> None:
    at = ROW + 48 + 2
    with pytest.raises(MalformedMessage, match="a match of"):
        list(multipart.flow_stats(FLOW_REPLY[:at] + length.to_bytes(2, "big") + FLOW_REPLY[at + 2 :]))


@pytest.mark.parametrize("length", [0, 7, 41, 0xFFFF])
def test_an_instruction_whose_length_lies_is_an_error(length: int) -> None:
    (row,) = multipart.flow_stats(flow_stats_reply(FLOWS[0]))
    lying = row._replace(instructions=row.instructions[:2] + length.to_bytes(2, "big") + row.instructions[4:])
    with pytest.raises(MalformedMessage):
        lying.actions()


@pytest.mark.parametrize("reply", [FLOW_REPLY, METER_REPLY])
def test_a_reply_that_is_cut_short_is_an_error_or_ends_with_a_row(reply: bytes) -> None:
    read: Any = multipart.flow_stats if reply is FLOW_REPLY else multipart.meter_stats
    whole = list(read(reply))
    for end in range(len(reply)):
        try:
            rows = list(read(reply[:end]))
        except MalformedMessage as error:
            assert str(error)
        else:
            assert rows == whole[: len(rows)]
            assert len(rows) < len(whole)


@given(st.sampled_from([FLOW_REPLY, METER_REPLY]), st.binary(max_size=80), st.integers(0, 200))
def test_any_damage_is_an_error_or_other_rows(reply: bytes, damage: bytes, at: int) -> None:
    damaged = reply[:at] + damage + reply[at + len(damage) :]
    try:
        for row in multipart.flow_stats(damaged):
            row.field("ipv4_dst")
            assert len(row.actions()) <= len(damaged)
        assert all(meter.dropped >= 0 for meter in multipart.meter_stats(damaged))
        multipart.has_more(damaged)
    except MalformedMessage as error:
        assert str(error)


def test_ages_of_rules_are_read_as_by_ryu() -> None:
    reply = flow_stats_reply(*FLOWS)
    expected = [(flow.cookie, flow.duration_sec) for flow in read_by_ryu(reply).body]
    assert list(multipart.flow_ages(reply)) == expected
    assert len(expected) == len(FLOWS)
    with pytest.raises(MalformedMessage):
        list(multipart.flow_ages(reply[:-1]))


def test_time_outs_and_flags_of_rules_are_read_as_by_ryu() -> None:
    reply = flow_stats_reply(*FLOWS, FlowRow(1, idle_timeout=7, hard_timeout=0xFFFE, flags=0x1F))
    found = [multipart.options_of(row) for row in multipart.flow_stats(reply, with_options=True)]
    expected = [(each.idle_timeout, each.hard_timeout, each.flags) for each in read_by_ryu(reply).body]
    assert found == expected
    assert found[-1] == (7, 0xFFFE, 0x1F)


def test_packets_of_rules_are_summed_as_ryu_reads_them() -> None:
    reply = flow_stats_reply(FlowRow(1, packets=2**63), FLOWS[0], FlowRow(2, packets=5), FlowRow(1, packets=11))
    rows = read_by_ryu(reply).body
    for cookies in ({1}, {2}, {1, 2}, {3}):
        expected = sum(each.packet_count for each in rows if each.cookie in cookies)
        assert multipart.flow_packets(reply, cookies) == expected
    assert multipart.flow_packets(reply, {1}) == 2**63 + 11
    with pytest.raises(MalformedMessage):
        multipart.flow_packets(reply[:-1], {1})
