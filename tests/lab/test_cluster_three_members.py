"""With three members: which of two standbys leads next."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

import pytest

from haslb_lab.cluster.lab import ClusterLab
from haslb_lab.runner.waiting import wait_until
from ryu_haslb.cluster.membership import QUEUE_INTERVAL

pytestmark = pytest.mark.lab


def reached(lab: ClusterLab, shown_by: str) -> dict[str, int]:
    """How many switches each member says that it reaches."""
    return {row["member"]: row["switches"] for row in lab.rows(shown_by, "show redundancy members")}


def leaders(lab: ClusterLab, shown_by: str) -> Sequence[str]:
    """The members that have led, the newest first."""
    return [row["member"] for row in lab.rows(shown_by, "show redundancy switchover history")]


def test_the_standby_that_reaches_all_switches_leads_next_though_the_other_one_was_there_first() -> None:
    """The database gives its lock to the member that has asked for it first."""
    with ClusterLab(members=3) as lab:
        lab.wait_until_balancing()
        leader = lab.leader()
        assert leader is not None
        first, second = lab.others(leader)
        lab.end(second, signal.SIGKILL)
        lab.start(second)
        lab.wait_until_balancing()
        lab.connect_to(2, [leader, second])
        expected = {leader: 2, first: 1, second: 2}
        wait_until(lambda: reached(lab, first) == expected, lambda: f"{expected}, not {reached(lab, first)}", 30.0)
        since = lab.rows(first, "show redundancy")[0]["generation"]
        time.sleep(QUEUE_INTERVAL)  # nothing shows the queue for the lock
        lab.end(leader, signal.SIGKILL)
        assert lab.await_leader([second]) == second
        wait_until(lambda: leaders(lab, second)[:2] == [second, leader], lambda: f"{leaders(lab, second)}", 30.0)
        assert lab.rows(second, "show redundancy")[0]["generation"] == since + 1
