"""A leader that another member has surpassed in switches for long enough lets it lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.cluster.reach import MAX_SURPASSED_TIMEOUT, SILENT_SHARE, SURPASSED_TIMEOUT, Reach, counted

counts = st.integers(0, 5)
switches = st.frozensets(st.integers(1, 6))


def test_a_leader_that_is_cut_off_from_a_switch_resigns_after_a_while() -> None:
    reach = Reach()
    assert not reach.must_resign(1, 2, 10.0)
    assert not reach.must_resign(1, 2, 10.0 + SURPASSED_TIMEOUT - 0.1)
    assert reach.must_resign(1, 2, 10.0 + SURPASSED_TIMEOUT)
    assert not reach.must_resign(1, 2, 10.1 + SURPASSED_TIMEOUT), "once is enough; the next time begins anew"


def test_a_leader_that_a_connected_switch_does_not_answer_resigns_sooner() -> None:
    """It is no switch that is about to connect; the time is enough for the others to see whether it answers them."""
    reach = Reach()
    assert not reach.must_resign(1, 2, 10.0, is_silent=True)
    assert not reach.must_resign(1, 2, 10.0 + SILENT_SHARE * SURPASSED_TIMEOUT - 0.1, is_silent=True)
    assert reach.must_resign(1, 2, 10.0 + SILENT_SHARE * SURPASSED_TIMEOUT, is_silent=True)


def test_a_switch_that_returns_in_time_changes_nothing() -> None:
    reach = Reach()
    assert not reach.must_resign(1, 2, 10.0)
    assert not reach.must_resign(2, 2, 12.0)
    assert not reach.must_resign(1, 2, 10.0 + SURPASSED_TIMEOUT)
    reach.forget()
    assert not reach.must_resign(1, 2, 12.0 + SURPASSED_TIMEOUT)


@given(st.lists(st.tuples(counts, counts, st.floats(0, 20), st.booleans()), max_size=30))
def test_it_never_resigns_where_no_other_member_reaches_more(steps: list[tuple[int, int, float, bool]]) -> None:
    reach, now = Reach(), 0.0
    for own, others, seconds, is_silent in steps:
        now += seconds
        assert not (reach.must_resign(own, others, now, is_silent) and others <= own)


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_claim_that_no_resignation_changes_makes_members_resign_ever_more_seldom(is_silent: bool) -> None:
    """A row of a stranger, or of a member whose count is wrong, must not pass the lead to and fro every 9 s."""
    reach, resigned = Reach(), []
    for second in range(4 * 3600):
        if reach.must_resign(2, 1_000_000, float(second), is_silent):
            resigned.append(second)
            reach.forget()
    assert len(resigned) <= 20
    assert resigned[-1] - resigned[-2] >= MAX_SURPASSED_TIMEOUT * (SILENT_SHARE if is_silent else 1.0)


def test_a_member_that_has_led_for_long_without_being_surpassed_resigns_as_soon_as_at_first() -> None:
    reach = Reach()
    assert not reach.must_resign(1, 2, 0.0)
    assert reach.must_resign(1, 2, SURPASSED_TIMEOUT)
    reach.forget()
    for second in range(100, 100 + int(2 * SURPASSED_TIMEOUT) + 1):
        assert not reach.must_resign(2, 2, float(second))
    assert not reach.must_resign(1, 2, 200.0)
    assert reach.must_resign(1, 2, 200.0 + SURPASSED_TIMEOUT)


@given(switches, switches, switches, st.frozensets(st.integers(100, 110)))
def test_made_up_switches_take_the_leader_from_no_established_one(
    leader: frozenset[int], standby: frozenset[int], established: frozenset[int], made_up: frozenset[int]
) -> None:
    """Where the leader serves one that the standby does not reach, made-up ones do not change which has more."""
    if (leader & established) - standby:
        own, other = counted(leader, established), counted(standby | made_up, established)
        assert (other > own) <= (len(standby & established) > len(leader & established))


@given(switches, switches, st.frozensets(st.integers(7, 9), min_size=1))
def test_a_switch_that_only_a_standby_has_ever_reached_counts_where_no_other_loses_its_leader(
    leader: frozenset[int], established: frozenset[int], new: frozenset[int]
) -> None:
    reached = leader | established
    assert counted(reached | new, established) > counted(leader, established)


@given(switches, switches)
def test_only_established_switches_count_where_one_of_them_is_not_reached(
    reached: frozenset[int], established: frozenset[int]
) -> None:
    assert len(reached & established) <= counted(reached, established) <= len(reached)
    if established - reached:
        assert counted(reached, established) == len(reached & established)
