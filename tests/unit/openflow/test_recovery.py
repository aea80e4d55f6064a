"""After a restart, sessions are recovered from the rules that a switch still holds: it is the session store."""

from __future__ import annotations

from farm_builder import VIRTUAL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_replies import FlowRow, flow_stats_reply

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.pipeline import Table, session_match
from ryu_haslb.openflow.recovery import FLOW_STATS_TIMEOUT, Recovery
from ryu_haslb.openflow.wire_flow_mod import apply_actions, match
from ryu_haslb.openflow.wire_multipart import flow_stats_request
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK, tag_of

TO_A, TO_B = wire.output(1), wire.output(2)
XID = 7


def reply(*rules: tuple[int, bytes], xid: int = XID, more: bool = False) -> bytes:
    """A flow statistics reply: a row for each tag, with its actions."""
    rows = [
        FlowRow(number << 16 | COOKIE_MARK, match(session_match(number, str(VIRTUAL))), apply_actions(actions))
        for number, actions in rules
    ]
    return flow_stats_reply(*rows, xid=xid, more=more)


def tag(mobile: str) -> int:
    return tag_of(VIRTUAL.packed, b"\x01" + mobile.encode())


def recovered(bench: Bench, recovery: Recovery, *reachable: int) -> int:
    deliveries = {bench.reals[number]: (TO_A, TO_B)[number] for number in reachable}
    servers = {VIRTUAL.packed: bench.server}
    return len(list(recovery.recover(bench.balancer, servers, deliveries, bench.now)))


def test_our_rules_in_the_session_table_are_asked_for() -> None:
    assert Recovery().request_flow_stats(XID, 0.0) == flow_stats_request(
        XID, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK
    )


def test_a_mobile_keeps_its_home_agent() -> None:
    bench, recovery = Bench(1, 1), Recovery()
    recovery.request_flow_stats(XID, 0.0)
    assert recovery.on_flow_stats(XID, reply((tag("anna@example.org"), TO_B)))
    assert recovery.is_complete
    assert recovered(bench, recovery, 0, 1) == 1
    assert bench.letters("anna@example.org", "bert@example.org", "anna@example.org") == "BAB"
    assert bench.balancer.statistics.assignments == 1
    assert not any(session.is_recovered for session in bench.balancer.sessions)


def test_a_rule_is_pending_until_its_real_server_is_found() -> None:
    bench, recovery = Bench(1, 1), Recovery()
    recovery.request_flow_stats(XID, 0.0)
    recovery.on_flow_stats(XID, reply((tag("anna@example.org"), TO_B), more=True))
    assert not recovery.is_complete
    recovery.on_flow_stats(XID, reply((tag("bert@example.org"), TO_A)))
    assert recovered(bench, recovery, 0) == 1
    assert recovered(bench, recovery, 0, 1) == 1
    assert recovered(bench, recovery, 0, 1) == 0


def test_without_a_flow_stats_reply_sessions_of_the_previous_run_are_lost() -> None:
    recovery = Recovery()
    recovery.request_flow_stats(XID, 0.0)
    assert recovery.expire(FLOW_STATS_TIMEOUT - 0.1) is None
    loss = recovery.expire(FLOW_STATS_TIMEOUT)
    assert loss == ("no flow-stats reply within 3 s; sessions of the previous run are lost", [])
    assert recovery.is_complete
    assert recovery.expire(FLOW_STATS_TIMEOUT + 1) is None
    assert recovery.on_flow_stats(XID, reply((tag("anna@example.org"), TO_B)))
    assert recovered(Bench(1, 1), recovery, 0, 1) == 0


def test_a_recovered_session_without_requests_ends_like_any_other() -> None:
    bench, recovery = Bench(1, 1), Recovery()
    recovery.request_flow_stats(XID, 0.0)
    recovery.on_flow_stats(XID, reply((tag("anna@example.org"), TO_B)))
    recovered(bench, recovery, 0, 1)
    bench.wait(10.3)
    assert not list(bench.balancer.sessions)
    assert bench.letters("anna@example.org") == "A"


def test_the_reply_to_another_request_is_left_alone() -> None:
    recovery = Recovery()
    recovery.request_flow_stats(XID, 0.0)
    assert not recovery.on_flow_stats(XID + 1, reply((tag("anna@example.org"), TO_B), xid=XID + 1))
    assert not recovery.is_complete


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_damaged_reply_recovers_no_session_that_is_not_there(noise: bytes, at: int) -> None:
    recovery = Recovery()
    recovery.request_flow_stats(XID, 0.0)
    whole = reply((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A))
    assert recovery.on_flow_stats(XID, whole[:at] + noise + whole[at + len(noise) :])
    recovery.expire(0.0)
    assert recovered(Bench(1, 1), recovery, 0, 1) <= 2


def test_a_malformed_reply_is_reported_and_the_sessions_before_it_are_recovered() -> None:
    recovery = Recovery()
    recovery.request_flow_stats(XID, 0.0)
    whole = reply((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A))
    assert recovery.on_flow_stats(XID, whole[:-1]), "the engine must not read it: it would not survive a length of 0"
    assert not recovery.is_complete
    loss = recovery.expire(0.1)
    assert loss is not None
    assert loss.reason.startswith("malformed flow-stats reply (byte ")
    assert recovery.is_complete
    assert recovery.expire(0.2) is None
    assert recovered(Bench(1, 1), recovery, 0, 1) == 1
