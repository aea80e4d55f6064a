"""Which rules of others override ours (docs/flows.md, rules of others)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

import pytest

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.openflow.audit import overriding as module
from ryu_haslb.openflow.audit.overriding import Look, Overriding, guards_of
from ryu_haslb.openflow.doubt.copied_replies import copying_rules
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Rule, chassis_address
from ryu_haslb.openflow.flow_tables.rule_messages import SentRule, as_sent
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import apply_actions, goto_table, match_fields
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.openflow.wire.wire import Value
from ryu_haslb.slb.session_tag import COOKIE_MARK

CONFIGURATION = """\
ip slb serverfarm F
 real 10.1.1.51
  inservice
ip slb vserver V
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm F
 inservice
"""
CHASSIS = chassis_address(1).hex(":")
HOME_AGENT = "02:00:00:00:00:51"
SOURCE = "10.1.1.51"
DROP, FORWARD = apply_actions(b""), apply_actions(wire.output(7))
UDP: dict[str, Value] = {"eth_type": 0x0800, "ip_proto": 17}
REQUEST: dict[str, Value] = {**UDP, "udp_dst": 434}
FROM_HOME_AGENT: dict[str, Value] = {"eth_type": 0x0800, "ipv4_src": SOURCE}


def sent(*others: Rule) -> list[SentRule]:
    configuration, _ = read_configuration(CONFIGURATION, "balancer.ios")
    return [as_sent(rule, True) for rule in [*standing_rules(configuration, 1), *others]]


def replies() -> tuple[Rule, ...]:
    sources = bytes([10, 1, 1, 51]), bytes([10, 1, 1, 10])
    return copying_rules(Location(bytes.fromhex(HOME_AGENT.replace(":", "")), 4, None), sources, 434)


def row(
    match: Mapping[str, Value], priority: int = 65535, table: int = 0, instructions: bytes = DROP, cookie: int = 0
) -> FlowStats:
    return FlowStats(table, priority, cookie, match_fields(match), instructions)


def found(*rows: FlowStats, rules: Optional[list[SentRule]] = None) -> list[Overriding]:
    look = Look(guards_of(sent() if rules is None else rules, replies()))
    for each in rows:
        look.take(each)
    return look.found()


OVERRIDING = {
    "all requests": (row(REQUEST), Purpose.PUNT_REQUEST),
    "everything": (row({}), Purpose.PUNT_REQUEST),
    "what one port sends": (row({"in_port": 3}), Purpose.PUNT_REQUEST),
    "requests of one client": (row({**REQUEST, "ipv4_src": "10.1.1.101"}), Purpose.PUNT_REQUEST),
    "a network with the virtual address": (
        row({"eth_type": 0x0800, "ipv4_dst": ("10.1.0.0", "255.255.0.0")}),
        Purpose.PUNT_REQUEST,
    ),
    "at our priority": (row(REQUEST, priority=50020), Purpose.PUNT_REQUEST),
    "to the chassis address": (row({"eth_dst": CHASSIS}), Purpose.PUNT_REQUEST),
    "all ARP, switched as usual": (
        row({"eth_type": 0x0806}, instructions=apply_actions(wire.output(wire.OFPP_NORMAL))),
        Purpose.PUNT_ARP_REQUEST,
    ),
    "ARP of the home agent": (
        row({"eth_type": 0x0806, "arp_spa": SOURCE, "arp_op": 1}, 50010),
        Purpose.PUNT_ARP_FROM_REAL,
    ),
    "what the balancer returns to sessions": (
        row({**REQUEST, "in_port": wire.OFPP_CONTROLLER}, 50040),
        Purpose.PUNT_REQUEST,
    ),
    "all sessions": (row(REQUEST, table=1), Purpose.PUNT_SESSION_MISS),
    "sessions without a rule": (row(REQUEST, priority=1, table=1), Purpose.PUNT_SESSION_MISS),
}


@pytest.mark.parametrize("what", OVERRIDING)
def test_a_rule_that_takes_packets_from_ours_overrides_them(what: str) -> None:
    rule, purpose = OVERRIDING[what]
    assert [each.purpose for each in found(rule)] == [purpose]


HARMLESS = {
    "requests, at a lower priority": row(REQUEST, priority=49999, instructions=FORWARD),
    "another protocol": row({"eth_type": 0x0800, "ip_proto": 6}),
    "another port": row({**UDP, "udp_dst": 53}),
    "another destination": row({**REQUEST, "ipv4_dst": "10.9.9.9"}),
    "another network": row({"eth_type": 0x0800, "ipv4_dst": ("10.2.0.0", "255.255.0.0")}),
    "ARP for another address": row({"eth_type": 0x0806, "arp_op": 1, "arp_tpa": "10.9.9.9", "arp_spa": "10.9.9.8"}),
    "pings": row({"eth_type": 0x0800, "ip_proto": 1}),
    "a session rule's table, another port": row({**UDP, "udp_dst": 9}, table=1),
    "a table that is none of ours": row({}, table=7),
    "a rule of ours": row(REQUEST, cookie=COOKIE_MARK | 7 << 20),
    "a damaged match": FlowStats(0, 65535, 0, b"\x80\x00\x16\x04\x0a", DROP),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_takes_no_request_overrides_nothing(what: str) -> None:
    assert found(HARMLESS[what]) == []


LOST_REPLIES = {
    "all of its packets": row(FROM_HOME_AGENT, 10),
    "its replies to foreign agents": row({**REQUEST, **FROM_HOME_AGENT, "udp_src": 434}, 10),
    "all replies": row(REQUEST, 10),
    "its port": row({"in_port": 4}, 10),
    "its Ethernet address, without an instruction": row({"eth_src": HOME_AGENT}, 10, instructions=b""),
    "everything": row({}, 10),
}


@pytest.mark.parametrize("what", LOST_REPLIES)
def test_a_rule_that_drops_all_replies_of_a_home_agent_overrides_how_they_are_switched(what: str) -> None:
    assert [each.purpose for each in found(LOST_REPLIES[what])] == [Purpose.PASS_REPLY]


KEPT_REPLIES = {
    "forwarded": row(FROM_HOME_AGENT, 10, instructions=FORWARD),
    "led to another table": row(FROM_HOME_AGENT, 10, instructions=goto_table(9)),
    "to one host": row({**FROM_HOME_AGENT, "ipv4_dst": "10.9.9.9"}, 10),
    "of another host": row({"eth_src": "02:00:00:00:00:99"}, 10),
    "below all other rules": row({}, 0),
}


@pytest.mark.parametrize("what", KEPT_REPLIES)
def test_others_may_switch_replies_and_drop_some(what: str) -> None:
    assert found(KEPT_REPLIES[what]) == []


def test_others_may_drop_what_their_rules_do_not_forward() -> None:
    """A rule that drops everything is the last one of many pipelines."""
    drops, forwards = row({}, 10), row({"eth_dst": "02:00:00:00:00:07"}, 20, instructions=FORWARD)
    assert found(forwards, drops) == found(drops, forwards) == []
    assert len(found(forwards, drops._replace(priority=30))) == 1


def test_a_rule_is_reported_once() -> None:
    """It takes requests, ARP and replies."""
    assert len(found(row({}))) == 1


def test_the_table_of_copies_is_looked_at_while_replies_are_copied() -> None:
    copies = row(FROM_HOME_AGENT, table=2, instructions=FORWARD)
    assert found(copies) == []
    others = row({"eth_type": 0x0800, "ip_proto": 6}, table=2)
    copying = sent(Rule(Purpose.COPY_REPLY), *replies())
    assert [each.purpose for each in found(copies, others, rules=copying)] == [Purpose.COPY_REPLY]


def test_a_switch_may_report_any_number_of_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FOUND", 3)
    assert len(found(*(row(REQUEST, priority) for priority in range(60_000, 60_100)))) == 3
    monkeypatch.setattr(module, "MAX_JUDGED", 5)
    assert found(*[HARMLESS["pings"]] * 5, row(REQUEST)) == []


def test_a_line_names_where_the_rule_is_and_what_it_overrides() -> None:
    (rule,) = found(row(REQUEST, cookie=0xF0E))
    assert str(rule) == "table 0, priority 65535, cookie 0xf0e, over 'punt request'"
