"""Open vSwitch reports rules with the effect that they were sent with: the audit of rules that come and go needs it."""

from __future__ import annotations

import pytest
from played_messages import MARK, TAG, WIPE
from twin_switches import OpenVSwitch

from ryu_haslb.openflow.audit.sent_rules import SentRules
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.pipeline import FIRST_METER, REPLY_METER, Purpose, Rule, udp_match
from ryu_haslb.openflow.flow_tables.rule_messages import SentRule, as_sent, learned_instructions
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import meter_mod
from ryu_haslb.openflow.wire.multipart import flow_stats, flow_stats_request
from ryu_haslb.openflow.wire.rule_parts import effect_of

pytestmark = pytest.mark.lab

PORT = 7
#: Rules for replies, and one of a rate-limited client.
FURTHER = [
    Rule(Purpose.COPY_REPLY),
    Rule(Purpose.PASS_REPLY, {"eth_src": TAG}),
    Rule(Purpose.PUNT_REQUEST, udp_match("10.1.1.10", 434), client_meter=FIRST_METER + 1),
]
LEARNED = [
    Rule(Purpose.FORWARD_LEARNED, {"vlan_vid": 0, "eth_dst": TAG}, data=1),
    Rule(Purpose.KNOWN_SOURCE, {"in_port": PORT, "vlan_vid": 0, "eth_src": TAG}, data=1),
]


def test_rules_are_reported_with_the_effect_that_they_were_sent_with(bridge: int) -> None:
    messages = [meter_mod(1, wire.OFPMC_ADD, meter, 1) for meter in (REPLY_METER, FIRST_METER + 1)]
    messages += rule_messages.changes(FURTHER, (), True, 1)
    messages += [rule_messages.learned_addition(rule, PORT, 0, 1) for rule in LEARNED]
    sent = [as_sent(rule, True) for rule in FURTHER]
    for rule in LEARNED:
        instructions = learned_instructions(rule.purpose, PORT)
        sent.append(SentRule(rule.table.value, rule.priority, rule.cookie, instructions))
    switch = OpenVSwitch(bridge)
    switch.play(WIPE)
    switch.send(b"".join(messages) + flow_stats_request(2, wire.OFPTT_ALL, MARK, 0xFFFF))
    reply = next(each for each in iter(switch.receive, b"") if each[1] == wire.OFPT_MULTIPART_REPLY)
    switch.play(WIPE)
    switch.close()
    rows = {row.cookie: row for row in flow_stats(reply)}
    assert {cookie: effect_of(row.instructions) for cookie, row in rows.items()} == {
        each.cookie: effect_of(each.instructions) for each in sent
    }
    audit = SentRules()
    assert audit.lost(sent, rows.values()) == 0
    rows[sent[0].cookie] = rows[sent[0].cookie]._replace(instructions=b"")
    assert audit.lost(sent, rows.values()) == 1
