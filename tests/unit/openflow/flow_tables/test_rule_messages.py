"""Our rules as OpenFlow messages are what Ryu builds of them (OpenFlow 1.3.5, section 7.3.4)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from engine_messages import packed
from served_switch import CONFIGURATION

from ryu_haslb.configuration.outside_ports import Sides
from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow.doubt.copied_replies import copying_rules
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.pipeline import FIRST_METER, REPLY_PURPOSES, Action, Purpose, Rule
from ryu_haslb.openflow.flow_tables.session_rule import session_removal
from ryu_haslb.openflow.flow_tables.standing_rules import client_rules, standing_rules
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS, UNKEYED

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
RULES = [
    *standing_rules(CONFIGURATION, 1, Sides(frozenset({4})), (b"a key", UNKEYED)),
    *copying_rules(Location(b"\x02\0\0\0\0\x51", 4, None), (IPv4Address("10.1.1.51").packed,), 434),
    *copying_rules(Location(b"\x02\0\0\0\0\x52", 5, 15), (IPv4Address("10.1.1.52").packed,), 5434),
    Rule(Purpose.COPY_REPLY),
    Rule(Purpose.DROP_UNPROTECTED, {"in_port": 3, "eth_type": 0x0800, "ipv4_src": ("10.1.1.0", "255.255.255.0")}),
]
#: What rules of the learning table alone do (test_layout.py).
ONLY_LEARNING = {Action.FLOOD_AND_GOTO_SOURCES, Action.FORWARD_AND_GOTO_SOURCES}
parser = ofproto_v1_3_parser
XID = 7
VIRTUAL = IPv4Address("10.1.1.10").packed


def built_by_ryu(rule: Rule, metered: bool, flags: int = 0) -> bytes:
    outputs = {
        Action.PUNT: [ofproto_v1_3.OFPP_CONTROLLER],
        Action.PUNT_AND_PASS: [ofproto_v1_3.OFPP_CONTROLLER, ofproto_v1_3.OFPP_NORMAL],
        Action.PASS: [ofproto_v1_3.OFPP_NORMAL],
        Action.DROP: [],
        Action.PASS_AND_GOTO_REPLIES: [ofproto_v1_3.OFPP_NORMAL],
    }
    instructions = [parser.OFPInstructionMeter(rule.meter)] if metered and rule.meter is not None else []
    if rule.action is Action.GOTO_SESSIONS:
        instructions.append(parser.OFPInstructionGotoTable(1))
    else:
        actions = [parser.OFPActionOutput(port, ofproto_v1_3.OFPCML_NO_BUFFER) for port in outputs[rule.action]]
        instructions.append(parser.OFPInstructionActions(ofproto_v1_3.OFPIT_APPLY_ACTIONS, actions))
    if rule.action is Action.PASS_AND_GOTO_REPLIES:
        instructions.append(parser.OFPInstructionGotoTable(2))
    is_reported = rule.purpose not in REPLY_PURPOSES
    return packed(
        parser.OFPFlowMod(
            DATAPATH,
            cookie=rule.purpose.cookie | rule.data << 32,
            table_id=rule.table,
            priority=rule.priority,
            flags=flags | ofproto_v1_3.OFPFF_SEND_FLOW_REM * is_reported,
            out_port=ofproto_v1_3.OFPP_ANY,
            out_group=ofproto_v1_3.OFPG_ANY,
            match=parser.OFPMatch(**rule.match),
            instructions=instructions,
        ),
        XID,
    )


def deletion(cookie: int, mask: int = 0xFFFFFFFFFFFFFFFF, table: int = 0) -> bytes:
    return packed(
        parser.OFPFlowMod(
            DATAPATH,
            cookie=cookie,
            cookie_mask=mask,
            table_id=table,
            command=ofproto_v1_3.OFPFC_DELETE,
            priority=0,
            out_port=ofproto_v1_3.OFPP_ANY,
            out_group=ofproto_v1_3.OFPG_ANY,
        ),
        XID,
    )


#: The tables of rules that are not in table 0 (docs/flows.md).
TABLES = {
    Purpose.PUNT_SESSION_MISS: 1,
    Purpose.COPY_REPLY: 2,
    Purpose.FORWARD_LEARNED: 3,
    Purpose.KNOWN_SOURCE: 4,
    Purpose.LEARN_NOTHING: 4,
    Purpose.LEARN_SOURCE: 4,
}


def removals() -> Iterator[bytes]:
    """All standing rules but those by which the switch forwards. Some have data in bits 32 to 55; a tag sets bit 57."""
    staying = {Purpose.PASS_OTHER, Purpose.FLOOD_UNKNOWN, Purpose.DROP_RESERVED}
    with_data = {
        *(Purpose.TAG_KEY, Purpose.IGNORES_NORMAL),
        *(Purpose.FORWARD_LEARNED, Purpose.KNOWN_SOURCE, Purpose.LEARN_NOTHING),
    }
    for purpose in Purpose:
        if purpose not in staying:
            mask = 0xFF000000FFFFFFFF if purpose in with_data else 0xFFFFFFFFFFFFFFFF
            yield deletion(purpose << COOKIE_MARK_BITS | 0x51B7, mask, TABLES.get(purpose, 0))


@pytest.mark.parametrize("metered", [False, True])
def test_standing_rules_replace_those_of_a_previous_run(metered: bool) -> None:
    expected = list(removals())
    expected += [built_by_ryu(rule, metered) for rule in RULES if rule.purpose is not Purpose.PASS_OTHER]
    assert rule_messages.replacement(RULES, metered, XID) == expected
    assert {rule.action for rule in RULES} == set(Action) - ONLY_LEARNING, "each action is tried"


def test_a_table_miss_rule_that_is_there_already_is_not_replaced() -> None:
    (rule,) = [rule for rule in RULES if rule.purpose is Purpose.PASS_OTHER]
    assert rule_messages.table_miss(RULES, XID) == [built_by_ryu(rule, False, ofproto_v1_3.OFPFF_CHECK_OVERLAP)]


def test_the_rules_of_a_client_are_added_with_its_meter() -> None:
    rules = list(client_rules(CONFIGURATION, 1, Sides(), "10.1.1.101", FIRST_METER + 1))
    assert rule_messages.additions(rules, XID) == [built_by_ryu(rule, True) for rule in rules]


def test_only_what_bears_our_mark_is_removed_and_the_rule_that_switches_other_traffic_stays() -> None:
    """OpenFlow 1.3.5, section 5.4: what no rule matches is dropped, unless there is a table-miss rule."""
    assert session_removal(XID) == [deletion(0x51B7, 0xFFFF, table=1)]
    assert rule_messages.standing_removal(XID) == list(removals())


def test_rules_meters_and_transactions_need_no_engine() -> None:
    """A channel that transmits bytes is enough for them, a simulated one too."""
    program = (
        "import sys, ryu_haslb.openflow.overload.meters, ryu_haslb.openflow.recovery.recovery;"
        "import ryu_haslb.openflow.sessions.session_rules;"
        "print([name for name in ('ryu', 'eventlet', 'ryu_haslb.engine') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
