"""Hand-overs while new mobiles register at a bounded rate: a rolling upgrade, and a switch that connects again."""

from __future__ import annotations

from collections.abc import Sequence
from random import SystemRandom

import pytest

from haslb_lab.cluster.failures import RECONNECTIONS, UPGRADE, Failure
from haslb_lab.cluster.lab import ClusterLab
from haslb_lab.cluster.rounds import Rounds, Verdict

pytestmark = pytest.mark.lab

#: New mobiles a second at each switch; ``make bench-cluster`` has 1,000.
RATE = 200
#: Hand-overs of each kind at which a switch connects again.
HAND_OVERS = 2


def judged(rate: int, failures: Sequence[Failure]) -> Verdict:
    """What becomes of the mobiles while these failures follow each other."""
    with ClusterLab() as lab:
        rounds = Rounds(lab, SystemRandom(), print)
        rounds.begin(f"fresh {rate}")
        for failure in failures:
            rounds.run(failure)
        return rounds.conclude()


def test_no_mobile_is_bound_twice_and_the_members_have_changed_places() -> None:
    """Stopping the standby moves nothing; the leader hands over with every session."""
    verdict = judged(RATE, UPGRADE)
    standby_stopped, leader_stopped = verdict.rounds
    assert standby_stopped.successor == standby_stopped.leader
    assert leader_stopped.successor != leader_stopped.leader
    assert verdict.faults == []


def test_no_session_is_lost_at_a_hand_over_while_a_switch_connects_again() -> None:
    """The rules that were on their way when its connection was lost are sent again before the next leader has it."""
    verdict = judged(2 * RATE, RECONNECTIONS * HAND_OVERS)
    assert verdict.faults == []
    assert list(verdict.under_way) == [], "not even a session whose rule was on its way"
