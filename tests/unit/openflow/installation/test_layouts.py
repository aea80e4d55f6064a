"""A switch that rejects rules for what it lacks gets those of another layout, or another table-miss rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest
from fake_switch import FakeSwitch
from served_switch import CONFIGURATION, Served, purposes

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.flow_tables.layout import Layout, PipelineSupport
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.wire import wire


def test_rules_that_were_sent_before_a_rejection_showed_a_lack_show_no_further_one() -> None:
    """Two replacements are on their way; those of the layout that follows from the first rejection come behind."""
    served = Served()
    normal = wire.output(wire.OFPP_NORMAL)
    bad_port = (wire.OFPET_BAD_ACTION, wire.OFPBAC_BAD_OUT_PORT)
    served.switch.rejects = lambda message: bad_port if message[1] == wire.OFPT_FLOW_MOD and normal in message else None
    for _ in range(2):
        served.fleet.configure(CONFIGURATION)
    served.transport.answer()
    assert served.is_connected
    assert served.fleet.switches[1].layout == Layout(Switching.LEARN, PipelineSupport(served.transport.tables))


@pytest.mark.parametrize("has_bundles", [True, False])
def test_a_table_miss_rule_whose_metadata_is_rejected_is_sent_without(has_bundles: bool) -> None:
    """It is the only rule with metadata. Without bundles it is rejected before the others are sent one by one."""
    switch, metadata = FakeSwitch(), wire.oxm("metadata", 0)

    def reject(message: bytes) -> Optional[tuple[int, int]]:
        if message[1] == wire.OFPT_FLOW_MOD and metadata in message:
            return wire.OFPET_BAD_MATCH, 6
        is_bundle = message[1] == wire.OFPT_EXPERIMENTER and not has_bundles
        return (wire.OFPET_BAD_REQUEST, wire.OFPBRC_BAD_EXPERIMENTER) if is_bundle else None

    switch.rejects = reject
    served = Served(switch)
    assert served.is_connected
    support = PipelineSupport(served.transport.tables, has_metadata=False)
    assert served.fleet.switches[1].layout == Layout(support=support)
    assert Purpose.PASS_OTHER in purposes(switch)
    served.fleet.configure(replace(CONFIGURATION, virtual_servers={}))
    served.transport.answer()
    assert served.is_connected, "of another configuration, the rules that differ bear no metadata either"
    assert Purpose.PASS_OTHER in purposes(switch)


@pytest.mark.parametrize("has_bundles", [True, False])
def test_a_table_miss_rule_whose_flag_is_rejected_is_sent_without(has_bundles: bool) -> None:
    """It is the only rule with OFPFF_CHECK_OVERLAP."""
    switch = FakeSwitch(bundles=has_bundles)

    def reject(message: bytes) -> Optional[tuple[int, int]]:
        has_flag = message[1] == wire.OFPT_FLOW_MOD and message[45] & wire.OFPFF_CHECK_OVERLAP
        return (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_BAD_FLAGS) if has_flag else None

    switch.rejects = reject
    served = Served(switch)
    assert served.is_connected
    assert Purpose.PASS_OTHER in purposes(switch)
