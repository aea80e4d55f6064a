"""The real servers that are not operational by the judgement of the leader, as rows of the database. Pure.

A real server without a row is OPERATIONAL. The time at which it failed is that of the wall clock, since members run on
several machines; where their clocks differ, a failed real server is retried that much earlier or later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, Union

from ryu_haslb.cluster.rows import Columns, Kind
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.real import RealServer

HEALTH = Kind("Health", ("farm", "address", "port"), ("state", "failed_at"))
#: Rows that are published.
MAX_HEALTH = 4096
#: Seconds by which the time of a failure may differ between two computations of it.
_ROUNDING = 2


class Clocks(NamedTuple):
    """One moment, in seconds, by the monotonic clock and by the wall clock."""

    monotonic: float
    wall: float


def health_rows(reals: Iterable[RealServer], published: Collection[Columns], clocks: Clocks) -> Iterator[Columns]:
    """The rows to publish. The time of a failure that is published already is left as it is."""
    failed_at = {HEALTH.key_of(row): row["failed_at"] for row in published}
    for real in islice((real for real in reals if real.health is not Health.OPERATIONAL), MAX_HEALTH):
        row: dict[str, Union[str, int]] = {**_key_of(real), "state": real.health.value}
        failed = max(0, round(clocks.wall - (clocks.monotonic - real.failed_at)))
        before = failed_at.get(HEALTH.key_of(row))
        is_same = isinstance(before, int) and abs(before - failed) <= _ROUNDING
        yield {**row, "failed_at": before if is_same and isinstance(before, int) else failed}


def take_over_health(
    reals: Iterable[RealServer], rows: Iterable[Columns], clocks: Clocks, is_complete: bool = True
) -> None:
    """Give the real servers the health that the rows say; those without a valid row are OPERATIONAL.

    ``is_complete`` is False for a leader that has begun without the rows: it keeps what it has judged meanwhile.
    """
    judged: Mapping[object, Columns] = {HEALTH.key_of(row): row for row in rows}
    for real in reals:
        row = judged.get(HEALTH.key_of(_key_of(real)), {})
        health, failed_at = _STATES.get(row.get("state")), row.get("failed_at")
        if health is None or not isinstance(failed_at, int):
            if is_complete and real.health is not Health.OPERATIONAL:
                real.take_over_health(Health.OPERATIONAL, clocks.monotonic)
            continue
        failed = clocks.monotonic - min(max(clocks.wall - failed_at, 0.0), clocks.wall)
        is_same = health is real.health or (health is Health.TESTING and real.health is Health.READY_TO_TEST)
        if not is_same or abs(failed - real.failed_at) > _ROUNDING:
            real.take_over_health(health, failed)


_STATES: Mapping[object, Health] = {each.value: each for each in Health if each is not Health.OPERATIONAL}


def _key_of(real: RealServer) -> dict[str, Union[str, int]]:
    return {"farm": real.farm_name, "address": str(real.configuration.address), "port": real.port}
