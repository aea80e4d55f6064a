"""Which connection goes when there are too many: time is an argument, and no socket is needed."""

from __future__ import annotations

from ryu_haslb.web.connection_limit import (
    MAX_ANSWERS,
    MAX_SCRAPES,
    MAX_WAITING,
    PLACE_TIMEOUT,
    Client,
    Clients,
    peer_of,
)


class Bench:
    """The table, and the connections that it closed, by their numbers."""

    def __init__(self) -> None:
        self.clients = Clients()
        self.closed: list[int] = []
        self._count = 0

    def connect(self, address: str, now: float) -> Client:
        number = self._count
        self._count += 1
        return self.clients.admit(address, lambda: self.closed.append(number), now)

    def answer(self, address: str, now: float, is_scrape: bool = False) -> bool:
        return self.clients.begin(self.connect(address, now), is_scrape, now)


def test_the_longest_waiting_connection_of_the_greediest_address_goes_first() -> None:
    bench = Bench()
    bench.connect("192.0.2.9", 0.0)
    for second in range(1, MAX_WAITING):
        bench.connect("192.0.2.1", float(second))
    bench.connect("192.0.2.2", 100.0)
    bench.connect("192.0.2.1", 101.0)
    assert bench.closed == [1, 2]
    assert len(bench.clients) == MAX_WAITING


def test_a_connection_that_answers_takes_no_place_from_those_that_wait() -> None:
    bench = Bench()
    assert bench.answer("192.0.2.1", 0.0)
    for _ in range(MAX_WAITING):
        bench.connect("192.0.2.1", 1.0)
    assert not bench.closed


def test_an_address_with_all_places_gives_one_to_another_address_at_once() -> None:
    bench = Bench()
    assert all(bench.answer("192.0.2.1", 0.0) for _ in range(MAX_ANSWERS))
    assert bench.answer("192.0.2.2", 0.0)
    assert bench.closed == [0]


def test_further_requests_of_the_same_address_wait_for_its_own_answers_for_a_while() -> None:
    bench = Bench()
    assert all(bench.answer("192.0.2.1", 0.0) for _ in range(MAX_ANSWERS))
    assert not bench.answer("192.0.2.1", PLACE_TIMEOUT - 0.1)
    assert not bench.closed
    assert bench.answer("192.0.2.1", PLACE_TIMEOUT)
    assert bench.closed == [0]


def test_metrics_have_places_of_their_own_and_the_newest_request_always_gets_one() -> None:
    bench = Bench()
    assert all(bench.answer("192.0.2.1", 0.0) for _ in range(MAX_ANSWERS))
    assert all(bench.answer("192.0.2.1", 0.0, is_scrape=True) for _ in range(MAX_SCRAPES + 1))
    assert bench.closed == [MAX_ANSWERS]


def test_an_answered_connection_waits_again_as_the_newest() -> None:
    bench = Bench()
    first = bench.connect("192.0.2.1", 0.0)
    assert bench.clients.begin(first, False, 1.0)
    for _ in range(MAX_WAITING):
        bench.connect("192.0.2.1", 2.0)
    bench.clients.wait(first, 3.0)
    assert bench.closed == [1]


def test_a_closed_connection_cannot_begin_an_answer() -> None:
    bench = Bench()
    first = bench.connect("192.0.2.1", 0.0)
    for _ in range(MAX_WAITING):
        bench.connect("192.0.2.1", 1.0)
    assert bench.closed == [0]
    assert not bench.clients.begin(first, False, 2.0)


def test_the_addresses_of_one_ipv6_network_are_one_client() -> None:
    """A host may have all addresses of its network (RFC 4291 section 2.5.1)."""
    assert peer_of("2001:db8::1") == peer_of("2001:db8::ffff:1") != peer_of("2001:db8:0:1::1")
    assert peer_of("fe80::1%eth0") == "fe80::/64"
    assert peer_of("192.0.2.1") == peer_of("::ffff:192.0.2.1") == "192.0.2.1"
