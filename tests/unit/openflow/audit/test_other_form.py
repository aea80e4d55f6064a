"""A switch that reports its rules in another form than before: what others change then is found all the same."""

from __future__ import annotations

import pytest
from served_switch import Served

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod


@pytest.mark.parametrize("seconds", range(1, 24, 2))
def test_changed_actions_are_found_while_the_switch_changes_its_form(seconds: int) -> None:
    """It reports the rules without the flags that they were sent with, and we send them again in vain, some times.

    OFPFC_MODIFY changes each rule that matches, and without instructions a rule drops.
    """
    served = Served()

    def pass_time(seconds: int) -> None:
        for _ in range(10 * seconds):
            served.wait(0.1)
            served.transport.answer()

    def rules() -> list[str]:
        return sorted(f"{each.priority} {each.match} {each.instructions}" for each in served.switch.flows)

    pass_time(5)
    before = rules()
    served.switch.capabilities.flow_removed = False
    served.switch.receive(FlowMod(wire.OFPFC_DELETE, 0, 0).pack(0))
    pass_time(seconds)
    served.switch.receive(FlowMod(ofproto_v1_3.OFPFC_MODIFY, 0, 0).pack(0))
    assert rules() != before
    pass_time(30)
    assert rules() == before
