"""A leader that another member has surpassed in switches for long enough lets it lead."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.cluster.reach import SURPASSED_TIMEOUT, Reach

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
