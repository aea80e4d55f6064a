"""The timing wheel keeps every appointment, however the clock steps."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.slb.wheel import RESOLUTION, TimingWheel

TIMES = st.floats(0, 1e9)


@given(st.lists(TIMES, max_size=50), st.lists(TIMES, max_size=20))
def test_items_come_out_after_their_time_once_and_late_by_the_resolution_at_most(
    appointments: list[float], clock: list[float]
) -> None:
    wheel: TimingWheel[float] = TimingWheel()
    for when in appointments:
        wheel.schedule(when, when)
    seen: list[float] = []
    for now in sorted(clock):
        out = list(wheel.due(now))
        assert all(when <= now for when in out)
        seen += out
        waiting = Counter(appointments) - Counter(seen)
        assert all(when > now - 2 * RESOLUTION for when in waiting)
    seen += wheel.due(2e9)
    assert sorted(seen) == sorted(appointments)


def test_a_caller_that_stops_in_the_middle_gets_the_rest_later() -> None:
    wheel: TimingWheel[str] = TimingWheel()
    for name in "abc":
        wheel.schedule(name, 1.0)
    first = next(wheel.due(2.0))
    assert sorted([first, *wheel.due(2.0)]) == ["a", "b", "c"]
    assert list(wheel.due(2.0)) == []
