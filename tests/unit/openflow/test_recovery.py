"""After a restart, sessions are taken over from the rules that a switch still holds: it is the session store."""

from __future__ import annotations

import struct

import pytest
from farm_builder import VIRTUAL, Bench
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.engine import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.recovery import PATIENCE, Adoption
from ryu_haslb.slb.session import COOKIE_MARK, tag_of

DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
TO_A, TO_B = wire.output(1), wire.output(2)
XID = 7


def reply(*rules: tuple[int, bytes], xid: int = XID, more: bool = False) -> bytes:
    """A flow statistics reply: a row for each tag, its actions given; the layout is that of OpenFlow 1.3.5, 7.3.5.2."""
    body = b""
    for tag, actions in rules:
        rule = wire.SessionRule(tag << 16 | COOKIE_MARK, tag, VIRTUAL.packed, 434, 300, actions).flow_mod(0, 0)
        match_and_instructions = rule[48:]
        body += struct.pack(
            "!HBxIIHHHH4xQQQ",
            48 + len(match_and_instructions),
            1,
            1,
            0,
            50000,
            300,
            0,
            0,
            tag << 16 | COOKIE_MARK,
            3,
            300,
        )
        body += match_and_instructions
    return wire.HEADER.pack(4, 19, 16 + len(body), xid) + struct.pack("!HH4x", 1, int(more)) + body


def tag(mobile: str) -> int:
    return tag_of(VIRTUAL.packed, b"\x01" + mobile.encode())


def adopted(bench: Bench, adoption: Adoption, *reachable: int) -> int:
    deliveries = {bench.reals[number]: (TO_A, TO_B)[number] for number in reachable}
    servers = {VIRTUAL.packed: bench.server}
    return len(list(adoption.adopt(bench.balancer, servers, deliveries, bench.now)))


def test_the_question_is_what_ryu_would_ask() -> None:
    parser = ofproto_v1_3_parser
    message = parser.OFPFlowStatsRequest(
        DATAPATH, 0, 1, ofproto_v1_3.OFPP_ANY, ofproto_v1_3.OFPG_ANY, 0x51B7, 0xFFFF, parser.OFPMatch()
    )
    message.set_xid(XID)
    message.serialize()
    assert Adoption().request(XID, 0.0) == bytes(message.buf)


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


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_upset_the_reader(noise: bytes, at: int) -> None:
    adoption = Adoption()
    adoption.request(XID, 0.0)
    whole = reply((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A))
    try:
        adoption.reply(XID, whole[:at] + noise + whole[at + len(noise) :])
    except struct.error as error:
        assert str(error)  # a reply that is cut short is the only trouble
    adopted(Bench(1, 1), adoption, 0, 1)


def test_a_reply_cut_short_is_refused() -> None:
    adoption = Adoption()
    adoption.request(XID, 0.0)
    with pytest.raises(struct.error):
        adoption.reply(XID, reply((1, TO_A))[:40])
