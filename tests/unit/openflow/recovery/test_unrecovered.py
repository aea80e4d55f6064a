"""Requests while the session rules of the previous run are read, and of sessions whose real server is not found yet."""

from __future__ import annotations

import re

import pytest
from recovery_bench import rule_of
from statistics_replies import flow_stats_reply
from wired_switch import REALS, VIRTUAL, Wired, goes_to

from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.multipart import flow_stats
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.session_tag import tag_of

TABLE_FULL = wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_TABLE_FULL


def test_a_mobile_keeps_its_home_agent_even_if_that_answers_arp_late() -> None:
    """After a crash the rule on the switch leads there, whether the home agent has been found or not."""
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    assert [goes_to(message) for message in wired.request("anna")] == [8]
    assert not list(wired.balancer.sessions)
    assert [goes_to(message) for message in wired.request("carl")] == [7]
    wired.now += 200
    wired.tick()
    wired.find(1)
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]
    assert wired.drops(DropReason.RECOVERY_PENDING) == 0


def test_a_mobile_whose_home_agent_never_comes_back_is_given_another() -> None:
    """It is retried as often as ``reassign`` allows, like any session; its rule is then replaced."""
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    reassign = REALS[1].reassign
    assert [goes_to(message) for _ in range(reassign + 1) for message in wired.request("anna")] == [8] * (reassign + 1)
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dispatched) == (reassign + 2, reassign + 2)


def test_a_mobile_whose_home_agent_never_comes_back_keeps_its_place_while_no_other_one_serves() -> None:
    """As a session does. It goes on to ask there, and finds its home agent when that is back."""
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    for _ in range(2 * REALS[1].reassign):
        assert [goes_to(message) for message in wired.request("anna")] == [8]
    wired.find(1)
    wired.request("anna")
    assert wired.balancer.statistics.assignments == 0, "its session is recovered"


def test_a_session_that_only_the_audit_finds_is_recovered_at_a_home_agent_that_has_been_found_meanwhile() -> None:
    """Reading was given up, so no rule was known when the home agent answered ARP."""
    wired = Wired(on_switch=[rule_of("anna")], found=False, answers=False)
    unrecovered, much_later = wired.switch.unrecovered, wired.now + 1000.0
    unrecovered.recovery.reading.request(1, wired.now)
    while not unrecovered.recovery.is_complete:
        if unrecovered.recovery.reading.advance(False, much_later):
            unrecovered.recovery.reading.request(2, wired.now)
    wired.find(1)
    wired.tick()
    (row,) = flow_stats(flow_stats_reply(rule_of("anna"), xid=3))
    assert unrecovered.adopt(row, wired.now)
    assert len(wired.balancer.sessions) == 1


@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_pending_rule_stays_for_the_idle_time_after_its_mobiles_last_request(is_dropped: bool) -> None:
    """As a session does, also if that was dropped; rules of mobiles that ask for nothing are removed meanwhile."""
    wired = Wired(on_switch=[rule_of("anna"), rule_of("bert")], found=False)
    if is_dropped:
        wired.transport.down.add(8)
    else:
        wired.find(0)
    for seconds, pending in [(250, 2), (100, 1), (199, 1), (2, 0)]:
        wired.now += seconds
        wired.settle()
        assert wired.switch.unrecovered.recovery.pending == pending
        if pending == 2:
            assert [goes_to(message) for message in wired.request("anna")] == ([] if is_dropped else [8])


def test_a_pending_rule_that_times_out_is_added_again_if_its_mobile_has_asked_meanwhile() -> None:
    """Its requests leave by packet-out, so that none hits it. Without the rule the next run would lose the session."""
    wired = Wired(on_switch=[rule_of("anna"), rule_of("bert")], found=False)
    wired.now += 200
    wired.request("anna")
    wired.now += 99
    for mobile in ("anna", "bert"):
        wired.time_out(mobile)
    wired.confirm()
    assert [wired.fake.has_flow(rule_of(mobile).cookie) for mobile in ("anna", "bert")] == [True, False]


