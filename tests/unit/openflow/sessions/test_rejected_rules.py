"""Session rules that a switch rejects: others are installed all the same, and it gets them again after a pause."""

from __future__ import annotations

from typing import Optional

import pytest
from wired_switch import Wired, goes_to

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.delivery.backoff import MAX_RETRY_INTERVAL, MIN_RETRY_INTERVAL
from ryu_haslb.openflow.wire import wire

TABLE_FULL = (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL)


def _reject_additions(wired: Wired) -> None:
    """The flow table is full: rules can be removed, and none can be added (OpenFlow 1.3.5, section 6.4)."""

    def rejection(message: bytes) -> Optional[tuple[int, int]]:
        return TABLE_FULL if message[1] == wire.OFPT_FLOW_MOD and message[25] == wire.OFPFC_ADD else None

    wired.fake.rejects = rejection


def test_sessions_whose_rules_are_rejected_continue_by_packet_out(caplog: pytest.LogCaptureFixture) -> None:
    wired = Wired()
    _reject_additions(wired)
    wired.request("anna")
    wired.request("bert")
    wired.settle()
    wired.settle()
    assert wired.switch.rules.rejected.errors == 1
    assert wired.switch.rules.sessions_without_rule == 2
    assert "rejected 2 session rules (OFPFMFC_TABLE_FULL); these sessions continue by packet-out" in caplog.text
    assert [goes_to(message) for message in wired.request("anna")] == [7]


