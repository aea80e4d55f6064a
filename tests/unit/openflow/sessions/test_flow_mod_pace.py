"""How many flow-mods a switch is sent before it has confirmed them."""

from __future__ import annotations

import pytest

from ryu_haslb.openflow.sessions.flow_mod_pace import INITIAL_WINDOW, MAX_WINDOW, TARGET_DELAY, FlowModPace


def fill(pace: FlowModPace, rate: float, bundles: int) -> list[int]:
    """Send so many bundles as large as they may be to a switch of that speed; the size of each."""
    sizes = []
    for _ in range(bundles):
        sizes.append(pace.allowance(0))
        pace.on_confirmed(sizes[-1], sizes[-1] / rate)
    return sizes


@pytest.mark.parametrize("rate", [20, 200, 300, 1000, 5000])
def test_what_is_outstanding_takes_a_slow_switch_no_longer_than_the_target(rate: int) -> None:
    sizes = fill(FlowModPace(), rate, 30)
    assert all(size / rate <= 2 * TARGET_DELAY or size == 1 for size in sizes[10:])
    assert sum(sizes[10:]) >= 20 * min(TARGET_DELAY * rate / 3, 1), "it is not left idle"


def test_a_fast_switch_is_limited_for_some_round_trips_only() -> None:
    sizes = fill(FlowModPace(), 200_000, 10)
    assert sizes[0] == INITIAL_WINDOW
    assert sizes[-1] == MAX_WINDOW


def test_one_late_reply_does_not_slow_down_a_fast_switch() -> None:
    pace = FlowModPace()
    fill(pace, 200_000, 10)
    pace.on_confirmed(1, 1.0)
    assert pace.window == MAX_WINDOW // 2


def test_a_switch_that_becomes_fast_again_is_sent_more() -> None:
    pace = FlowModPace()
    fill(pace, 200, 10)
    assert pace.rate == pytest.approx(200)
    assert fill(pace, 200_000, 12)[-1] == MAX_WINDOW
    assert pace.rate is None


def test_small_bundles_show_nothing() -> None:
    """Two rules that are confirmed at once say nothing about a thousand."""
    pace = FlowModPace()
    pace.on_confirmed(2, 0.001)
    assert pace.window == INITIAL_WINDOW


def test_what_is_outstanding_counts() -> None:
    pace = FlowModPace()
    assert pace.allowance(INITIAL_WINDOW - 3) == 3
    assert pace.allowance(INITIAL_WINDOW + 100) == 0
