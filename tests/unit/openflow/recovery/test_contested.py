"""Rules of a switch whose sessions began elsewhere: each switch is believed of itself only."""

from __future__ import annotations

import logging

import pytest
from farm_builder import Bench
from recovery_bench import TO_B, Restarted, rule_of, tag
from wired_switch import REALS, Wired, goes_to

from ryu_haslb.openflow.recovery.recovery import Status
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.session import Session

MOBILE, TAG = "anna@example.org", tag("anna@example.org")


def recovered_elsewhere(*reachable: int, rule_at: int | None = 0xBAD) -> tuple[Restarted, Session]:
    """Another switch has reported a rule that leads to the first home agent; this one reports one to the second."""
    bench = Bench(1, 1)
    session = bench.balancer.recover(bench.server, TAG, bench.reals[0], bench.now)
    session.rule_at = rule_at
    restarted = Restarted(*reachable, bench=bench)
    restarted.read((TAG, TO_B))
    return restarted, session


def wired_elsewhere() -> Wired:
    """The same, with a balancer that serves both switches."""
    other = Wired()
    (server,) = other.balancer.virtual_servers.values()
    session = other.balancer.recover(server, tag("anna"), server.farm.reals[0], other.now)
    session.rule_at = other.fake.datapath_id
    wired = Wired(on_switch=[rule_of("anna")], beside=other)
    wired.request("anna")
    assert wired.switch.unrecovered.recovery.has_contested
    return wired


def test_a_request_is_forwarded_by_the_rule_of_the_switch_at_which_it_arrives() -> None:
    restarted, session = recovered_elsewhere(0, 1)
    assert restarted.recovery.forwarding.forward_contested(TAG, restarted.bench.now) == TO_B
    assert restarted.recovery.status(TAG) is Status.PENDING, "an audit leaves the rule alone"
    assert not restarted.recovery.is_over
    assert session.real is restarted.bench.reals[0], "requests at the other switch follow its rule"
    assert (restarted.recovered, restarted.sessions()) == ([], 1)


def test_it_is_also_while_the_other_switch_confirms_no_rule() -> None:
    restarted, _ = recovered_elsewhere(0, 1, rule_at=None)
    assert restarted.recovery.forwarding.forward_contested(TAG, restarted.bench.now) == TO_B


def test_the_session_of_this_switch_is_contested_by_no_rule() -> None:
    restarted, _ = recovered_elsewhere(0, 1, rule_at=1)
    assert restarted.recovery.forwarding.forward_contested(TAG, restarted.bench.now) is None
    assert restarted.recovery.is_over


def test_a_rule_to_a_home_agent_that_is_found_later_is_settled_then() -> None:
    bench = Bench(1, 1)
    session = bench.balancer.recover(bench.server, TAG, bench.reals[1], bench.now)
    session.rule_at = 0xBAD
    restarted = Restarted(0, bench=bench)
    restarted.read((TAG, TO_B))
    assert restarted.recovery.forwarding.forward_contested(TAG, bench.now) == TO_B
    restarted.find(0, 1)
    restarted.recovery.tick(bench.now)
    assert restarted.recovery.is_over, "both lead there"
    assert restarted.lost == []


def test_the_rule_is_recovered_when_the_other_session_has_ended() -> None:
    restarted, session = recovered_elsewhere(0, 1)
    restarted.bench.balancer.ending.close_live([session])
    for _ in range(2):
        restarted.recovery.tick(restarted.bench.now)
    assert restarted.bench.letters(MOBILE) == "B"
    assert restarted.recovery.recovered == 1
    assert restarted.recovery.is_over


def test_a_contested_rule_stays_while_its_mobile_asks_and_is_lost_afterwards() -> None:
    restarted, _ = recovered_elsewhere(0, 1)
    begin, idle = restarted.bench.now, restarted.bench.server.idle
    restarted.recovery.forwarding.forward_contested(TAG, begin + idle - 1)
    restarted.recovery.tick(begin + idle + 1)
    assert restarted.lost == []
    restarted.recovery.tick(begin + 2 * idle)
    assert restarted.lost == [TAG]
    assert restarted.recovery.is_over


def test_a_rule_to_a_home_agent_that_has_failed_is_not_followed() -> None:
    restarted, _ = recovered_elsewhere(0, 1)
    restarted.bench.reals[1].fail(restarted.bench.now, is_last=False)
    assert restarted.recovery.forwarding.forward_contested(TAG, restarted.bench.now) is None
    assert restarted.recovery.is_over