def test_a_full_table_costs_one_log_line_and_one_rejected_bundle_for_each_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The pauses last 1, 2, 4, 8 and 16 s: five further attempts in 40 s, however many requests come."""
    wired = Wired()
    _reject_additions(wired)
    for number in range(400):
        wired.find(number % 2)  # the real servers keep answering ARP
        wired.request(f"user{number}")
        wired.settle()
        wired.now += 0.1
    assert wired.switch.rules.rejected.errors == 6
    assert wired.switch.rules.sessions_without_rule == 400
    assert caplog.text.count("session rules (OFPFMFC_TABLE_FULL)") == 1


def test_rules_are_installed_when_the_table_has_room_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    wired = Wired()
    _reject_additions(wired)
    wired.request("anna")
    wired.settle()
    wired.fake.rejects = lambda _: None
    wired.settle()
    assert wired.switch.rules.sessions_without_rule == 1, "the pause is not over"
    wired.now += MIN_RETRY_INTERVAL
    wired.settle()
    assert wired.switch.rules.sessions_without_rule == 0
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]
    wired.now += MAX_RETRY_INTERVAL
    wired.settle()
    assert "all session rules are in place again" in caplog.text


def test_removals_do_not_wait_for_a_full_table_and_shorten_the_pause() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    (anna,) = wired.balancer.sessions
    _reject_additions(wired)
    for number in range(30):
        wired.find(number % 2)  # the real servers keep answering ARP
        wired.request(f"user{number}")
        wired.settle()
        wired.now += 1.0
    wired.balancer.clear_sessions()
    wired.fake.rejects = lambda _: None
    wired.request("bert")
    wired.settle()
    assert not wired.has_rule(anna)
    wired.now += MIN_RETRY_INTERVAL
    wired.settle()
    (bert,) = wired.balancer.sessions
    assert wired.has_rule(bert)


def test_a_rule_that_is_rejected_for_its_own_sake_is_sent_again_after_a_pause_and_others_do_not_wait() -> None:
    wired = Wired()
    wired.request("anna")
    (anna,) = wired.balancer.sessions
    wired.fake.rejects = lambda message: (2, 4) if is_addition(message, {anna.cookie}) else None
    for number in range(50):
        wired.request("anna")
        wired.request(f"user{number}")
        wired.settle()
    assert wired.switch.rules.rejected.errors == 1
    assert wired.switch.rules.sessions_without_rule == 1
    wired.fake.rejects = lambda _: None
    wired.now += MIN_RETRY_INTERVAL
    wired.settle()
    assert wired.has_rule(anna)


def is_addition(message: bytes, cookies: set[int]) -> bool:
    """Whether a flow-mod adds a rule with one of these cookies."""
    is_add = message[1] == wire.OFPT_FLOW_MOD and message[25] == wire.OFPFC_ADD
    return is_add and int.from_bytes(message[8:16], "big") in cookies


@pytest.mark.parametrize("reason", [(2, 4), (5, 4)])
def test_a_rule_that_the_switch_rejects_does_not_keep_others_out(reason: tuple[int, int]) -> None:
    """A bundle is rejected as a whole (ONF EXT-230); what would fit is installed all the same."""
    wired = Wired()
    mobiles = [f"user{number}" for number in range(20)]
    for mobile in mobiles:
        wired.request(mobile)
    sessions = list(wired.balancer.sessions)
    culprits = {sessions[number].cookie for number in (0, 7, 19)}
    wired.fake.rejects = lambda message: reason if is_addition(message, culprits) else None
    for _ in range(40):
        wired.settle()
    assert {session.cookie for session in sessions if not wired.has_rule(session)} == culprits
    assert {session.cookie for session in sessions if session.rule_at is None} == culprits
    assert wired.switch.rules.waiting == 0
    assert wired.switch.rules.rejected.errors == len(culprits)


def test_deletions_survive_the_rejection_of_their_bundle() -> None:
    table_full = (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL)
    wired = Wired()
    for number in range(6):
        wired.request(f"user{number}")
    wired.settle()
    ended = wired.balancer.clear_sessions()
    assert all(wired.has_rule(session) for session in ended)
    wired.request("anna")
    (anna,) = wired.balancer.sessions
    wired.fake.rejects = lambda message: table_full if is_addition(message, {anna.cookie}) else None
    for _ in range(4):
        wired.settle()
    assert not any(wired.has_rule(session) for session in ended)
    assert anna.rule_at is None


def test_a_part_of_a_rejected_bundle_is_not_sent_when_its_session_has_ended() -> None:
    wired = Wired()
    for number in range(8):
        wired.request(f"user{number}")
    sessions = list(wired.balancer.sessions)
    wired.fake.rejects = lambda message: (2, 4) if is_addition(message, {sessions[0].cookie}) else None
    wired.settle()
    wired.balancer.clear_sessions()
    for _ in range(8):
        wired.settle()
    assert not any(wired.has_rule(session) for session in sessions)
    assert wired.switch.rules.waiting == 0


def test_a_rule_that_was_to_be_replaced_is_removed_when_its_session_ends_before() -> None:
    """Its replacement was in a rejected bundle, so the rule that was there before is still there."""
    wired = Wired()
    for number in range(8):
        wired.request(f"user{number}")
    wired.settle()
    sessions = list(wired.balancer.sessions)
    wired.fake.rejects = lambda message: (2, 4) if is_addition(message, {sessions[0].cookie}) else None
    wired.replug(0, port=9)
    wired.replug(1, port=10)
    wired.settle()
    assert all(map(wired.has_rule, sessions))
    wired.balancer.clear_sessions()
    for _ in range(8):
        wired.settle()
    assert not any(map(wired.has_rule, sessions))


def test_what_is_left_of_a_rejected_bundle_waits_for_the_next_connection() -> None:
    wired = Wired()
    for number in range(8):
        wired.request(f"user{number}")
    sessions = list(wired.balancer.sessions)
    wired.fake.rejects = lambda message: (2, 4) if is_addition(message, {sessions[0].cookie}) else None
    wired.settle()
    wired.switch.disconnect()
    assert wired.switch.rules.waiting == len(sessions)
    wired.fake.rejects = lambda _: None
    wired.connect()
    wired.settle()
    assert all(session.rule_at == 1 for session in sessions)
