"""Which real server takes a new session: the chapter, "Load Balancing in HA-SLB"."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from random import Random

import pytest
from farm_builder import SWITCH, Bench
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.configuration.model import Predictor
from ryu_haslb.slb.predictor import PREDICTORS


def test_weights_3_1_2_give_the_order_of_the_chapter() -> None:
    """ "The first three RRQs are assigned to ServerA, the fourth to ServerB, and the fifth and sixth to ServerC."""
    assert Bench(3, 1, 2).new_sessions(12) == "AAABCCAAABCC"


def test_a_farm_of_one_takes_everything() -> None:
    assert Bench(2).new_sessions(5) == "AAAAA"


def test_an_empty_farm_drops() -> None:
    assert Bench().new_sessions(2) == "--"


def test_weight_0_takes_nothing() -> None:
    assert Bench(1, 0, 2).new_sessions(6) == "ACCACC"


def test_a_real_that_no_switch_can_reach_is_passed_over() -> None:
    bench = Bench(1, 1, 1)
    bench.reals[1].reachable_from.discard(SWITCH)
    assert bench.new_sessions(4) == "ACAC"


def test_a_full_real_is_passed_over() -> None:
    """``maxconns N``: sessions at once, after which the real takes no new ones."""
    bench = Bench(1, 1, maxconns=2)
    assert bench.new_sessions(5) == "ABAB-"
    assert [real.state for real in bench.reals] == ["MAXCONNS", "MAXCONNS"]


def test_a_new_weight_counts_from_the_next_session_on() -> None:
    bench = Bench(3, 1)
    assert bench.new_sessions(2) == "AA"
    bench.reals[0].set_dfp_weight(1)
    assert bench.new_sessions(4, start=2) == "BABA"


def test_least_connections_go_by_sessions_in_proportion_to_the_weight() -> None:
    """``predictor leastconns``."""
    bench = Bench(3, 1)
    bench.server.farm._predictor = PREDICTORS[Predictor.LEAST_CONNECTIONS]()
    assert Counter(bench.new_sessions(400)) == {"A": 300, "B": 100}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.booleans()), max_size=8), st.data())
def test_least_connections_choose_the_first_of_the_least_loaded_that_accept(
    states: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    """Never one of weight 0, one that the switch cannot reach, or the one that the session leaves."""
    bench = Bench(*(weight for weight, _, _ in states))
    reals = list(bench.reals)
    for real, (_, sessions, is_reachable) in zip(reals, states):
        real.sessions = sessions
        if not is_reachable:
            real.reachable_from.discard(SWITCH)
    left = data.draw(st.sampled_from([None, *reals]))
    able = [real for real in reals if real.accepts_sessions_from(SWITCH) and real is not left]
    expected = min(able, key=lambda real: real.sessions / real.weight) if able else None
    assert PREDICTORS[Predictor.LEAST_CONNECTIONS]().choose(reals, SWITCH, left) is expected


def test_sessions_that_are_reassigned_leave_the_rotation_of_new_ones_alone() -> None:
    bench = Bench(3, 1, 2, reassign=0)
    assert bench.letters("anna@example.org", "anna@example.org") == "AB"
    assert bench.new_sessions(5) == "AABCC"


def test_sessions_that_are_reassigned_share_by_the_weights_as_well() -> None:
    bench = Bench(20, 1, 3, reassign=0)
    bench.new_sessions(8)
    bench.now += 1.0
    moved = bench.new_sessions(8)
    assert Counter(moved) == {"B": 2, "C": 6}


@given(st.lists(st.sets(st.integers(1, 3), max_size=3), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_what_others_reach_changes_no_share_at_a_switch(reach: list[set[int]], order: Random) -> None:
    """Each switch shares its sessions among what it reaches: to a rotation of its own, and one for all."""
    bench = Bench(*[1] * len(reach))
    for real, switches in zip(bench.reals, reach):
        real.reachable_from = switches
    shares = Counter(bench.server.farm.choose(order.choice((1, 2, 3))) for _ in range(60))
    assert shares.keys() <= {None, *(real for real in bench.reals if real.reachable_from)}
    for one, another in permutations(bench.reals, 2):
        if one.reachable_from == another.reachable_from:
            assert abs(shares[one] - shares[another]) <= 1 + len(one.reachable_from)


def test_switches_that_reach_different_reals_share_by_the_weights_each() -> None:
    """One after the other, the sessions of two switches went to the first real of each."""
    bench = Bench(1, 1, 3, 1)
    for real, datapath_id in zip(bench.reals, (1, 1, 2, 2)):
        real.reachable_from = {datapath_id}
    chosen = [bench.server.farm.choose(datapath_id) for _ in range(40) for datapath_id in (1, 2)]
    assert [chosen.count(real) for real in bench.reals] == [20, 20, 30, 10]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any), st.integers(1, 5))
def test_every_full_rotation_shares_by_the_weights_exactly(weights: list[int], rotations: int) -> None:
    letters = Bench(*weights).new_sessions(sum(weights) * rotations)
    expected = "".join("ABCDEFGH"[index] * weight for index, weight in enumerate(weights))
    assert letters == expected * rotations


@pytest.mark.parametrize("in_service", [False, True])
def test_only_reals_in_service_take_sessions(in_service: bool) -> None:
    bench = Bench(1, 1)
    bench.reals[0].in_service = in_service
    assert bench.new_sessions(2) == ("AB" if in_service else "BB")
    assert bench.reals[0].state == ("OPERATIONAL" if in_service else "OUTOFSERVICE")