def test_contested_rules_take_the_room_of_rules_that_wait() -> None:
    """The switch with the most of them gives up half of its lead for the rule of another switch."""
    bench = Bench(1, 1)
    sessions, tags = bench.balancer.sessions, range(TAG, TAG + 10)
    for each in tags:
        bench.balancer.recover(bench.server, each, bench.reals[0], bench.now).rule_at = 0xBAD
    liar = Restarted(0, 1, bench=bench)
    liar.read(*((each, TO_B) for each in tags))
    assert (liar.recovery.pending, sessions.recovery_room.pending) == (10, 10)
    sessions.limit.limit = len(tags) + 10
    other = Restarted(bench=bench)
    other.read((TAG + 10, TO_B))
    assert (liar.recovery.pending, other.recovery.pending, sessions.recovery_room.pending) == (5, 1, 6)


def test_a_contested_rule_counts_toward_the_limit_of_its_switch_and_keeps_no_other_rule_away() -> None:
    """Its mobile, or who uses its name, has it contested for as long as he likes."""
    wired = wired_elsewhere()
    wired.switch.rules.room.configured = 2
    for _ in range(4):
        wired.settle()
    for mobile in ("bert", "carl"):
        wired.request(mobile)
        for _ in range(4):
            wired.settle()
    (anna, bert, carl) = (wired.balancer.sessions.by_tag(tag(mobile)) for mobile in ("anna", "bert", "carl"))
    assert wired.switch.unrecovered.recovery.has_contested
    assert [each is not None and wired.has_rule(each) for each in (anna, bert, carl)] == [True, True, False]


def test_a_contested_rule_that_times_out_while_its_mobile_asks_is_added_again() -> None:
    """Its requests leave by packet-out, so that none hits it. Without the rule the next run would lose the session."""
    wired = wired_elsewhere()
    (before,) = wired.fake.flows_for(rule_of("anna").cookie)
    wired.now += 250
    wired.request("anna")
    wired.now += 100
    wired.time_out("anna")
    wired.settle()
    (after,) = wired.fake.flows_for(rule_of("anna").cookie)
    assert (str(after.match), str(after.instructions)) == (str(before.match), str(before.instructions))
    assert after.idle_timeout == 300
    wired.now += 250
    wired.time_out("anna")
    wired.settle()
    assert not wired.fake.has_flow(rule_of("anna").cookie), "its mobile is gone"


def test_the_session_of_a_contested_rule_has_ended_when_that_times_out_and_no_request_has_come() -> None:
    """Found with seed 30078 of 300 s: the rule was added again, and its session was recovered when the other ended."""
    restarted, session = recovered_elsewhere(0, 1)
    assert restarted.recovery.on_timed_out(TAG, restarted.bench.now + 150) is None
    restarted.bench.balancer.ending.close_live([session])
    restarted.recovery.tick(restarted.bench.now + 150)
    assert restarted.recovery.is_over
    assert restarted.sessions() == 0
    assert restarted.bench.balancer.sessions.recovery_room.pending == 0


def test_a_mobile_whose_session_came_here_meanwhile_follows_it_at_once() -> None:
    """Its request has named the other home agent, and the session's rule has replaced the one that was contested."""
    wired = wired_elsewhere()
    wired.request("anna", home_agent=REALS[0].address.packed)
    wired.switch.flush(wired.now)
    wired.confirm()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


def test_a_contested_rule_that_times_out_takes_no_place_of_the_rule_of_the_session_that_came_here() -> None:
    """The two messages have crossed: the session's rule was sent before the switch said that the other timed out."""
    wired = wired_elsewhere()
    wired.request("anna", home_agent=REALS[0].address.packed)
    wired.switch.flush(wired.now)
    wired.switch.on_session_rule_removed(tag("anna"), by_timeout=True, now=wired.now)
    wired.confirm()
    (flow,) = wired.fake.flows_for(rule_of("anna").cookie)
    assert flow.instructions[0].actions[-1].port == 7


def test_a_contested_rule_waits_for_no_real_server(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(1, 1)
    bench.balancer.recover(bench.server, TAG, bench.reals[0], bench.now).rule_at = 0xBAD
    restarted = Restarted(0, 1, bench=bench)
    with caplog.at_level(logging.INFO):
        restarted.read((TAG, TO_B), (TAG + 1, TO_B))
    assert "recovered 1 sessions from its rules in 1000.0 s; 0 rules wait for their real servers" in caplog.text
