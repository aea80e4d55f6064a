"""The health of real servers is that of the leader; rows in the database may be nonsense."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from ryu_haslb.cluster.health_rows import HEALTH, Clocks, health_rows, take_over_health
from ryu_haslb.configuration.model import RealServer as Configuration
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer

WALL = 1_800_000_000.0
CONFIGURATION = Configuration(IPv4Address("10.1.1.51"), retry=60)
ROW: dict[str, Any] = {"farm": "FARM", "address": "10.1.1.51", "port": 434, "state": "FAILED", "failed_at": int(WALL)}


def real(health: Health = Health.OPERATIONAL, failed_at: float = 0.0, **fields: Any) -> RealServer:
    server = RealServer("FARM", replace(CONFIGURATION, **fields))
    server.take_over_health(health, failed_at)
    return server


def test_what_has_failed_is_published_with_the_time_of_the_wall_clock() -> None:
    (row,) = health_rows([real(), real(Health.FAILED, 70.0)], [], Clocks(100.0, WALL))
    assert row == {**ROW, "failed_at": int(WALL) - 30}
    assert set(row) == set(HEALTH.columns)


def test_a_published_time_is_left_as_it_is() -> None:
    """Two clocks are read, so the time of a failure is computed a little differently each time."""
    (row,) = health_rows([real(Health.FAILED, 70.0)], [{**ROW, "failed_at": int(WALL) - 31}], Clocks(100.0, WALL))
    assert row["failed_at"] == int(WALL) - 31


def test_a_failed_real_server_stays_failed_and_is_retried_when_it_was_due() -> None:
    """``retry`` seconds after it failed, whichever member leads then (IOS SLB, ``retry``)."""
    taken = real()
    take_over_health([taken], [{**ROW, "failed_at": int(WALL) - 50}], Clocks(1000.0, WALL))
    assert (taken.health, taken.failed_at) == (Health.FAILED, 950.0)
    taken.retry_if_due(1009.9)
    assert taken.health.value == "FAILED"
    taken.retry_if_due(1010.0)
    assert taken.health.value == "READY_TO_TEST"


def test_a_real_server_that_failed_again_rests_again() -> None:
    taken = real(Health.FAILED, 900.0)
    take_over_health([taken], [ROW], Clocks(1000.0, WALL))
    assert taken.failed_at == 1000.0


@pytest.mark.parametrize("before", [Health.OPERATIONAL, Health.FAILED, Health.READY_TO_TEST])
def test_the_test_of_another_member_is_left_to_the_next_session(before: Health) -> None:
    taken = real(before)
    take_over_health([taken], [{**ROW, "state": "TESTING"}], Clocks(1000.0, WALL))
    assert taken.health is Health.READY_TO_TEST


def test_a_real_server_without_a_row_is_operational_at_a_standby() -> None:
    taken = real(Health.FAILED)
    take_over_health([taken], [], Clocks(1000.0, WALL))
    assert taken.health is Health.OPERATIONAL


def test_a_leader_that_began_without_the_rows_keeps_what_it_has_judged() -> None:
    judged, other = real(Health.FAILED), RealServer("OTHER", CONFIGURATION)
    take_over_health([judged, other], [{**ROW, "farm": "OTHER"}], Clocks(1000.0, WALL), is_complete=False)
    assert (judged.health, other.health) == (Health.FAILED, Health.FAILED)


def test_without_failure_detection_nothing_is_taken_over() -> None:
    taken = real(faildetect_inband=False)
    take_over_health([taken], [ROW], Clocks(1000.0, WALL))
    assert taken.health is Health.OPERATIONAL


@pytest.mark.parametrize(
    "wrong",
    [{"state": "DEAD"}, {"state": "OPERATIONAL"}, {"farm": "X" * 10_000}, {"address": "?"}, {"port": 435}],
)
def test_a_row_that_cannot_be_true_is_ignored(wrong: dict[str, Any]) -> None:
    taken = real()
    take_over_health([taken], [{**ROW, **wrong}], Clocks(1000.0, WALL))
    assert taken.health is Health.OPERATIONAL


@pytest.mark.parametrize("failed_at", [0, 1 << 62])
def test_a_clock_that_is_wrong_makes_the_rest_neither_endless_nor_negative(failed_at: int) -> None:
    taken = real()
    take_over_health([taken], [{**ROW, "failed_at": failed_at}], Clocks(1000.0, WALL))
    assert taken.failed_at <= 1000.0
    taken.retry_if_due(1060.0)
    assert taken.health is Health.READY_TO_TEST
