"""The leader of a cluster resigns: session rules precede their requests, and the switches confirm them first."""

from __future__ import annotations

import pytest
from cluster_switch import Led

from ryu_haslb.openflow.fleet.fleet import RETURN_TIMEOUT
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.roles.fencing import QUESTION_INTERVAL
from ryu_haslb.openflow.sessions import reinstallation
from ryu_haslb.openflow.sessions.session_rules import MAX_OUTSTANDING_BUNDLES
from ryu_haslb.openflow.switch import ROLE_REPLY_TIMEOUT
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.session_filter import EVERY_SESSION
from ryu_haslb.slb.session_tag import COOKIE_MARK_BITS


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
    led.leader.fleet.on_leadership_changed()
    return ready


def test_a_leader_that_resigns_waits_until_its_switches_have_confirmed_their_rules() -> None:
    led = Led()
    leadership, ready = led.leader.leadership, resign(led)
    led.leader.connection.on_leadership_changed()
    assert (ready, len(leadership.awaited)) == ([], 1)
    led.settle()
    assert (ready, len(leadership.awaited)) == ([True], 0)


def begin_sessions(led: Led, count: int = 20) -> None:
    """Sessions begin at the leader whose rules are still on their way."""
    for number in range(count):
        led.leader.request(f"late-{number}@isp.com")
    assert not led.leader.switch.rules.is_idle


def without_rule(led: Led) -> list[int]:
    """The tags of those sessions of the leader that have no rule on the switch."""
    tags = {flow.cookie >> COOKIE_MARK_BITS for flow in led.switch.datapath.tables[Table.SESSIONS]}
    return [session.tag for session in led.leader.balancer.sessions if session.tag not in tags]


@pytest.mark.parametrize("moment", ["before", "lost", "asks"])
def test_a_switch_that_connects_again_gets_the_rules_that_were_on_their_way_first(moment: str) -> None:
    """Without them the next leader would not know their sessions. ``moment`` is when the leader resigns."""
    led = Led()
    steps = {"before": led.leader.lose, "lost": led.switch.restart, "back": led.leader.connect}
    begin_sessions(led)
    for each in (*steps, "asks"):
        if each == moment:
            ready = resign(led)
            assert led.leader.leadership.awaited
        if each in steps:
            steps[each]()
    assert (ready, without_rule(led) != []) == ([], True)
    led.run(0.1)
    assert (ready, without_rule(led)) == ([True], [])


def test_a_resigning_leader_waits_until_the_rules_of_very_many_sessions_are_installed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are installed in slices, between which requests are served."""
    monkeypatch.setattr(reinstallation, "MAX_SESSIONS_PER_STEP", 5)
    led = Led()
    led.leader.lose()
    led.switch.restart()
    led.leader.connect()
    led.settle()
    ready = resign(led)
    led.settle()
    assert (ready, len(without_rule(led)) > 0) == ([], True)
    led.run(1.0)
    assert (ready, without_rule(led)) == ([True], [])


def test_a_resigning_leader_waits_until_the_rules_of_cleared_sessions_are_removed() -> None:
    """The next leader would take these rules for sessions."""
    led = Led()
    assert sum(led.leader.balancer.clear_in_slices(EVERY_SESSION, 1000)) == len(led.homes)
    ready = resign(led)
    led.settle()
    led.run(0.1)
    assert ready == [True]
    assert list(led.leader.balancer.sessions) == []
    assert len(led.switch.datapath.tables[Table.SESSIONS]) == 1, "the rule for requests without a session"


def test_a_switch_that_was_lost_long_ago_is_not_waited_for() -> None:
    led = Led()
    led.leader.lose()
    led.run(RETURN_TIMEOUT + 0.1)
    resign(led)
    assert led.leader.leadership.awaited == set()


@pytest.mark.parametrize("connects_again", [False, True])
def test_a_switch_that_does_not_answer_is_not_waited_for(connects_again: bool) -> None:
    """The leader resigns since it does not reach this switch, and another member does."""
    led = Led()
    switch = led.leader.switch
    if connects_again:
        led.leader.lose()
        led.leader.connect()
    for _ in range(round(50 * (ROLE_REPLY_TIMEOUT + QUESTION_INTERVAL))):
        led.clock.run_until(led.clock.now + 0.02)
        led.leader.fleet.tick(led.clock.now)
    assert (switch.channel is not None, switch.answers(led.clock.now)) == (not connects_again, False)
    resign(led)
    assert led.leader.leadership.awaited == set()


def test_a_switch_whose_next_leader_is_there_is_not_waited_for() -> None:
    led = Led()
    ready = resign(led)
    led.standby.lead(2)
    led.settle()
    assert led.leader.switch.role is Role.WAITING
    assert (ready, led.leader.leadership.awaited) == ([True], set())


def test_a_switch_that_is_retired_is_not_waited_for() -> None:
    led = Led()
    ready = resign(led)
    led.leader.fleet.retire()
    assert (ready, led.leader.leadership.awaited) == ([True], set())
