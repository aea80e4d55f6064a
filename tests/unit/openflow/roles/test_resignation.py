"""The leader of a cluster resigns: session rules precede their requests, and the switches confirm them first."""

from __future__ import annotations

import pytest
from cluster_switch import Led

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.sessions.session_rules import MAX_OUTSTANDING_BUNDLES


def kinds_of(messages: list[bytes]) -> list[int]:
    """The types of all messages; what is transmitted at once may be several."""
    kinds = []
    sent, offset = b"".join(messages), 0
    while offset < len(sent):
        _, kind, length, _ = wire.HEADER.unpack_from(sent, offset)
        kinds.append(kind)
        offset += length
    return kinds


def test_while_the_leader_resigns_each_session_rule_precedes_its_request() -> None:
    """The switch may have its next leader at any moment: no request may pass without its rule."""
    led = Led()
    leader = led.leader
    for number in range(2 * MAX_OUTSTANDING_BUNDLES):  # more than the switch confirms: rules wait
        leader.request(f"busy-{number}@isp.com")
        leader.connection.flush(led.clock.now)
    assert leader.switch.rules.waiting
    leader.leadership.is_resigning = True
    leader.connection.on_leadership_changed()
    assert not leader.switch.rules.waiting
    leader.sent.clear()
    leader.request("late@isp.com")
    kinds = kinds_of(leader.sent)
    assert kinds.index(wire.OFPT_FLOW_MOD) < kinds.index(wire.OFPT_PACKET_OUT)
    leader.leadership.is_resigning = False
    leader.connection.on_leadership_changed()
    leader.sent.clear()
    leader.request("later@isp.com")
    assert kinds_of(leader.sent) == [wire.OFPT_PACKET_OUT]


def test_the_rules_of_requests_that_arrive_together_are_one_bundle_while_the_leader_resigns() -> None:
    """With a bundle for each the switch lags behind, and loses more requests when it gets its next leader."""
    led = Led()
    leader = led.leader
    leader.leadership.is_resigning = True
    leader.connection.on_leadership_changed()
    leader.sent.clear()
    assert leader.handler is not None and leader.on_handled is not None
    for number in range(3):
        message = leader.packet_in(f"late-{number}@isp.com")
        leader.handler(wire.OFPT_PACKET_IN, 0, message)
    assert leader.sent == []
    leader.on_handled()
    kinds = kinds_of(leader.sent)
    assert kinds[-3:] == [wire.OFPT_PACKET_OUT] * 3
    assert wire.OFPT_PACKET_OUT not in kinds[:-3]
    assert kinds.count(wire.OFPT_BARRIER_REQUEST) == 2, "one in front of the bundle, and one behind it"


@pytest.mark.parametrize("reason", ["tick", "succeeded"])
def test_what_is_held_back_leaves_with_the_next_flush_or_when_it_goes_on(reason: str) -> None:
    led = Led()
    leader = led.leader
    leader.leadership.is_resigning = True
    leader.connection.on_leadership_changed()
    leader.sent.clear()
    assert leader.handler is not None
    leader.handler(wire.OFPT_PACKET_IN, 0, leader.packet_in("late@isp.com"))
    if reason == "tick":
        leader.connection.flush(led.clock.now)
    else:
        leader.leadership.is_resigning = False
        leader.connection.on_leadership_changed()
    kinds = kinds_of(leader.sent)
    assert kinds.count(wire.OFPT_PACKET_OUT) == 1
    assert kinds.index(wire.OFPT_FLOW_MOD) < kinds.index(wire.OFPT_PACKET_OUT)


def resign(led: Led) -> list[bool]:
    """Have the leader resign; the result gets an entry when it is ready for that."""
    ready: list[bool] = []
    led.leader.leadership.on_ready = lambda: ready.append(True)
    led.leader.leadership.is_resigning = True
    led.leader.connection.on_leadership_changed()
    return ready


def test_a_leader_that_resigns_waits_until_its_switches_have_confirmed_their_rules() -> None:
    led = Led()
    leadership, ready = led.leader.leadership, resign(led)
    led.leader.connection.on_leadership_changed()
    assert (ready, len(leadership.awaited)) == ([], 1)
    led.settle()
    assert (ready, len(leadership.awaited)) == ([True], 0)


def test_a_switch_that_is_lost_is_not_waited_for() -> None:
    led = Led()
    ready = resign(led)
    led.leader.connection.leave()
    assert (ready, len(led.leader.leadership.awaited)) == ([True], 0)
