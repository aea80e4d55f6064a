"""The ARP packets that reach the controller: limited for each host and each port, all others served as before."""

from __future__ import annotations

from ryu_haslb.openflow.neighbours.arp_storm_limit import (
    MAX_HOST_RATE,
    MAX_MUTED_HOSTS,
    MAX_PORT_RATE,
    MUTE_INTERVAL,
    ArpStormLimit,
    Storm,
)


def mac(number: int) -> bytes:
    return b"\x02\0" + number.to_bytes(4, "big")


def admitted(limit: ArpStormLimit, count: int, port: int, now: float, hosts: int = 1) -> int:
    return sum(limit.admits(port, mac(number % hosts), now) for number in range(count))


def test_a_host_within_the_limit_is_never_muted() -> None:
    limit = ArpStormLimit()
    for second in range(60):
        assert admitted(limit, MAX_HOST_RATE, 3, float(second)) == MAX_HOST_RATE
    assert (limit.take_storms(), limit.dropped) == ([], 0)


def test_a_host_that_sends_too_much_is_muted_once_and_others_at_its_port_are_not() -> None:
    limit = ArpStormLimit()
    assert admitted(limit, 10_000, 3, 0.0) == MAX_HOST_RATE
    assert limit.take_storms() == [Storm(3, mac(0))]
    assert limit.take_storms() == []
    assert limit.admits(3, mac(1), 0.5)
    assert limit.admits(4, mac(0), 0.5), "the same address at another port is another host"
    assert not limit.admits(3, mac(0), MUTE_INTERVAL - 0.1)
    assert limit.dropped == 10_000 - MAX_HOST_RATE + 1


def test_a_muted_host_is_heard_again_and_muted_again() -> None:
    limit = ArpStormLimit()
    for number in range(3):
        assert admitted(limit, 1000, 3, number * (MUTE_INTERVAL + 1.0)) == MAX_HOST_RATE
        assert limit.take_storms() == [Storm(3, mac(0))]


def test_a_port_whose_hosts_change_their_addresses_is_muted_as_a_whole() -> None:
    limit = ArpStormLimit()
    assert admitted(limit, 100_000, 3, 0.0, hosts=100_000) == MAX_PORT_RATE
    assert limit.take_storms() == [Storm(3)]
    assert not limit.admits(3, mac(1_000_000), 1.0)
    assert limit.admits(4, mac(1_000_000), 1.0)


def test_few_hosts_are_muted_one_by_one() -> None:
    """Each takes rules on the switch."""
    limit = ArpStormLimit()
    for port in range(MAX_MUTED_HOSTS + 5):
        admitted(limit, MAX_HOST_RATE + 1, port, 0.0)
    storms = limit.take_storms()
    assert [storm.mac is None for storm in storms] == [False] * MAX_MUTED_HOSTS + [True] * 5


def test_a_distributed_storm_takes_no_memory_without_end() -> None:
    limit = ArpStormLimit()
    for number in range(200_000):
        limit.admits(number % 1000, mac(number), 0.0)
    assert len(limit._hosts) <= 4096