def test_a_timed_out_rule_that_the_switch_rejects_is_logged_and_its_mobile_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    wired.request("anna")
    wired.fake.rejects = lambda message: TABLE_FULL if message[1] == wire.OFPT_FLOW_MOD else None
    wired.time_out("anna")
    wired.confirm()
    assert re.search(r"rejected session rule \w{12}, which had timed out .*TABLE_FULL", caplog.text)
    assert [goes_to(message) for message in wired.request("anna")] == [8]


@pytest.mark.parametrize("lifetime", [0, 600])
def test_a_recovered_session_ends_with_its_rule_unless_a_request_has_come(lifetime: int) -> None:
    """A deregistration is no such request: it restarts no time (docs/states.md)."""
    wired = Wired(on_switch=[rule_of("anna")])
    wired.tick()
    (session,) = wired.balancer.sessions
    wired.request("anna", lifetime=lifetime)
    assert not session.is_recovered
    wired.now += 200
    wired.time_out("anna")
    wired.settle()
    assert wired.has_rule(session) == (lifetime > 0)


def test_a_mobile_whose_home_agents_port_is_down_keeps_its_place_while_no_other_one_serves() -> None:
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.transport.down.add(8)
    for _ in range(3):
        assert wired.request("anna") == []
    assert wired.drops(DropReason.REAL_UNREACHABLE) == 3
    wired.transport.down.clear()
    wired.find(1)
    wired.request("anna")
    assert wired.balancer.statistics.assignments == 0, "its session is recovered"


def test_a_deregistration_moves_no_mobile_whose_home_agents_port_is_down() -> None:
    """Any host can send one to the virtual address."""
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    wired.transport.down.add(8)
    assert wired.request("anna", lifetime=0) == []
    assert wired.drops(DropReason.REAL_UNREACHABLE) == 1
    wired.transport.down.clear()
    wired.find(1)
    wired.tick()
    assert len(wired.balancer.sessions) == 1


def test_a_mobile_whose_home_agent_is_behind_a_port_that_is_down_is_given_another_at_once() -> None:
    """The switch would send nothing there. Seen in the cluster world 2088: three requests were lost."""
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    wired.transport.down.add(8)
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    assert len(wired.balancer.sessions) == 1


def test_the_rule_of_a_mobile_that_is_given_another_home_agent_is_replaced_also_where_there_is_no_room() -> None:
    """It would lead to the former one, and the next run recover the session there (docs/states.md, "Recovery")."""
    wired = Wired(on_switch=[rule_of("anna"), rule_of("bert")], found=False)
    wired.switch.rules.room.configured = 1
    wired.find(0)
    wired.transport.down.add(8)
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    wired.settle()
    (session,) = wired.balancer.sessions
    assert wired.switch.unrecovered.recovery.pending == 1
    assert session.rule_at == wired.switch.datapath_id
    assert wired.switch.rules.room.held == {session.tag}


def test_a_rule_that_leads_to_no_real_server_of_the_farm_is_given_up_at_once() -> None:
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    wired.find(1, port=9)
    assert [goes_to(message) for message in wired.request("anna")] in ([7], [9])
    assert len(wired.balancer.sessions) == 1


def test_the_session_of_a_pending_rule_has_ended_when_that_times_out_and_no_request_has_come() -> None:
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.now += 100
    wired.time_out("anna")
    wired.find(0)
    wired.find(1)
    wired.tick()
    assert len(wired.balancer.sessions) == 0
    assert not wired.switch.unrecovered.is_known


def test_a_pending_rule_is_removed_when_its_session_could_no_longer_live() -> None:
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    wired.now += 299
    wired.settle()
    assert wired.switch.unrecovered.recovery.pending == 1
    wired.now += 2
    wired.sent.clear()
    wired.settle()
    (deletion,) = wired.transport.sent_of(wire.OFPT_FLOW_MOD)
    assert deletion[25] == wire.OFPFC_DELETE_STRICT
    assert wired.switch.unrecovered.recovery.is_over


