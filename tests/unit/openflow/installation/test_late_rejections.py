"""A switch that rejects standing rules behind the barrier reply that confirms them, as some hardware does."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

import pytest
from connection_bench import KEY, OTHER_CONFIGURATION, TABLE_FULL, Connected, adds_another, rules_on, seconds_pass
from fake_switch import error
from served_switch import CONFIGURATION

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.wire import wire


def rejected_late(connected: Connected) -> bytes:
    """The error about a standing rule that the switch has confirmed."""
    flow_mods = connected.transport.sent_of(wire.OFPT_FLOW_MOD)
    xid, _ = Counter(each[4:8] for each in flow_mods).most_common(1)[0]
    sent = next(each for each in flow_mods if each[4:8] == xid)
    return error(sent, (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_EPERM))


def test_rules_of_an_earlier_run_that_were_replaced_are_not_gone_on_with() -> None:
    """The switch has confirmed the rules of this run, and so deleted those of before, when it rejects one of them."""
    connected = Connected(key=KEY)
    connected.start_again(OTHER_CONFIGURATION)
    assert connected.connection.is_serving
    address = IPv4Address("10.1.1.11").packed
    late = next(each for each in connected.transport.sent_of(wire.OFPT_EXPERIMENTER) if address in each)
    connected.transport.deliver(error(late, TABLE_FULL))
    connected.transport.answer()
    assert not connected.connection.is_serving
    seconds_pass(connected, 2)
    assert connected.connection.is_serving


def test_a_switch_that_rejects_the_standing_rules_behind_the_barrier_is_tried_again_as_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each attempt seems to succeed at first. It goes on with the former rules, and sends an error for each new one."""
    connected = Connected(has_bundles=False)
    before = rules_on(connected.fake)
    attempts = 0
    connected.transport.sent.clear()
    connected.connection.configure(OTHER_CONFIGURATION)
    connected.transport.answer()
    for _ in range(100):
        rejected = [each for each in connected.transport.sent if adds_another(each)]
        attempts += bool(rejected)
        connected.transport.sent.clear()
        for each in rejected:
            connected.transport.deliver(error(each, TABLE_FULL))
            connected.transport.answer()
        assert rules_on(connected.fake) == before
        seconds_pass(connected, 1)
    assert attempts == 7
    assert caplog.text.count("rejected the standing rules of the configuration in force (OFPFMFC_TABLE_FULL)") == 1
    connected.find_real()
    assert len(connected.request()) == 1


def test_a_rejection_behind_the_barrier_has_no_effect_once_the_switch_is_not_served() -> None:
    """Another balancer serves it by then."""
    connected = Connected(has_bundles=False)
    rejection = rejected_late(connected)
    connected.connection._installation.end()
    connected.transport.sent.clear()
    connected.transport.deliver(rejection)
    for _ in range(10):
        connected.now += 1.0
        connected.connection._installation.tick(connected.now)
    assert not connected.transport.sent
    assert not connected.connection.is_serving


def test_all_rules_are_sent_again_when_those_before_were_rejected_behind_the_barrier() -> None:
    """What was sent since is the difference from rules that are not all there."""
    connected = Connected(has_bundles=False)
    connected.transport.sent.clear()
    connected.connection.configure(OTHER_CONFIGURATION)
    connected.transport.answer()
    rejection = rejected_late(connected)
    connected.connection.configure(CONFIGURATION)
    connected.transport.answer()
    connected.transport.sent.clear()
    assert connected.transport.deliver(rejection)
    connected.transport.answer()
    assert connected.connection.is_serving
    assert len(connected.transport.sent_of(wire.OFPT_FLOW_MOD)) > len(list(standing_rules(CONFIGURATION, 1)))


def test_all_rules_are_sent_again_when_those_before_are_rejected_while_a_difference_is_on_its_way() -> None:
    connected = Connected(has_bundles=False)
    connected.connection.configure(OTHER_CONFIGURATION)
    connected.transport.answer()
    rejection = rejected_late(connected)
    connected.transport.sent.clear()
    connected.connection.configure(CONFIGURATION)
    assert connected.transport.deliver(rejection)
    connected.transport.answer()
    assert connected.connection.is_serving
    assert len(connected.transport.sent_of(wire.OFPT_FLOW_MOD)) > len(list(standing_rules(CONFIGURATION, 1)))


def test_a_rejection_of_standing_rules_that_others_have_replaced_has_no_effect() -> None:
    connected = Connected(has_bundles=False)
    rejection = rejected_late(connected)
    connected.connection.configure(CONFIGURATION)
    connected.transport.answer()
    assert connected.transport.deliver(rejection)
    assert connected.connection.is_serving
