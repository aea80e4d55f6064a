"""The session rules of a switch: installed in bundles, installed again, removed (bundles: ONF EXT-230)."""

from __future__ import annotations

import gc

import pytest
from fake_switch import FakeSwitch
from wired_switch import PORTS, Wired, goes_to

from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.sessions import session_rules
from ryu_haslb.openflow.sessions.flow_mod_pace import MAX_WINDOW
from ryu_haslb.openflow.sessions.rule_bundle import MAX_BUNDLE_REMOVALS
from ryu_haslb.openflow.sessions.session_rules import MAX_OUTSTANDING_BUNDLES
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.drop_reason import DropReason


def test_a_rule_whose_real_moves_before_it_is_confirmed_is_installed_again() -> None:
    wired = Wired()
    wired.request("anna")
    wired.tick()
    wired.replug(0, port=9)
    wired.confirm()
    assert [goes_to(message) for message in wired.request("anna")] == [9]
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]
    (session,) = wired.balancer.sessions
    (flow,) = wired.fake.flows_for(session.cookie)
    assert flow.instructions[0].actions[-1].port == 9


def test_rules_stay_while_their_home_agent_is_lost_and_sessions_get_theirs() -> None:
    """The switch is the session store: a balancer that is started meanwhile finds them there."""
    wired = Wired()
    for mobile in ("anna", "bert"):
        wired.request(mobile)
    wired.flush()
    wired.switch.on_port_changed(PORTS[0], False)
    wired.confirm()
    wired.settle()
    assert [session.rule_at for session in wired.balancer.sessions] == [1, 1]
    assert all(map(wired.has_rule, wired.balancer.sessions))
    wired.sent.clear()
    wired.find(0)
    wired.settle()
    assert wired.transport.sent_of(wire.OFPT_FLOW_MOD) == [], "they lead where it is again"


def test_a_missing_rule_is_installed_again_although_its_home_agent_is_lost() -> None:
    """The request comes back that was returned to the rule. It is dropped, since the port is down."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    wired.return_probe()
    (session,) = wired.balancer.sessions
    wired.fake.lose(cookie=session.cookie)
    (returned,) = wired.request("anna")
    frame = returned[24 + int.from_bytes(returned[16:18], "big") :]
    wired.switch.on_port_changed(PORTS[0], False)
    tag = session.tag.to_bytes(6, "big")
    wired.sent.clear()
    wired.punt(Purpose.PUNT_SESSION_MISS, frame[:6] + tag + frame[12:], port=wire.OFPP_CONTROLLER)
    assert wired.sent == []
    assert wired.drops(DropReason.REAL_UNREACHABLE) == 1
    wired.settle()
    assert wired.has_rule(session)


def test_a_slow_switch_has_few_outstanding_bundles_and_gets_the_rest_later() -> None:
    wired = Wired()
    for number in range(10):
        wired.request(f"user{number}")
        wired.tick()
    assert wired.switch.rules.waiting == 10 - MAX_OUTSTANDING_BUNDLES
    wired.confirm()
    wired.settle()
    assert wired.switch.rules.waiting == 0


def test_rules_are_installed_after_a_lost_connection() -> None:
    wired = Wired()
    for number in range(5):
        wired.request(f"user{number}")
        wired.tick()
    wired.switch.disconnect()
    wired.connect()
    wired.request("anna")
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_rules_of_sessions_that_ended_are_removed_from_a_slow_switch_too() -> None:
    """Those that are installed, those that are outstanding, and those that were never sent."""
    wired = Wired()
    for number in range(MAX_OUTSTANDING_BUNDLES + 1):
        wired.request(f"user{number}")
        wired.tick()
    ended = wired.balancer.clear_sessions()
    assert [wired.has_rule(session) for session in ended].count(True) == MAX_OUTSTANDING_BUNDLES
    wired.confirm()
    wired.settle()
    assert wired.switch.rules.waiting == 0
    for session in ended:
        assert not wired.has_rule(session)


def test_the_rules_of_many_sessions_that_ended_are_removed_by_small_bundles() -> None:
    """Requests wait until the switch has carried out a bundle."""
    wired = Wired()
    for number in range(3 * MAX_BUNDLE_REMOVALS):
        wired.request(f"user{number}")
    rules = wired.switch.rules
    rules.pace.window = MAX_WINDOW
    wired.settle()
    wired.balancer.clear_sessions()
    wired.tick()
    assert rules.waiting == 2 * MAX_BUNDLE_REMOVALS
    wired.settle()
    wired.settle()
    assert rules.waiting == 0


def test_rules_that_wait_to_be_removed_are_no_objects_that_the_collector_visits() -> None:
    """When many sessions end, hundreds of thousands of them wait."""
    rules = Wired().switch.rules
    gc.collect()
    visited = len(gc.get_objects())
    for tag in range(1000):
        rules.remove_rule(tag, bytes([10, 1, 1, 10]), MOBILE_IP_PORT)
    gc.collect()
    assert rules.waiting == 1000
    assert len(gc.get_objects()) - visited < 10


def test_the_rule_of_a_session_that_timed_out_is_removed() -> None:
    """With many sessions, rules have no idle time-out."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    (session,) = wired.balancer.sessions
    assert wired.has_rule(session)
    wired.now += 301
    wired.balancer.advance(wired.now, 10)
    wired.flush()
    assert not wired.has_rule(session)