def test_a_deregistration_reaches_the_home_agent_of_a_pending_session_and_ends_nothing() -> None:
    """Any host can send one to the virtual address: the session is recovered all the same."""
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(0)
    for _ in range(REALS[1].reassign + 2):
        assert [goes_to(message) for message in wired.request("anna", lifetime=0)] == [8]
    wired.find(1)
    wired.tick()
    assert len(wired.balancer.sessions) == 1


def test_while_rules_are_read_the_switch_itself_decides_whether_it_has_one() -> None:
    """A request is output to TABLE: its rule leads it to its home agent. Without one it returns as a session miss."""
    wired = Wired(answers=False)
    wired.find(0)
    wired.find(1)
    wired.return_probe()
    (returned,) = wired.request("anna")
    assert goes_to(returned) == wire.OFPP_TABLE
    assert not list(wired.balancer.sessions)
    assert wired.balancer.statistics.dispatched == 1
    frame = returned[24 + int.from_bytes(returned[16:18], "big") :]
    tag = tag_of(VIRTUAL.packed, b"\x01anna").to_bytes(6, "big")
    wired.sent.clear()
    wired.punt(Purpose.PUNT_SESSION_MISS, frame[:6] + tag + frame[12:], port=wire.OFPP_CONTROLLER)
    assert [goes_to(message) for message in wired.sent] == [7]
    assert len(wired.balancer.sessions) == 1
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dispatched, statistics.assignments) == (1, 1, 1)
    assert [goes_to(message) for message in wired.request("anna")] == [7], "this session is known"


def test_while_rules_are_read_a_request_that_names_its_home_agent_goes_there() -> None:
    """Only that one can hold the binding. But all who know an NAI can write such a request: no session begins by it,
    which would replace the rule that has not been read yet."""
    wired = Wired(answers=False)
    wired.find(1)
    wired.return_probe()
    assert [goes_to(message) for message in wired.request("bert", home_agent=REALS[1].address.packed)] == [8]
    assert not list(wired.balancer.sessions)


def test_a_request_that_names_another_home_agent_than_a_pending_rule_leaves_the_rule_alone() -> None:
    wired = Wired(on_switch=[rule_of("anna")], found=False)
    wired.find(1)
    assert [goes_to(message) for message in wired.request("anna", home_agent=REALS[1].address.packed)] == [8]
    assert not list(wired.balancer.sessions)
    wired.find(0)
    assert [goes_to(message) for message in wired.request("anna")][-1:] in ([7], [wire.OFPP_TABLE])


def test_while_rules_are_read_a_switch_without_output_to_table_keeps_requests_waiting() -> None:
    """The balancer cannot know whether the mobile has a session. The foreign agent retransmits."""
    wired = Wired(answers=False)
    wired.find(0)
    assert wired.request("anna") == []
    assert wired.drops(DropReason.RECOVERY_PENDING) == 1


def test_requests_of_clients_count_once_while_sessions_are_recovered() -> None:
    """Those that a rule forwards, those that come back, and those that have to wait (``show ip slb clients``)."""
    pending = Wired(on_switch=[rule_of("anna")], found=False)
    pending.request("anna")
    assert list(pending.balancer.client_counts.requests.values()) == [1]
    returning = Wired(answers=False)
    returning.find(0)
    returning.return_probe()
    (returned,) = returning.request("anna")
    frame = returned[24 + int.from_bytes(returned[16:18], "big") :]
    tag = tag_of(VIRTUAL.packed, b"\x01anna").to_bytes(6, "big")
    returning.punt(Purpose.PUNT_SESSION_MISS, frame[:6] + tag + frame[12:], port=wire.OFPP_CONTROLLER)
    assert len(returning.balancer.sessions) == 1
    assert list(returning.balancer.client_counts.requests.values()) == [1]
    waiting = Wired(answers=False)
    waiting.find(0)
    waiting.request("anna")
    counts = waiting.balancer.client_counts
    assert (list(counts.requests.values()), list(counts.dropped.values())) == ([1], [1])
