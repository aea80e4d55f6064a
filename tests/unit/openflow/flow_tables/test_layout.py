"""The rules and actions of a layout: with NORMAL, with the learning table, with neither."""

from __future__ import annotations

import pytest

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.flow_tables.layout import Layout, PipelineSupport, flood_to
from ryu_haslb.openflow.flow_tables.pipeline import Action, Purpose, Rule, Table
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import apply_actions, goto_table

LAYOUT = Layout(Switching.LEARN)


def test_a_packet_is_flooded_to_ports_and_not_to_reserved_ones() -> None:
    assert flood_to([3, 1, 0xFFFFFFFE]) == wire.output(1) + wire.output(3)


@pytest.mark.parametrize(
    ("layout", "action", "instructions"),
    [
        (LAYOUT, Action.PASS, goto_table(3)),
        (LAYOUT, Action.PUNT_AND_PASS, apply_actions(wire.output(wire.OFPP_CONTROLLER)) + goto_table(3)),
        (LAYOUT, Action.PASS_AND_GOTO_REPLIES, apply_actions(wire.output(wire.OFPP_CONTROLLER)) + goto_table(3)),
        (Layout(Switching.LEARN, PipelineSupport(2)), Action.PASS, apply_actions(wire.output(wire.OFPP_FLOOD))),
        (LAYOUT, Action.FLOOD_AND_GOTO_SOURCES, apply_actions(wire.output(wire.OFPP_FLOOD)) + goto_table(4)),
        (LAYOUT, Action.DROP, apply_actions(b"")),
    ],
)
def test_what_is_switched_as_usual_goes_through_the_learning_table(
    layout: Layout, action: Action, instructions: bytes
) -> None:
    assert layout.instructions(action) == instructions


def test_with_none_no_rule_matches_what_others_forward() -> None:
    layout = Layout(Switching.NONE)
    passing = [Rule(purpose) for purpose in Purpose]
    left = {rule.purpose for rule in layout.fit(passing)}
    assert not left & {Purpose.PASS_OTHER, Purpose.PASS_DISPATCHED, Purpose.PUNT_ARP_FROM_REAL}
    assert {Purpose.PUNT_REQUEST, Purpose.PUNT_ARP_ANSWER} <= left
    assert all(rule.table < Table.DESTINATIONS for rule in map(Rule, left & {Purpose.PUNT_REQUEST}))
