"""Parts of rules are read as Ryu does, and forms that mean the same are taken for the same (OpenFlow 1.3.5)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from ryu_haslb.engine import ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow.wire import rule_parts
from ryu_haslb.openflow.wire.wire import MalformedMessage

parser = ofproto_v1_3_parser
TAG = 0xEADAF5D49D37
TAG_TEXT = "ea:da:f5:d4:9d:37"
IP: dict[str, Any] = {"eth_type": 0x0800, "ipv4_dst": "10.1.1.10"}


def packed(*ryu_parts: Any) -> bytes:
    """Actions or instructions as Ryu packs them."""
    parts = b""
    for each in ryu_parts:
        buffer = bytearray()
        each.serialize(buffer, 0)
        parts += bytes(buffer)
    return parts


def match(**fields: Any) -> bytes:
    """Match fields as Ryu packs them, without the header and what fills up the match."""
    whole = packed(parser.OFPMatch(**fields))
    return whole[4 : int.from_bytes(whole[2:4], "big")]


def output(port: int, max_len: int = ofproto_v1_3.OFPCML_NO_BUFFER) -> Any:
    return parser.OFPActionOutput(port, max_len)


def applying(*actions: Any) -> Any:
    return parser.OFPInstructionActions(ofproto_v1_3.OFPIT_APPLY_ACTIONS, list(actions))


def test_the_order_of_match_fields_and_a_mask_of_ones_make_no_other_match() -> None:
    """Section 7.2.3.5: a mask of ones is the same as none."""
    tag, others = match(eth_src=TAG_TEXT), match(**IP)
    assert rule_parts.canonical_match(tag + others) == rule_parts.canonical_match(others + tag)
    full = bytes.fromhex("80001908") + bytes([10, 1, 1, 10]) + b"\xff" * 4
    assert rule_parts.canonical_match(full) == {match(ipv4_dst="10.1.1.10")}
    masked = match(ipv4_dst=("10.1.1.0", "255.255.255.0"))
    assert rule_parts.canonical_match(masked) == {masked}


def test_the_headers_of_match_fields_tell_which_fields_there_are_and_which_have_a_mask() -> None:
    masked = {**IP, "ipv4_dst": ("10.1.1.0", "255.255.255.0")}
    assert rule_parts.field_headers(match(**IP)) == {
        struct.pack("!I", header) for header in (ofproto_v1_3.OXM_OF_ETH_TYPE, ofproto_v1_3.OXM_OF_IPV4_DST)
    }
    other_values = match(eth_type=0x0806, ipv4_dst="10.9.9.9")
    assert rule_parts.field_headers(other_values) == rule_parts.field_headers(match(**IP))
    assert rule_parts.field_headers(match(**masked)) != rule_parts.field_headers(match(**IP))


def test_values_and_masks_of_match_fields_are_read_as_ryu_writes_them() -> None:
    fields = match(in_port=5, eth_src=("02:51:b7:00:00:00", "ff:ff:ff:00:00:00"), ipv4_dst="10.1.1.10")
    assert rule_parts.masked_values(fields) == {
        ofproto_v1_3.OXM_OF_IN_PORT >> 9: (5, 2**32 - 1),
        ofproto_v1_3.OXM_OF_ETH_SRC >> 9: (0x0251B7000000, 0xFFFFFF000000),
        ofproto_v1_3.OXM_OF_IPV4_DST >> 9: (0x0A01010A, 2**32 - 1),
    }
    with pytest.raises(MalformedMessage):
        rule_parts.masked_values(fields[:-1])


def test_the_tag_of_a_session_is_found_among_the_fields_of_its_match() -> None:
    tag, others = match(eth_src=TAG_TEXT), match(**IP)
    assert tag + others == match(eth_src=TAG_TEXT, **IP)
    assert rule_parts.fields_behind_tag(tag + others) == others
    assert rule_parts.fields_behind_tag(others + tag) is None
    assert rule_parts.fields_beside_tag(tag + others, TAG) == others
    behind = rule_parts.fields_beside_tag(others + tag, TAG)
    assert behind is not None
    assert rule_parts.canonical_match(behind) == rule_parts.canonical_match(others)
    for without in (tag + others, others + tag, others, b"", tag[:-1]):
        assert rule_parts.fields_beside_tag(without, TAG + 1) is None
    masked = match(eth_src=(TAG_TEXT, "ff:ff:ff:ff:ff:00"))
    assert rule_parts.fields_behind_tag(masked + others) is None
    assert rule_parts.fields_beside_tag(masked + others, TAG) is None


def test_instructions_without_an_effect_and_their_order_make_no_other_rule() -> None:
    goto, meter = parser.OFPInstructionGotoTable(1), parser.OFPInstructionMeter(9)
    apply = applying(output(3))
    assert rule_parts.effect_of(packed(goto, apply, meter)) == {packed(each) for each in (goto, apply, meter)}
    assert rule_parts.effect_of(packed(applying(), goto)) == rule_parts.effect_of(packed(goto))


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ([], False),
        ([applying()], False),
        ([parser.OFPInstructionMeter(9)], False),
        ([parser.OFPInstructionActions(ofproto_v1_3.OFPIT_CLEAR_ACTIONS, [])], False),
        ([parser.OFPInstructionActions(ofproto_v1_3.OFPIT_WRITE_ACTIONS, [])], False),
        ([parser.OFPInstructionGotoTable(1)], True),
        ([parser.OFPInstructionMeter(9), applying(output(3))], True),
        ([parser.OFPInstructionActions(ofproto_v1_3.OFPIT_WRITE_ACTIONS, [output(3)])], True),
    ],
)
def test_a_rule_without_actions_and_without_a_further_table_drops(instructions: list[Any], expected: bool) -> None:
    """Section 5.9: what has no output in its action set, and goes to no other table, is dropped."""
    assert rule_parts.forwards(packed(*instructions)) is expected


def test_the_action_that_writes_the_source_is_left_out_where_it_is_the_first() -> None:
    source = parser.OFPActionSetField(eth_src=TAG_TEXT)
    others = parser.OFPActionSetField(eth_dst=TAG_TEXT), output(3)
    assert rule_parts.without_source(packed(source, *others)) == packed(*others)
    for actions in (packed(*others), packed(*others, source), b""):
        assert rule_parts.without_source(actions) == actions


@pytest.mark.parametrize("max_len", [1, 128, ofproto_v1_3.OFPCML_NO_BUFFER])
def test_the_length_for_the_controller_makes_no_other_action(max_len: int) -> None:
    """Section 7.2.5: in an output to a port, max_len has no meaning."""
    push, source = parser.OFPActionPushVlan(0x8100), parser.OFPActionSetField(eth_src=TAG_TEXT)
    actions = packed(push, source, output(3, max_len), output(4, max_len))
    assert rule_parts.without_max_len(actions) == packed(push, source, output(3, 0), output(4, 0))


def test_actions_behind_a_length_that_does_not_fit_stay_as_they_are() -> None:
    """A switch may report any bytes."""
    damaged = b"\0\0\0\x07" + packed(output(4))
    assert rule_parts.without_max_len(packed(output(3)) + damaged) == packed(output(3, 0)) + damaged


def test_the_port_of_the_last_action_is_read_if_that_is_an_output() -> None:
    source = parser.OFPActionSetField(eth_src=TAG_TEXT)
    assert rule_parts.last_output(packed(source, output(3), output(0xFFFFFF00))) == 0xFFFFFF00
    assert rule_parts.last_output(packed(output(3), source)) is None
    assert rule_parts.last_output(packed(output(3))[:-1]) is None
    assert rule_parts.last_output(b"") is None


def test_more_fields_or_instructions_than_a_rule_can_have_are_taken_together() -> None:
    """OpenFlow 1.3.5, sections 7.2.3.7 and 7.2.4: each match field and each type of instruction comes once."""
    fields = [struct.pack("!HBB", 0x8000, number << 1, 0) for number in range(41)]
    assert len(rule_parts.canonical_match(b"".join(fields[:40]))) == 40
    assert rule_parts.canonical_match(b"".join(fields)) == {b"".join(fields)}
    instructions = [struct.pack("!HHI", 1, 8, number) for number in range(8)]
    assert len(rule_parts.effect_of(b"".join(instructions[:7]))) == 7
    assert rule_parts.effect_of(b"".join(instructions)) == {b"".join(instructions)}
