"""The standing rules of another configuration replace those before; that is no incident (docs/flows.md)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from served_switch import CONFIGURATION, Served

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.flow_tables.pipeline import PIPELINE, Purpose
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, match

FARM, SERVER = CONFIGURATION.farms["HAFARM"], CONFIGURATION.virtual_servers["MIPSLB"]
#: Each has as many rules as before, with the same actions, but for other addresses.
CHANGED = {
    "real server": replace(
        CONFIGURATION,
        farms={"HAFARM": replace(FARM, reals=(replace(FARM.reals[0], address=IPv4Address("10.1.1.52")),))},
    ),
    "virtual server": replace(
        CONFIGURATION, virtual_servers={"MIPSLB": replace(SERVER, address=IPv4Address("10.1.1.11"))}
    ),
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
def test_rules_for_another_address_are_no_incident(changed: Configuration) -> None:
    served = Served()
    audited = served.fleet.switches[1]
    for configuration in (CONFIGURATION, changed):
        served.balancer.configure(configuration)
        served.fleet.configure(configuration)
        for _ in range(100):
            served.wait(0.1)
            served.transport.answer()
    assert audited.restored.incidents == 0
    before = len(served.switch.flows)
    served.switch.receive(FlowMod(wire.OFPFC_DELETE, 0, 0).pack(0))
    assert len(served.switch.flows) < before
    for _ in range(100):
        served.wait(0.1)
        served.transport.answer()
    assert (audited.restored.incidents, len(served.switch.flows)) == (1, before)


def test_a_rule_that_others_add_meanwhile_is_not_missed_when_it_is_removed() -> None:
    """It is there when the audit first sees in which form the switch reports the new rules."""
    served = Served()
    audited = served.fleet.switches[1]
    changed = CHANGED["real server"]
    for configuration in (CONFIGURATION, changed):
        served.balancer.configure(configuration)
        served.fleet.configure(configuration)
        for _ in range(100 if configuration is CONFIGURATION else 5):
            served.wait(0.1)
            served.transport.answer()
    before = len(served.switch.flows)
    entry = PIPELINE[Purpose.PUNT_REQUEST]
    added = FlowMod(wire.OFPFC_ADD, entry.table, Purpose.PUNT_REQUEST.cookie, priority=entry.priority)
    served.switch.receive(added._replace(match=match({"eth_type": 0x0800, "ipv4_src": "192.0.2.1"})).pack(0))
    assert len(served.switch.flows) == before + 1
    for _ in range(200):
        served.wait(0.1)
        served.transport.answer()
    assert len(served.switch.flows) == before
    assert (audited.restored.extraneous_rules, audited.restored.standing_rules) == (1, 0)