def test_a_mobile_that_moves_to_another_switch_leaves_no_rule_behind() -> None:
    here = Wired()
    there = Wired(beside=here)
    here.request("anna")
    here.settle()
    (session,) = here.balancer.sessions
    assert here.has_rule(session)
    there.request("anna")
    there.settle()
    here.flush()
    assert not here.has_rule(session)
    assert there.has_rule(session)
    assert session.rule_at == 2


def test_a_mobile_that_moves_while_its_rule_is_on_its_way_once_more_keeps_the_one_at_the_other_switch() -> None:
    """Two requests before the first confirmation: the deletion there follows the second addition."""
    here = Wired()
    there = Wired(beside=here)
    for _ in range(2):
        here.request("anna")
        here.flush()
    (session,) = here.balancer.sessions
    while session.rule_at is None:
        here.transport.answer_next()
    there.request("anna")
    there.settle()
    here.flush()
    here.confirm()
    there.flush()
    there.confirm()
    assert session.rule_at == 2
    assert there.has_rule(session)
    assert not here.has_rule(session)


def test_a_deletion_that_was_outstanding_when_the_connection_was_lost_does_not_follow_a_new_rule() -> None:
    """The session has come back meanwhile, and its rule is sent at once while this member of a cluster resigns."""
    here = Wired()
    there = Wired(beside=here)
    for wired in (here, there):
        wired.request("anna")
        wired.settle()
    (session,) = here.balancer.sessions
    here.flush()
    here.request("anna")
    here.switch.disconnect()
    here.connect()
    here.switch.path.set_resigning(True)
    here.flush()
    here.confirm()
    there.flush()
    there.confirm()
    assert session.rule_at == 1
    assert here.has_rule(session)
    assert not there.has_rule(session)


def test_rules_have_an_idle_time_out_unless_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open vSwitch visits all rules that have a time-out whenever a rule is added: docs/performance.md."""
    monkeypatch.setattr(session_rules, "MAX_SESSIONS_WITH_IDLE_TIMEOUT", 1)
    wired = Wired()
    timeouts = []
    for mobile in ("anna", "bert"):
        wired.request(mobile)
        wired.sent.clear()
        wired.flush()
        (message,) = wired.transport.sent_of(wire.OFPT_FLOW_MOD)
        timeouts.append(int.from_bytes(message[26:28], "big"))
        wired.confirm()
    assert timeouts == [300, 0]


@pytest.mark.parametrize("lacks", ["accepts_timeouts", "accepts_flags"])
def test_rules_that_were_sent_before_the_first_was_rejected_for_its_time_out_are_repeated_as_well(
    lacks: str, caplog: pytest.LogCaptureFixture
) -> None:
    wired = Wired(fake=FakeSwitch(**{lacks: False}))
    for number in range(MAX_OUTSTANDING_BUNDLES):
        wired.request(f"user{number}")
        wired.tick()
    for _ in range(MAX_OUTSTANDING_BUNDLES + 1):
        wired.confirm()
        wired.flush()
    assert all(map(wired.has_rule, wired.balancer.sessions))
    assert "rejected" not in caplog.text


def test_rules_have_no_idle_time_out_where_the_switch_forwards_no_request_by_them() -> None:
    """docs/flows.md, "The end of a session rule": also over the next connection, before that has shown it again."""
    wired = Wired()
    wired.switch.path.table_output.on_rejected()
    wired.switch.disconnect()
    wired.connect()
    wired.request("anna")
    wired.sent.clear()
    wired.flush()
    (message,) = wired.transport.sent_of(wire.OFPT_FLOW_MOD)
    assert message[26:28] == bytes(2)


def test_a_bundle_that_was_outstanding_when_the_connection_was_lost_is_sent_again() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    (anna,) = wired.balancer.sessions
    wired.balancer.clear_sessions()
    wired.request("bert")
    wired.flush()
    wired.switch.disconnect()
    (bert,) = wired.balancer.sessions
    wired.connect()
    wired.sent.clear()
    wired.settle()
    assert not wired.has_rule(anna)
    assert bert.rule_at == 1


def test_a_switch_that_connects_again_before_its_connection_is_lost_gets_its_rules() -> None:
    wired = Wired()
    for number in range(MAX_OUTSTANDING_BUNDLES):
        wired.request(f"user{number}")
        wired.tick()
    wired.connect()
    wired.request("anna")
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]
