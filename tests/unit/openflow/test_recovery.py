"""After a restart, sessions are taken over from the rules that a switch still holds: it is the session store."""

from __future__ import annotations

from farm_builder import VIRTUAL, Bench
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_replies import FlowRow, flow_stats_reply

from ryu_haslb.openflow import wire
from ryu_haslb.openflow.pipeline import Table, session_match
from ryu_haslb.openflow.recovery import PATIENCE, Adoption
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


def adopted(bench: Bench, adoption: Adoption, *reachable: int) -> int:
    deliveries = {bench.reals[number]: (TO_A, TO_B)[number] for number in reachable}
    servers = {VIRTUAL.packed: bench.server}
    return len(list(adoption.adopt(bench.balancer, servers, deliveries, bench.now)))


def test_our_rules_in_the_session_table_are_asked_for() -> None:
    assert Adoption().request(XID, 0.0) == flow_stats_request(XID, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)


def test_a_mobile_finds_its_session_again() -> None:
    bench, adoption = Bench(1, 1), Adoption()
    adoption.request(XID, 0.0)
    assert adoption.reply(XID, reply((tag("anna@example.org"), TO_B)))
    assert adoption.complete
    assert adopted(bench, adoption, 0, 1) == 1
    assert bench.letters("anna@example.org", "bert@example.org", "anna@example.org") == "BAB"
    assert bench.balancer.statistics.assignments == 1
    assert not any(session.is_recovered for session in bench.balancer.sessions)


def test_a_rule_waits_until_its_real_server_is_found() -> None:
    bench, adoption = Bench(1, 1), Adoption()
    adoption.request(XID, 0.0)
    adoption.reply(XID, reply((tag("anna@example.org"), TO_B), more=True))
    assert not adoption.complete
    adoption.reply(XID, reply((tag("bert@example.org"), TO_A)))
    assert adopted(bench, adoption, 0) == 1
    assert adopted(bench, adoption, 0, 1) == 1
    assert adopted(bench, adoption, 0, 1) == 0


def test_a_switch_that_does_not_answer_is_served_without_its_rules() -> None:
    adoption = Adoption()
    adoption.request(XID, 0.0)
    assert adoption.give_up(PATIENCE - 0.1) is None
    assert adoption.give_up(PATIENCE) is not None
    assert adoption.complete
    assert adoption.give_up(PATIENCE + 1) is None
    assert adoption.reply(XID, reply((tag("anna@example.org"), TO_B)))
    assert adopted(Bench(1, 1), adoption, 0, 1) == 0


def test_a_session_that_nobody_claims_ends_like_any_other() -> None:
    bench, adoption = Bench(1, 1), Adoption()
    adoption.request(XID, 0.0)
    adoption.reply(XID, reply((tag("anna@example.org"), TO_B)))
    adopted(bench, adoption, 0, 1)
    bench.wait(10.3)
    assert not list(bench.balancer.sessions)
    assert bench.letters("anna@example.org") == "A"


def test_the_answer_to_somebody_elses_question_is_left_to_them() -> None:
    adoption = Adoption()
    adoption.request(XID, 0.0)
    assert not adoption.reply(XID + 1, reply((tag("anna@example.org"), TO_B), xid=XID + 1))
    assert not adoption.complete


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_upset_the_reader(noise: bytes, at: int) -> None:
    adoption = Adoption()
    adoption.request(XID, 0.0)
    whole = reply((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A))
    assert adoption.reply(XID, whole[:at] + noise + whole[at + len(noise) :])
    adoption.give_up(0.0)
    assert adopted(Bench(1, 1), adoption, 0, 1) <= 2


def test_a_malformed_reply_is_reported_and_the_sessions_before_it_are_recovered() -> None:
    adoption = Adoption()
    adoption.request(XID, 0.0)
    whole = reply((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A))
    assert adoption.reply(XID, whole[:-1]), "the engine must not read it: it would not survive a length of 0"
    assert not adoption.complete
    given_up = adoption.give_up(0.1)
    assert given_up is not None
    assert given_up.reason.startswith("malformed flow-stats reply; ")
    assert adoption.complete
    assert adoption.give_up(0.2) is None
    assert adopted(Bench(1, 1), adoption, 0, 1) == 1
