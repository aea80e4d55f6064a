"""A rolling upgrade: each member is stopped and started in turn, while new mobiles register at a bounded rate."""

from __future__ import annotations

from random import SystemRandom

import pytest

from haslb_lab.cluster.failures import UPGRADE
from haslb_lab.cluster.lab import ClusterLab
from haslb_lab.cluster.rounds import Rounds

pytestmark = pytest.mark.lab

#: New mobiles a second at each switch; ``make bench-cluster`` has 1,000.
RATE = 200


def test_no_mobile_is_bound_twice_and_the_members_have_changed_places() -> None:
    """Stopping the standby moves nothing; the leader hands over with every session."""
    with ClusterLab() as lab:
        rounds = Rounds(lab, SystemRandom(), print)
        rounds.begin(f"fresh {RATE}")
        for failure in UPGRADE:
            rounds.run(failure)
        verdict = rounds.conclude()
    standby_stopped, leader_stopped = verdict.rounds
    assert standby_stopped.successor == standby_stopped.leader
    assert leader_stopped.successor != leader_stopped.leader
    assert verdict.faults == []
