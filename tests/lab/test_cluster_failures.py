"""Every failure of a cluster under traffic, once: what the home agents captured, the tables, and the sessions agree.

``make bench-cluster`` does the same for a quarter of an hour and measures the times without service.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from random import Random

import pytest

from haslb_lab.cluster.failures import DISASTERS, FAILURES, Failure, Next
from haslb_lab.cluster.lab import ClusterLab
from haslb_lab.cluster.rounds import Rounds, Verdict

pytestmark = pytest.mark.lab

#: Of each PDSN: 100 requests a second, half of them of new mobiles.
TRAFFIC = "steady 100"
TRIED = (*FAILURES, *DISASTERS)


@pytest.fixture(scope="module")
def verdict() -> Iterator[Verdict]:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    with ClusterLab() as lab:
        rounds = Rounds(lab, Random(seed), print)
        rounds.begin(TRAFFIC)
        for failure in Random(seed).sample(TRIED, len(TRIED)):
            rounds.run(failure)
        yield rounds.conclude()


def test_no_request_arrives_twice(verdict: Verdict) -> None:
    """Two leaders at once would dispatch a request twice."""
    assert verdict.requests > 0
    assert verdict.twice == 0


def test_no_mobile_comes_to_another_home_agent(verdict: Verdict) -> None:
    """Only a session whose rule was on its way to the switch at the moment of the failure may be lost."""
    assert verdict.at_other_agent == []


def test_tables_sessions_and_captures_agree(verdict: Verdict) -> None:
    """Each mobile has a session at the leader and a rule on its switch, both for the home agent that captured it."""
    assert verdict.mismatches == []


@pytest.mark.parametrize("failure", TRIED, ids=lambda failure: failure.name)
def test_the_right_member_serves_during_a_failure(verdict: Verdict, failure: Failure) -> None:
    """Another member takes over from a leader that fails; nothing moves when others fail."""
    (done,) = (each for each in verdict.rounds if each.failure is failure)
    if failure.next_leader is not Next.EITHER:
        assert (done.successor == done.leader) is (failure.next_leader is Next.SAME)
