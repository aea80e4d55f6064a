"""Overload: a client that floods does not crowd out the others (docs/states.md, "Clients share")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.openflow.clients import MAX_RATE_LIMITED_CLIENTS, MAX_REQUEST_RATE, Clients, fair_share

FLOOD, QUIET = b"\x0a\x01\x01\x65", b"\x0a\x01\x01\x66"


def overloaded(clients: Clients, requests: dict[bytes, int], capacity: int, now: float = 50.0) -> dict[bytes, int]:
    """One review after a second in which so many requests came and so many of them were let in."""
    clients.on_overload(now - 1.0)
    for client, count in requests.items():
        for _ in range(count):
            clients.record_request(client)
    clients.admitted, clients.dropped = capacity, sum(requests.values()) - capacity
    return clients.update_rate_limits(now, {})


def test_a_client_that_floods_is_held_to_what_the_others_leave() -> None:
    assert overloaded(Clients(), {FLOOD: 3000, QUIET: 50}, 1000) == {FLOOD: pytest.approx(850, abs=1)}


def test_one_client_alone_is_not_held_back_however_much_it_brings() -> None:
    """A storm that comes from one foreign agent: known mobiles first is all the justice that there is."""
    assert overloaded(Clients(), {FLOOD: 3000}, 1000) == {}


def test_those_who_are_crowded_out_are_let_in_at_once() -> None:
    clients = Clients()
    assert not clients.is_crowded_out(QUIET)
    overloaded(clients, {FLOOD: 3000, QUIET: 50}, 1000)
    assert clients.is_crowded_out(QUIET)
    assert not clients.is_crowded_out(FLOOD)


def test_equal_clients_share_equally() -> None:
    requests = {bytes([10, 0, 0, number]): 1000 for number in range(1, 5)}
    assert overloaded(Clients(), requests, 1000) == dict.fromkeys(requests, pytest.approx(225, abs=1))


def test_made_up_addresses_fill_neither_memory_nor_meters() -> None:
    clients = Clients()
    assert overloaded(clients, {number.to_bytes(4, "big"): 10 for number in range(5000)}, 1000) == {}
    for number in range(5000):
        clients.record_request(number.to_bytes(4, "big"))
    assert len(clients._requests) <= 1000


def test_a_client_that_is_held_back_may_bring_more_until_there_is_too_much_again() -> None:
    clients = Clients()
    overloaded(clients, {FLOOD: 3000, QUIET: 50}, 1000)
    assert clients.update_rate_limits(51.0, {FLOOD: 2000}) == {FLOOD: pytest.approx(850 * 1.25, abs=2)}
    for second in range(52, 57):
        clients.on_overload(second - 1.0)
        for _ in range(100):
            clients.record_request(FLOOD)
        for _ in range(5):
            clients.record_request(QUIET)
        clients.admitted, clients.dropped = 1000, 200
        assert clients.update_rate_limits(float(second), {FLOOD: 1800}) == {FLOOD: pytest.approx(840, abs=15)}


def test_the_switch_sends_twice_what_is_served_at_most_until_the_flood_is_over() -> None:
    """To read what is dropped costs a third of what it costs to serve: beyond, the controller would only read."""
    clients = Clients()
    assert clients.total_rate == MAX_REQUEST_RATE
    overloaded(clients, {FLOOD: 19_000}, 10_000)
    assert clients.total_rate == MAX_REQUEST_RATE, "known mobiles go first among those that are read"
    overloaded(clients, {FLOOD: 40_000}, 4000)
    assert clients.total_rate == pytest.approx(8000, abs=1)
    overloaded(clients, {FLOOD: 8000}, 5000)
    assert clients.total_rate == pytest.approx(8000, abs=1)
    clients.update_rate_limits(60.0, {})
    assert clients.total_rate == pytest.approx(16_000, abs=1)
    for _ in range(2):
        clients.update_rate_limits(60.0, {})
    assert clients.total_rate == MAX_REQUEST_RATE
    overloaded(clients, {FLOOD: 3000}, 10)
    assert clients.total_rate == 1000


def test_an_overload_that_has_just_begun_says_nothing_yet() -> None:
    """What was served in a moment is no measure; requests before the overload do not count."""
    clients = Clients()
    clients.admitted = 100_000
    clients.on_overload(50.0)
    for client, count in ((FLOOD, 3000), (QUIET, 50)):
        for _ in range(count):
            clients.record_request(client)
    clients.admitted, clients.dropped = clients.admitted + 1000, 2050
    assert clients.update_rate_limits(50.1, {}) == {}
    assert clients.update_rate_limits(51.0, {}) == {FLOOD: pytest.approx(850, abs=1)}


def test_a_client_that_floods_no_more_is_forgotten() -> None:
    clients = Clients()
    overloaded(clients, {FLOOD: 3000, QUIET: 50}, 1000)
    held = [bool(clients.update_rate_limits(51.0, {})) for _ in range(10)]
    assert held == [True] * 9 + [False]
    assert not clients.is_crowded_out(QUIET)


@given(st.lists(st.floats(0, 1e6), max_size=40), st.floats(0, 1e6))
def test_fair_shares_fill_the_capacity_and_favour_nobody(wanted: list[float], capacity: float) -> None:
    """Max-min fairness: nobody could get more without somebody who has less getting less still."""
    share = fair_share(wanted, capacity)
    given_out = sum(min(rate, share) for rate in wanted)
    if share == float("inf"):
        assert given_out <= capacity * (1 + 1e-9) + 1e-6
    else:
        assert given_out == pytest.approx(capacity, abs=1e-3)


@given(st.dictionaries(st.binary(min_size=4, max_size=4), st.integers(1, 300), max_size=60), st.integers(0, 2000))
def test_never_more_are_held_than_there_are_meters(requests: dict[bytes, int], capacity: int) -> None:
    held = overloaded(Clients(), requests, min(capacity, sum(requests.values())))
    assert len(held) <= MAX_RATE_LIMITED_CLIENTS
    assert all(rate >= 1 for rate in held.values())
