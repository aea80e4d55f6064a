"""TLS handshakes are limited for each peer: a flood from one address does not keep the event loop busy."""

from __future__ import annotations

from ryu_haslb.openflow.sockets.handshake_rate import HANDSHAKE_BURST, MAX_HANDSHAKE_RATE, MAX_PEERS, HandshakeLimit


def test_a_peer_that_floods_is_held_to_its_rate_and_others_are_not() -> None:
    limit, now, begun = HandshakeLimit(), 100.0, 0
    for _ in range(10_000):
        now += 0.001
        begun += limit.take("192.0.2.1", now)
    assert HANDSHAKE_BURST <= begun <= HANDSHAKE_BURST + 10 * MAX_HANDSHAKE_RATE + 1
    assert limit.take("192.0.2.2", now)


def test_a_machine_whose_bridges_all_connect_anew_is_not_delayed() -> None:
    limit = HandshakeLimit()
    assert all(limit.take("192.0.2.1", 100.0) for _ in range(int(HANDSHAKE_BURST)))
    assert not limit.take("192.0.2.1", 100.0)
    assert limit.take("192.0.2.1", 100.0 + 1.5 / MAX_HANDSHAKE_RATE)


def test_peers_in_any_number_take_no_memory() -> None:
    limit = HandshakeLimit()
    for number in range(3 * MAX_PEERS):
        assert limit.take(f"2001:db8:{number:x}::/64", 100.0)
    assert len(limit._buckets) <= MAX_PEERS
