"""A leader that another member has surpassed in switches for long enough lets it lead."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.cluster.reach import MAX_SURPASSED_TIMEOUT, SURPASSED_TIMEOUT, Reach

counts = st.integers(0, 5)


def test_a_leader_that_is_cut_off_from_a_switch_resigns_after_a_while() -> None:
    reach = Reach()
    assert not reach.must_resign(1, 2, 10.0)
    assert not reach.must_resign(1, 2, 10.0 + SURPASSED_TIMEOUT - 0.1)
    assert reach.must_resign(1, 2, 10.0 + SURPASSED_TIMEOUT)
    assert not reach.must_resign(1, 2, 10.1 + SURPASSED_TIMEOUT), "once is enough; the next time begins anew"


def test_a_switch_that_returns_in_time_changes_nothing() -> None:
    reach = Reach()
    assert not reach.must_resign(1, 2, 10.0)
    assert not reach.must_resign(2, 2, 12.0)
    assert not reach.must_resign(1, 2, 10.0 + SURPASSED_TIMEOUT)
    reach.forget()
    assert not reach.must_resign(1, 2, 12.0 + SURPASSED_TIMEOUT)


@given(st.lists(st.tuples(counts, counts, st.floats(0, 20)), max_size=30))
def test_it_never_resigns_where_no_other_member_reaches_more(steps: list[tuple[int, int, float]]) -> None:
    reach, now = Reach(), 0.0
    for own, others, seconds in steps:
        now += seconds
        assert not (reach.must_resign(own, others, now) and others <= own)


def test_a_claim_that_no_resignation_changes_makes_members_resign_ever_more_seldom() -> None:
    """A row of a stranger, or of a member whose count is wrong, must not pass the lead to and fro every 9 s."""
    reach, resigned = Reach(), []
    for second in range(4 * 3600):
        if reach.must_resign(2, 1_000_000, float(second)):
            resigned.append(second)
            reach.forget()
    assert len(resigned) <= 12
    assert resigned[-1] - resigned[-2] >= MAX_SURPASSED_TIMEOUT


def test_a_member_that_has_led_for_long_without_being_surpassed_resigns_as_soon_as_at_first() -> None:
    reach = Reach()
    assert not reach.must_resign(1, 2, 0.0)
    assert reach.must_resign(1, 2, SURPASSED_TIMEOUT)
    reach.forget()
    for second in range(100, 100 + int(2 * SURPASSED_TIMEOUT) + 1):
        assert not reach.must_resign(2, 2, float(second))
    assert not reach.must_resign(1, 2, 200.0)
    assert reach.must_resign(1, 2, 200.0 + SURPASSED_TIMEOUT)
