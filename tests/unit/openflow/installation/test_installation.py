"""The standing rules that are sent over one connection."""

from __future__ import annotations

from connection_bench import OTHER_CONFIGURATION, Connected
from served_switch import CONFIGURATION

from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.wire import wire


def test_of_another_configuration_only_the_rules_that_differ_are_sent() -> None:
    """All of them take a slow switch a quarter of a second, and requests wait behind them."""
    connected = Connected()
    before = sorted(str(flow) for flow in connected.fake.flows)
    for configuration, flow_mods in ((OTHER_CONFIGURATION, 12), (CONFIGURATION, 12), (CONFIGURATION, 2)):
        connected.transport.sent.clear()
        connected.connection.configure(configuration)
        connected.transport.answer()
        assert 2 <= len(connected.transport.sent_of(wire.OFPT_FLOW_MOD)) <= flow_mods
        difference = len(list(standing_rules(configuration, 1))) - len(list(standing_rules(CONFIGURATION, 1)))
        assert len(connected.fake.flows) == len(before) + difference
    assert sorted(str(flow) for flow in connected.fake.flows) == before
