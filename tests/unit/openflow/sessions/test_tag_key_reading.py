"""How the keys of session tags are read from a switch."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Optional

from fake_switch import FakeTransport
from statistics_replies import FlowRow, flow_stats_reply

from ryu_haslb.configuration.model import Configuration, ServerFarm, VirtualServer
from ryu_haslb.openflow.flow_tables.key_rules import KEY_LENGTH, ignores_normal_rule
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.sessions.tag_key_reading import REPLY_TIMEOUT, KeyReading
from ryu_haslb.openflow.wire.flow_mod import match
from ryu_haslb.slb.session_tag import UNKEYED

KEY = bytes(range(1, KEY_LENGTH + 1))
#: The transaction id of the only request of a new connection.
XID = 1
CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM")},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)},
)


class Reader:
    def __init__(self) -> None:
        self.found: list[Optional[list[bytes]]] = []
        self.ignores_normal: Optional[int] = None
        self.reading = KeyReading(FakeTransport(), self._on_read, 0.0)

    def _on_read(self, keys: Optional[list[bytes]], ignores_normal: Optional[int]) -> None:
        self.found.append(keys)
        self.ignores_normal = ignores_normal


def test_the_keys_are_read_in_parts() -> None:
    reader = Reader()
    rows = [
        FlowRow(rule.cookie, match(rule.match), table=rule.table, priority=rule.priority)
        for rule in standing_rules(CONFIGURATION, 1, keys=[KEY])
    ]
    assert not reader.reading.on_reply(8, flow_stats_reply(*rows, xid=8), 0.0)
    assert reader.reading.on_reply(XID, flow_stats_reply(*rows[:2], xid=XID, more=True), 0.0)
    assert reader.found == []
    assert reader.reading.on_reply(XID, flow_stats_reply(*rows[2:], xid=XID), 0.0)
    assert reader.found == [[KEY]]
    assert not reader.reading.on_reply(XID, flow_stats_reply(xid=XID), 0.0)


def test_a_switch_that_does_not_answer_is_served_without_them() -> None:
    for step in ("error", "silence", "malformed"):
        reader = Reader()
        if step == "error":
            assert not reader.reading.on_error(8)
            assert reader.reading.on_error(XID)
        elif step == "silence":
            reader.reading.tick(REPLY_TIMEOUT)
            assert reader.found == []
            reader.reading.tick(REPLY_TIMEOUT + 0.1)
        else:
            assert reader.reading.on_reply(XID, flow_stats_reply(FlowRow(1), xid=XID)[:-9], 0.0)
        assert reader.found == [None], step


def test_a_key_is_lost_if_rules_that_are_younger_than_keys_are_there_without_it() -> None:
    """Or with a part of it alone. Rules of an earlier version show none."""
    rules = list(standing_rules(CONFIGURATION, 1, keys=[KEY]))
    others = [rule for rule in rules if rule.purpose is not Purpose.TAG_KEY]
    earlier = [rule for rule in others if rule.purpose < Purpose.TAG_KEY]
    for found, is_lost in ((rules, False), (rules[1:], True), (others, True), (earlier, False), ([], False)):
        reader = Reader()
        rows = [FlowRow(each.cookie, match(each.match), table=each.table, priority=each.priority) for each in found]
        assert reader.reading.on_reply(XID, flow_stats_reply(*rows, xid=XID), 0.0)
        assert reader.reading.is_key_lost is is_lost
        if is_lost:
            assert reader.found == [[UNKEYED]], "the switch has rules of ours"


def test_a_cancelled_reading_concludes_nothing() -> None:
    reader = Reader()
    reader.reading.cancel()
    reader.reading.tick(2 * REPLY_TIMEOUT)
    assert not reader.reading.on_reply(XID, flow_stats_reply(xid=XID), 0.0)
    assert reader.found == []


def test_a_switch_remembers_that_it_ignores_normal() -> None:
    """With the digest of its description; the rule is none of a key."""
    for rules, remembered in (([ignores_normal_rule(0xABCDEF)], 0xABCDEF), ([], None)):
        reader = Reader()
        rows = [
            FlowRow(rule.cookie, match(rule.match), table=rule.table, priority=rule.priority)
            for rule in [*standing_rules(CONFIGURATION, 1, keys=[KEY]), *rules]
        ]
        assert reader.reading.on_reply(XID, flow_stats_reply(*rows, xid=XID), 0.0)
        assert (reader.found, reader.ignores_normal) == ([[KEY]], remembered)
