"""What is done to the rules on a switch when the balancer is retired."""

from __future__ import annotations

from itertools import groupby

import pytest
from fake_switch import FakeSwitch, FakeTransport, decoded, packet_in
from served_switch import CONFIGURATION, Served, purposes

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Table


def kinds(messages: list[bytes]) -> list[int]:
    """What kinds of messages were sent, each run of one kind once."""
    return [kind for kind, _ in groupby(message[1] for message in messages)]


def test_retire_deletes_session_rules_then_meters_then_standing_rules_and_leaves_other_traffic_switched() -> None:
    """Each step is confirmed before the next; without PASS_OTHER a secure switch would drop what is not ours."""
    served = Served()
    served.transport.sent.clear()
    removed = served.fleet.retire()
    assert removed == {1: None}
    assert kinds(served.transport.sent) == [ofproto_v1_3.OFPT_FLOW_MOD, ofproto_v1_3.OFPT_BARRIER_REQUEST]
    (first,) = served.transport.sent_of(ofproto_v1_3.OFPT_FLOW_MOD)
    assert decoded(first).table_id == Table.SESSIONS
    served.transport.sent.clear()
    served.transport.answer()
    assert kinds(served.transport.sent)[0] == ofproto_v1_3.OFPT_METER_MOD
    assert not served.transport.sent_of(ofproto_v1_3.OFPT_FLOW_MOD), "they are in a bundle, and sent once"
    assert (removed, purposes(served.switch), served.switch.meters) == ({1: True}, {Purpose.PASS_OTHER}, {})
    assert not served.is_connected
    assert served.fleet.switches[1].lost_because == "retired; 'haslb configure' or SIGHUP serves it"


@pytest.mark.parametrize(("meters", "bundles"), [(False, True), (True, False), (False, False)])
def test_a_switch_without_meters_or_bundles_is_retired_as_well(meters: bool, bundles: bool) -> None:
    served = Served(FakeSwitch(meters=meters, bundles=bundles))
    removed = served.fleet.retire()
    served.transport.answer()
    assert (removed, purposes(served.switch)) == ({1: True}, {Purpose.PASS_OTHER})


def test_a_switch_that_rejects_the_removal_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    served = Served()
    refusal = (ofproto_v1_3.OFPET_BAD_REQUEST, ofproto_v1_3.OFPBRC_IS_SLAVE)
    served.switch.rejects = lambda message: refusal if message[1] == ofproto_v1_3.OFPT_FLOW_MOD else None
    removed = served.fleet.retire()
    served.transport.answer()
    assert removed == {1: False}
    assert "0000000000000001 rejected the removal of our rules" in caplog.text


def test_requests_that_come_during_the_removal_make_no_rule() -> None:
    served = Served()
    served.fleet.retire()
    assert served.transport.deliver(packet_in(Purpose.PUNT_REQUEST.cookie, 3, bytes(60))), "it is discarded"
    served.transport.answer()
    assert purposes(served.switch) == {Purpose.PASS_OTHER}


def test_a_retired_balancer_serves_nothing_until_it_is_configured_again() -> None:
    """Not even a switch that connects later. Its rules stay: they may be another balancer's."""
    served = Served()
    installed = len(served.switch.flows)
    served.fleet.retire()
    served.transport.answer()
    other = FakeSwitch(datapath_id=2)
    later = FakeTransport(other)
    served.fleet.on_connected(later)
    later.answer()
    assert later.sent == []
    served.fleet.configure(CONFIGURATION)
    served.transport.answer()
    later.answer()
    assert (len(served.switch.flows), len(other.flows), served.is_connected) == (installed, installed, True)
