"""Which connections that are not served may stay, and which goes for another."""

from __future__ import annotations

import pytest

from ryu_haslb.openflow.sockets.unserved_connections import HANDSHAKE_TIMEOUT, Unserved, peer_of


def full() -> Unserved[str]:
    """Five connections, the most that may be: a1 a2 of one peer, b1 b2 b3 of another."""
    unserved: Unserved[str] = Unserved(max_in_all=5, max_of_peer=3)
    for name in ("a1", "b1", "b2", "a2", "b3"):
        assert unserved.add(name, f"192.0.2.{ord(name[0])}", 0.0) is None
    return unserved


def test_beyond_the_limit_of_a_peer_its_own_oldest_goes() -> None:
    unserved = full()
    assert unserved.add("b4", f"192.0.2.{ord('b')}", 0.0) == "b1"
    assert "b1" not in unserved
    assert len(unserved) == 5


def test_beyond_the_limit_of_all_the_oldest_of_the_peer_with_the_most_goes() -> None:
    unserved = full()
    assert unserved.add("c1", "192.0.2.1", 0.0) == "b1"
    assert unserved.add("c2", "192.0.2.1", 0.0) == "a1", "each has two: the one whose peer came first"


def test_a_served_connection_makes_room_and_is_never_closed_for_another() -> None:
    unserved = full()
    for name in ("a1", "b1"):
        unserved.discard(name)
    assert unserved.add("a3", f"192.0.2.{ord('a')}", 0.0) is None
    assert unserved.add("a4", f"192.0.2.{ord('a')}", 0.0) is None


def test_a_connection_that_is_gone_leaves_nothing_behind() -> None:
    unserved = full()
    for name in ("a1", "b1", "b2", "a2", "b3", "never there"):
        unserved.discard(name)
    assert unserved == Unserved(max_in_all=5, max_of_peer=3)
    assert unserved.oldest() is None


def test_a_handshake_has_a_time_limit_from_the_connection_on() -> None:
    unserved: Unserved[str] = Unserved()
    unserved.add("early", "192.0.2.1", 0.0)
    unserved.add("late", "192.0.2.1", 1.0)
    assert list(unserved.expired(HANDSHAKE_TIMEOUT - 0.1)) == []
    assert list(unserved.expired(HANDSHAKE_TIMEOUT)) == ["early"]


def test_a_connection_that_waits_to_be_served_has_no_time_limit_and_gives_way() -> None:
    """Such as that of a switch that is not among the datapaths."""
    unserved: Unserved[str] = Unserved(max_in_all=1)
    unserved.add("waiting", "192.0.2.1", 0.0)
    unserved.complete("waiting")
    assert list(unserved.expired(1e9)) == []
    assert unserved.add("new", "192.0.2.2", 1e9) == "waiting"


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_peer_is_an_address_or_a_network_that_has_one_owner(host: str, peer: str) -> None:
    """RFC 6177: a site gets at least 64 bits of IPv6 addresses to choose from."""
    assert peer_of(host) == peer
