"""Overload: a client that floods does not crowd out the others (docs/states.md, "Clients share")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.openflow.overload.clients import MAX_RATE_LIMITED_CLIENTS, MAX_REQUEST_RATE, Clients, fair_share

FLOOD, QUIET = b"\x0a\x01\x01\x65", b"\x0a\x01\x01\x66"


def overloaded(clients: Clients, requests: dict[bytes, int], capacity: int, now: float = 50.0) -> dict[bytes, int]:
    """An update after one second in which these requests came and ``capacity`` of them were admitted."""
    clients.on_overload(now - 1.0)
    for client, count in requests.items():
        for _ in range(count):
            clients.record_request(client)
    clients.admitted, clients.dropped = capacity, sum(requests.values()) - capacity
    return clients.update_rate_limits(now, {})


def test_a_client_that_floods_is_rate_limited_to_what_the_others_leave() -> None:
    assert overloaded(Clients(), {FLOOD: 3000, QUIET: 50}, 1000) == {FLOOD: pytest.approx(850, abs=1)}


def test_a_single_client_is_never_rate_limited() -> None:
    """A storm from one foreign agent: there is no other client to protect."""
    assert overloaded(Clients(), {FLOOD: 3000}, 1000) == {}


def test_clients_that_are_crowded_out_are_admitted() -> None:
    clients = Clients()
    assert not clients.is_crowded_out(QUIET)
    overloaded(clients, {FLOOD: 3000, QUIET: 50}, 1000)
    assert clients.is_crowded_out(QUIET)
    assert not clients.is_crowded_out(FLOOD)


def test_equal_clients_get_equal_shares() -> None:
    requests = {bytes([10, 0, 0, number]): 1000 for number in range(1, 5)}
    assert overloaded(Clients(), requests, 1000) == dict.fromkeys(requests, pytest.approx(225, abs=1))


def test_forged_addresses_exhaust_neither_memory_nor_meters() -> None:
    clients = Clients()
    assert overloaded(clients, {number.to_bytes(4, "big"): 10 for number in range(5000)}, 1000) == {}
    for number in range(5000):
        clients.record_request(number.to_bytes(4, "big"))
    assert len(clients._requests) <= 1000


def test_a_rate_limit_grows_until_the_next_overload() -> None:
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


def test_all_clients_together_may_send_twice_what_is_served_until_the_overload_is_over() -> None:
    """Reading a request that is dropped costs a third of serving one: beyond, the controller would only read."""
    clients = Clients()
    assert clients.total_rate == MAX_REQUEST_RATE
    overloaded(clients, {FLOOD: 19_000}, 10_000)
    assert clients.total_rate == MAX_REQUEST_RATE, "less than twice what was served"
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


def test_an_overload_that_has_just_begun_changes_no_limit() -> None:
    """A short interval does not measure what can be served. Requests before the overload do not count."""
    clients = Clients()
    clients.admitted = 100_000
    clients.on_overload(50.0)
    for client, count in ((FLOOD, 3000), (QUIET, 50)):
        for _ in range(count):
            clients.record_request(client)
    clients.admitted, clients.dropped = clients.admitted + 1000, 2050
    assert clients.update_rate_limits(50.1, {}) == {}
    assert clients.update_rate_limits(51.0, {}) == {FLOOD: pytest.approx(850, abs=1)}


def test_a_rate_limit_without_drops_is_lifted() -> None:
    clients = Clients()
    overloaded(clients, {FLOOD: 3000, QUIET: 50}, 1000)
    limited = [bool(clients.update_rate_limits(51.0, {})) for _ in range(10)]
    assert limited == [True] * 9 + [False]
    assert not clients.is_crowded_out(QUIET)


@given(st.lists(st.floats(0, 1e6), max_size=40), st.floats(0, 1e6))
def test_fair_shares_fill_the_capacity_and_are_max_min_fair(wanted: list[float], capacity: float) -> None:
    """No client could get more without another getting less that has no more than it."""
    share = fair_share(wanted, capacity)
    given_out = sum(min(rate, share) for rate in wanted)
    if share == float("inf"):
        assert given_out <= capacity * (1 + 1e-9) + 1e-6
    else:
        assert given_out == pytest.approx(capacity, abs=1e-3)


@given(st.dictionaries(st.binary(min_size=4, max_size=4), st.integers(1, 300), max_size=60), st.integers(0, 2000))
def test_no_more_clients_are_rate_limited_than_there_are_meters(requests: dict[bytes, int], capacity: int) -> None:
    limits = overloaded(Clients(), requests, min(capacity, sum(requests.values())))
    assert len(limits) <= MAX_RATE_LIMITED_CLIENTS
    assert all(rate >= 1 for rate in limits.values())
