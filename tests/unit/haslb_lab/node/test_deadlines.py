"""One timer for many deadlines."""

from __future__ import annotations

from typing import Optional

from hypothesis import given
from hypothesis import strategies as st

from haslb_lab.node.deadlines import Deadlines


def test_due_keys_come_earliest_first_and_once() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for key, time in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        deadlines.set(key, time)
    assert deadlines.next() == 1.0
    assert list(deadlines.pop_due(2.0)) == ["a", "b"]
    assert list(deadlines.pop_due(2.0)) == []
    assert deadlines.next() == 3.0


def test_a_moved_deadline_is_due_at_its_new_time_only() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("later", 1.0)
    deadlines.set("later", 5.0)
    deadlines.set("sooner", 5.0)
    deadlines.set("sooner", 1.0)
    assert list(deadlines.pop_due(4.0)) == ["sooner"]
    assert list(deadlines.pop_due(5.0)) == ["later"]


def test_a_key_may_be_set_again_while_due_keys_are_handed_out() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("again", 1.0)
    for key in deadlines.pop_due(1.0):
        deadlines.set(key, 2.0)
    assert deadlines.next() == 2.0


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 20))), st.integers(0, 20))
def test_it_behaves_like_a_dictionary_of_times(changes: list[tuple[int, Optional[int]]], now: int) -> None:
    deadlines: Deadlines[int] = Deadlines()
    model: dict[int, int] = {}
    for key, time in changes:
        if time is None:
            deadlines.cancel(key)
            model.pop(key, None)
        else:
            deadlines.set(key, time)
            model[key] = time
    assert deadlines.next() == min(model.values(), default=None)
    assert sorted(deadlines.pop_due(now)) == sorted(key for key, time in model.items() if time <= now)
    assert len(deadlines) == sum(time > now for time in model.values())


def test_moving_a_deadline_for_ever_takes_no_memory() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for time in range(10_000):
        deadlines.set("refreshed", float(time))
    assert len(deadlines._heap) < 100
    assert list(deadlines.pop_due(1e9)) == ["refreshed"]
