"""The secrets that the tags of sessions are hashed with, and sessions that are recovered by them."""

from __future__ import annotations

import pytest
from farm_builder import VIRTUAL, Bench

from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session_tag import UNKEYED, tag_of
from ryu_haslb.slb.tag_keys import MAX_KEYS, TagKeys

OURS, OTHER = b"our own key", b"another key"


def test_the_tag_of_an_nai_cannot_be_computed_without_the_key() -> None:
    tags = {tag_of(VIRTUAL.packed, b"\x01anna", key) for key in (OURS, OTHER, UNKEYED)}
    assert len(tags) == 3
    assert all(tag >> 40 & 3 == 2 for tag in tags), "a locally administered unicast address"


def test_the_first_switch_decides_about_the_key() -> None:
    """Its rules bear tags of that key, so that it needs no other."""
    keys = TagKeys(OURS)
    keys.adopt([OTHER], 1)
    assert list(keys) == [OTHER]
    keys.adopt([b"third"], 1)
    assert list(keys) == [OTHER, b"third"]


def test_a_switch_without_keys_leaves_ours() -> None:
    keys = TagKeys(OURS)
    keys.adopt([], 1)
    keys.adopt([OTHER], 1)
    assert list(keys) == [OURS, OTHER]


def test_tags_without_a_key_are_of_an_earlier_version_and_are_no_example() -> None:
    keys = TagKeys(OURS)
    keys.adopt([UNKEYED], 1)
    assert list(keys) == [OURS, UNKEYED]


def test_a_second_restart_finds_all_keys_and_only_so_many() -> None:
    keys = TagKeys(b"fresh")
    keys.adopt([OURS, OTHER, UNKEYED], 1)
    assert list(keys) == [OURS, OTHER, UNKEYED]
    keys.adopt([b"4", b"5", OTHER], 2)
    assert len(list(keys)) == MAX_KEYS
    assert keys.current == OURS


def test_the_keys_of_a_switch_are_pushed_out_by_no_other() -> None:
    """A host that passes for a switch can report any keys, again and again."""
    keys = TagKeys(b"fresh")
    keys.adopt([b"a stranger's"], 0xBAD)
    keys.adopt([OURS, OTHER, UNKEYED], 1)
    for number in range(9):
        keys.adopt([b"%d-%d" % (number, part) for part in range(MAX_KEYS)], 0xBAD + number)
    assert keys.of_switch(1)[:4] == [b"a stranger's", OURS, OTHER, UNKEYED]
    assert len(keys.of_switch(1)) <= 2 * MAX_KEYS
    keys.forget(1)
    assert OURS not in keys.of_switch(1)


@pytest.mark.parametrize("key", [OURS, OTHER, UNKEYED])
def test_a_recovered_session_is_claimed_whatever_key_its_tag_is_of(key: bytes) -> None:
    bench = Bench(1, 1)
    bench.balancer.__init__(bench.configuration, key=b"fresh")  # type: ignore[misc]
    bench.server = bench.balancer.virtual_servers["MIPSLB"]
    bench.reals = bench.server.farm.reals
    for real in bench.reals:
        real.reachable_from.add(1)
    bench.balancer.sessions.keys.adopt([OURS, OTHER, UNKEYED], 1)
    tag = tag_of(VIRTUAL.packed, b"\x01anna", key)
    recovered = bench.balancer.recover(bench.server, tag, bench.reals[1], bench.now)
    assert bench.request("anna").session is recovered
    assert bench.letter(bench.request("anna")) == "B"
    assert recovered.tag == tag


def test_a_recovered_session_is_selected_by_its_mobile_though_other_switches_have_reported_many_keys() -> None:
    """As its next request finds it, so do ``show`` and ``clear``."""
    bench = Bench(1)
    keys = bench.balancer.sessions.keys
    keys.adopt([b"current"], 2)
    keys.adopt([OURS], 1)
    keys.adopt([b"%d" % number for number in range(MAX_KEYS)], 0xBAD)
    tag = tag_of(VIRTUAL.packed, b"\x01anna", OURS)
    recovered = bench.balancer.recover(bench.server, tag, bench.reals[0], bench.now)
    assert bench.balancer.sessions.with_identity(bench.server, b"\x01anna") is recovered
    assert bench.request("anna").session is recovered


def test_new_sessions_have_tags_of_the_current_key() -> None:
    bench = Bench(1)
    balancer = Balancer(bench.configuration, key=OURS)
    bench.balancer, bench.server = balancer, balancer.virtual_servers["MIPSLB"]
    bench.server.farm.reals[0].reachable_from.add(1)
    session = bench.request("anna").session
    assert session is not None
    assert session.tag == tag_of(VIRTUAL.packed, b"\x01anna", OURS)
