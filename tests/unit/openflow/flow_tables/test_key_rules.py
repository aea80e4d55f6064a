"""The keys of session tags on a switch: standing rules that match no packet."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statistics_replies import FlowRow, flow_stats_reply

from ryu_haslb.configuration.model import Configuration, ServerFarm, VirtualServer
from ryu_haslb.openflow.flow_tables.key_rules import KEY_LENGTH, key_rules, keys_in
from ryu_haslb.openflow.flow_tables.pipeline import (
    CHASSIS_PREFIX,
    PURPOSE_MASK,
    Purpose,
    Rule,
    chassis_address,
    dispatch_address,
    dispatch_match,
    no_packet,
)
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.wire.flow_mod import match
from ryu_haslb.openflow.wire.multipart import flow_stats
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, UNKEYED
from ryu_haslb.slb.tag_keys import MAX_KEYS

KEYS = st.binary(min_size=KEY_LENGTH, max_size=KEY_LENGTH).filter(any)
KEY = bytes(range(1, KEY_LENGTH + 1))
CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM")},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)},
)


def row(rule: Rule) -> FlowRow:
    return FlowRow(rule.cookie, match(rule.match), table=rule.table, priority=rule.priority)


def read(*rules: Rule) -> list[bytes]:
    return keys_in(flow_stats(flow_stats_reply(*map(row, rules))))


@given(st.lists(KEYS, min_size=1, max_size=MAX_KEYS, unique=True), st.booleans())
def test_what_is_written_is_read_in_its_order(keys: list[bytes], is_upgraded: bool) -> None:
    if is_upgraded:
        keys = [*keys[: MAX_KEYS - 1], UNKEYED]
    rules = list(standing_rules(CONFIGURATION, 1, keys=keys))
    assert read(*rules) == keys
    assert read(*reversed(rules)) == keys


def test_keys_are_read_from_a_switch_that_reports_each_field_with_its_mask() -> None:
    rows = []
    for rule in key_rules([KEY]):
        ((name, value),) = rule.match.items()
        assert isinstance(value, str)
        rows.append(FlowRow(rule.cookie, match({name: (value, "ff:ff:ff:ff:ff:ff")}), table=0, priority=rule.priority))
    assert keys_in(flow_stats(flow_stats_reply(*rows))) == [KEY]


@given(st.lists(KEYS, min_size=1, max_size=MAX_KEYS, unique=True))
def test_no_rule_of_a_key_looks_like_that_of_a_session_or_matches_a_packet(keys: list[bytes]) -> None:
    """The tag of a session has bit 41 set, and so has its cookie bit 57. No frame has a group address as its source
    (IEEE 802.3, section 3.2.3), and a switch that ignores metadata does not ignore that."""
    rules = list(key_rules(keys))
    for rule in rules:
        assert rule.cookie & PURPOSE_MASK == Purpose.TAG_KEY.cookie
        assert not rule.cookie >> 57 & 1
        assert bytes.fromhex(str(rule.match["eth_src"]).replace(":", ""))[0] & 1
    assert len({rule.match["eth_src"] for rule in rules}) == len(rules)


def test_rules_without_a_key_are_of_an_earlier_version() -> None:
    assert read(*standing_rules(CONFIGURATION, 1)) == [UNKEYED]


def test_an_empty_or_retired_switch_has_no_keys() -> None:
    """PASS_OTHER stays on a retired switch; the lease has a holder in its cookie."""
    lease = FlowRow(
        0x1234 << 32 | 0xFE << COOKIE_MARK_BITS | COOKIE_MARK, match(no_packet(COOKIE_MARK)), table=0, priority=1
    )
    assert keys_in(flow_stats(flow_stats_reply(lease))) == []
    assert read(Rule(Purpose.PASS_OTHER, {"metadata": 0})) == []


def test_an_incomplete_key_is_none() -> None:
    rules = list(key_rules([KEY, b"another key"[:9]]))
    del rules[1]
    assert read(*rules) == [b"another k"]


@pytest.mark.parametrize("datapath_id", [1, 2, 0xFFFFFF, 2**63])
def test_what_is_dispatched_has_a_secret_source_that_other_switches_of_ours_match(datapath_id: int) -> None:
    address = dispatch_address(datapath_id, KEY)
    assert address[0] & 3 == 2, "a locally administered unicast address"
    assert dispatch_match(KEY) == (address[:5].hex(":") + ":00", "ff:ff:ff:ff:ff:00")
    assert address[:5] != dispatch_address(datapath_id, b"another key")[:5]
    assert dispatch_address(datapath_id, UNKEYED) == chassis_address(datapath_id)


def test_no_rule_passes_what_has_a_made_up_chassis_address_as_source() -> None:
    """Neither with tags of an earlier version on the switch."""
    rules = list(standing_rules(CONFIGURATION, 1, keys=[KEY, b"former", UNKEYED]))
    passed = [rule.match["eth_src"] for rule in rules if rule.purpose is Purpose.PASS_DISPATCHED]
    assert passed == [dispatch_match(KEY), dispatch_match(b"former")]
    assert CHASSIS_PREFIX.hex(":") not in str(passed)
