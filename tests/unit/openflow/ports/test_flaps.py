"""Ports that flap: their changes are followed once a second, and logged once a minute."""

from __future__ import annotations

import gc

import pytest

from ryu_haslb.openflow.ports.flaps import (
    LOG_INTERVAL,
    MAX_CHANGES,
    MAX_CHANGES_OF_ALL,
    MAX_CHANGES_PER_TICK,
    PortFlaps,
)
from ryu_haslb.openflow.wire.ports import MAX_PORTS, PortChange


def flap(flaps: PortFlaps, port: int, now: float) -> None:
    """A port goes down and up, more often than is followed at once."""
    for number in range(MAX_CHANGES + 2):
        flaps.must_wait(PortChange(port, number % 2 == 1), now)


def test_the_last_change_of_a_port_that_flaps_is_followed_when_the_second_is_over() -> None:
    flaps = PortFlaps(1)
    flap(flaps, 7, 100.0)
    assert flaps.due(100.9) == []
    assert flaps.due(101.0) == [PortChange(7, True)]
    assert flaps.due(102.0) == []


def test_a_port_that_goes_on_flapping_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    flaps = PortFlaps(1)
    for second in range(int(LOG_INTERVAL) + 1):
        flap(flaps, 7, 100.0 + second)
        flaps.due(101.0 + second)
    assert caplog.text.count("port 7 flaps") == 2


def test_of_very_many_ports_each_last_change_is_followed_and_few_in_one_step() -> None:
    flaps = PortFlaps(1)
    changes = [PortChange(port, port % 2 == 0) for port in range(1, 1001)]
    followed = [change for change in changes if not flaps.must_wait(change, 100.0)]
    assert followed == changes[:MAX_CHANGES_OF_ALL]
    assert flaps.due(100.9) == []
    assert flaps.must_wait(PortChange(1000, False), 100.9)
    steps = [flaps.due(101.0 + 0.02 * number) for number in range(50)]
    assert max(map(len, steps)) == MAX_CHANGES_PER_TICK
    assert [change for step in steps for change in step] == [*changes[MAX_CHANGES_OF_ALL:-1], PortChange(1000, False)]
    assert not flaps.must_wait(PortChange(1, True), 103.0)


def test_a_peer_that_makes_up_ports_costs_no_memory_for_good() -> None:
    flaps = PortFlaps(1)
    for second in range(300):
        for port in range(10):
            flap(flaps, 10 * second + port, 100.0 + second)
        flaps.due(101.0 + second)
    assert _entries(flaps) <= 10 * LOG_INTERVAL
    for port in range(10 * MAX_PORTS):
        flaps.must_wait(PortChange(port, False), 500.0)
        if not port % MAX_CHANGES_PER_TICK:
            flaps.due(502.0)
    assert _entries(flaps) <= MAX_PORTS + MAX_CHANGES_OF_ALL + 10 * LOG_INTERVAL


def _entries(flaps: PortFlaps) -> int:
    remembered = [each for each in gc.get_referents(flaps.__dict__) if isinstance(each, dict)]
    return sum(map(len, remembered))
