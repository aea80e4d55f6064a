"""Counters of clients: what they count, and that forged addresses take no more than a bounded memory."""

from __future__ import annotations

from ipaddress import IPv4Address

from ryu_haslb.slb.client_counts import KEPT_CLIENTS, MAX_CLIENTS, ClientCounts

BUSY = IPv4Address("15.1.1.51").packed


def test_the_busiest_clients_are_kept_whatever_addresses_are_forged() -> None:
    counts = ClientCounts()
    counts.requests[BUSY], counts.dropped[BUSY] = 10, 3
    for number in range(5 * MAX_CLIENTS):
        counts.record_unread(number.to_bytes(4, "big"))
        if number % 500 == 0:
            counts.forget_least()
    counts.forget_least()
    assert counts.requests[BUSY] == 10
    assert counts.dropped[BUSY] == 3
    assert len(counts.requests) <= MAX_CLIENTS
    assert counts.dropped.keys() <= counts.requests.keys()


def test_nothing_is_forgotten_while_there_are_few() -> None:
    counts = ClientCounts()
    for number in range(KEPT_CLIENTS + 1):
        counts.record_unread(number.to_bytes(4, "big"))
    counts.forget_least()
    assert len(counts.requests) == KEPT_CLIENTS + 1
