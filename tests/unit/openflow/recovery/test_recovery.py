"""After a restart, sessions are recovered from the rules that a switch still holds: it is the session store."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recovery_bench import MACS, TO_A, TO_B, XID, Restarted, reply, tag

from ryu_haslb.openflow.flow_tables.pipeline import chassis_address
from ryu_haslb.openflow.flow_tables.session_rule import delivery_actions, session_rewrites
from ryu_haslb.openflow.recovery.recovery import Status
from ryu_haslb.openflow.recovery.rule_reading import REPLY_TIMEOUT


@pytest.mark.parametrize("is_found", [True, False], ids=["home agent found", "home agent found later"])
def test_the_rule_of_a_session_that_has_begun_before_it_was_read_is_the_sessions(is_found: bool) -> None:
    """Its mobile has named its home agent. A limit of session rules counts the rule, and an audit would miss it."""
    restarted = Restarted(*((0,) if is_found else ()))
    real = restarted.bench.reals[0]
    assert restarted.bench.request("anna", home_agent=real.packed_address).real is real
    restarted.read((tag("anna"), TO_A))
    restarted.find(0)
    restarted.recovery.tick(restarted.bench.now)
    assert restarted.recovered == [(restarted.bench.session("anna"), TO_A)]
    assert (restarted.sessions(), restarted.recovery.recovered) == (1, 0)


def test_the_rule_of_a_session_at_another_switch_is_left_alone() -> None:
    restarted = Restarted(0)
    restarted.bench.request("anna", home_agent=restarted.bench.reals[0].packed_address)
    session = restarted.bench.session("anna")
    assert session is not None
    session.rule_at = 2
    restarted.read((tag("anna"), TO_A))
    assert restarted.recovered == []


def test_a_mobile_keeps_its_home_agent() -> None:
    restarted = Restarted(0, 1)
    restarted.read((tag("anna@example.org"), TO_B))
    assert restarted.recovery.is_complete
    bench = restarted.bench
    assert restarted.sessions() == 1
    assert bench.letters("anna@example.org", "bert@example.org", "anna@example.org") == "BAB"
    assert bench.balancer.statistics.assignments == 1
    assert not any(session.is_recovered for session in bench.balancer.sessions)


def test_sessions_are_recovered_as_their_rules_come_not_at_the_end() -> None:
    restarted = Restarted(0, 1)
    restarted.read((tag("anna@example.org"), TO_B), more=True)
    assert restarted.bench.letters("anna@example.org") == "B"
    assert not restarted.recovery.is_complete


def test_a_rule_is_pending_until_its_real_server_is_found() -> None:
    restarted = Restarted(0)
    anna, bert = tag("anna@example.org"), tag("bert@example.org")
    restarted.read((anna, TO_B), (bert, TO_A), now=0.0)
    assert (restarted.sessions(), restarted.recovery.pending) == (1, 1)
    assert (restarted.recovery.status(anna), restarted.recovery.status(bert)) == (Status.PENDING, Status.READ)
    restarted.find(0, 1)
    restarted.recovery.tick(9.0)
    assert restarted.sessions() == 2
    assert restarted.recovery.is_over
    assert restarted.lost == []


def test_the_log_says_what_has_become_of_rules_that_waited(caplog: pytest.LogCaptureFixture) -> None:
    """Mostly they are read before ARP is answered: 'recovered 0 sessions' must not be the last word."""
    restarted = Restarted()
    with caplog.at_level(logging.INFO):
        restarted.read((tag("one"), TO_A), now=0.5)
        restarted.recovery.tick(0.6)
        restarted.find(0)
        for _ in range(2):
            restarted.recovery.tick(1.0)
    lines = [message.partition("recovered ")[2] for message in caplog.messages]
    assert lines == [
        "0 sessions from its rules in 0.5 s; 1 rules wait for their real servers",
        "1 sessions from its rules in 1.0 s; 0 rules wait for their real servers",
    ]


def test_a_rule_is_pending_for_the_idle_time_of_its_virtual_server() -> None:
    restarted = Restarted(0)
    idle = restarted.bench.server.idle
    anna = tag("anna@example.org")
    restarted.read((anna, TO_B), now=50.0)
    restarted.recovery.tick(50.0 + idle - 0.1)
    assert restarted.recovery.status(anna) is Status.PENDING
    restarted.recovery.tick(50.0 + idle)
    assert restarted.lost == [anna]
    assert restarted.recovery.is_over


def test_many_pending_rules_are_recovered_some_at_a_time() -> None:
    """The event loop has other work: one tick may take a few milliseconds."""
    restarted = Restarted()
    restarted.read(*((1 << 41 | number, TO_A) for number in range(300)), now=0.0, more=True)
    for first in range(300, 4500, 300):
        restarted.read(*((1 << 41 | number, TO_A) for number in range(first, first + 300)), now=0.0, more=True)
    assert restarted.recovery.pending == 4500
    restarted.find(0)
    restarted.recovery.tick(1.0)
    assert restarted.sessions() == 1000
    assert restarted.recovery.recover_if_found(1 << 41 | 7, 1.0), "one that is asked for is recovered at once"
    for _ in range(5):
        restarted.recovery.tick(1.0)
    assert restarted.sessions() == 4500


def test_another_chassis_address_of_an_earlier_version_does_not_matter() -> None:
    restarted = Restarted(0, 1)
    older = delivery_actions(session_rewrites(chassis_address(77), MACS[1]), 2, None)
    restarted.read((tag("anna@example.org"), older))
    ((session, actions),) = restarted.recovered
    assert (session.real, actions) == (restarted.bench.reals[1], older)


def test_a_recovered_session_without_requests_ends_like_any_other() -> None:
    restarted = Restarted(0, 1)
    restarted.read((tag("anna@example.org"), TO_B))
    restarted.bench.wait(10.3)
    assert not restarted.sessions()
    assert restarted.bench.letters("anna@example.org") == "A"


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_damaged_reply_recovers_no_session_that_is_not_there(noise: bytes, at: int) -> None:
    restarted = Restarted(0, 1)
    whole = reply((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A))
    assert restarted.recovery.reading.on_reply(XID, whole[:at] + noise + whole[at + len(noise) :], 0.0) is not None
    restarted.recovery.reading.advance(False, REPLY_TIMEOUT)
    assert restarted.recovery.is_complete
    assert restarted.sessions() <= 2


def test_a_malformed_part_is_reported_and_all_other_sessions_are_recovered(caplog: pytest.LogCaptureFixture) -> None:
    restarted = Restarted(0, 1)
    first = reply((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A), more=True)
    assert restarted.recovery.reading.on_reply(XID, first[:-1], restarted.bench.now) is False
    restarted.read((tag("carl@example.org"), TO_B))
    assert restarted.recovery.is_complete
    assert restarted.bench.letters("anna@example.org", "carl@example.org") == "BB"
    assert caplog.text.count("malformed flow-stats reply (byte ") == 1
    assert restarted.lost == []
