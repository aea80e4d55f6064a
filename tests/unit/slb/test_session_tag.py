"""The tags of sessions: each mobile of a virtual server has one of its own."""

from __future__ import annotations

from farm_builder import Bench

from ryu_haslb.mobile_ip.identity import nai_identity
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, next_tag, tag_of


def test_a_tag_is_a_locally_administered_unicast_address_and_heads_the_cookie() -> None:
    session = Bench(1).request("anna@example.org").session
    assert session is not None
    assert session.tag.to_bytes(6, "big")[0] & 0x03 == 0x02
    assert session.cookie == session.tag << COOKIE_MARK_BITS | COOKIE_MARK


def test_tags_that_collide_are_kept_apart() -> None:
    """No mobile is ever dispatched to another mobile's home agent. Here a session has the tags of two other mobiles."""
    bench = Bench(1, 1, 1)
    first = bench.request("user0@example.org").session
    assert first is not None
    hashed = tag_of(bench.server.packed_address, nai_identity(b"user1@example.org").key)
    for taken in (hashed, next_tag(hashed)):
        bench.balancer.sessions._by_tag.add(taken, first)
    sessions = [bench.request(f"user{number}@example.org").session for number in range(3)]
    tags = [session.tag for session in sessions if session is not None]
    assert tags[1] == next_tag(next_tag(hashed)) != hashed
    assert len(set(tags)) == 3
    assert bench.new_sessions(3) == "ABC"


def test_the_tag_after_the_last_is_the_first() -> None:
    assert next_tag(0xFE_FF_FF_FF_FF_FF) == 0x02_00_00_00_00_00
    assert next_tag(0x02_FF_FF_FF_FF_FF) == 0x06_00_00_00_00_00


def test_one_mobile_has_different_tags_at_different_virtual_servers() -> None:
    assert tag_of(b"\x0a\x01\x01\x0a", b"\x01anna") != tag_of(b"\x0a\x01\x01\x0b", b"\x01anna")
