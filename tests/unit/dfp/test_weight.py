"""The chapter's equation for the weight of a home agent ("Dispatched mode with DFP")."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.dfp.weight import HomeAgentLoad, dfp_weight

shares = st.integers(0, 16)
numbers = st.integers(0, 10**6)


def test_an_idle_home_agent_reports_25_and_one_with_fifty_bindings_24() -> None:
    """The two figures of the chapter's output."""
    assert dfp_weight(HomeAgentLoad(bindings=0, max_bindings=235000)) == 25
    assert dfp_weight(HomeAgentLoad(bindings=50, max_bindings=1250)) == 24
    assert dfp_weight(HomeAgentLoad(bindings=50, max_bindings=235000)) == 24


@pytest.mark.parametrize(
    ("load", "weight"),
    [
        (HomeAgentLoad(100, 200), 12),
        (HomeAgentLoad(0, 200, cpu=0, memory=16), 12),
        (HomeAgentLoad(0, 200, cpu=0, memory=0), 0),
        (HomeAgentLoad(0, 200, usage_cps=25, available_cps=100), 18),
        (HomeAgentLoad(100, 200, cpu=8, memory=8, usage_cps=50, available_cps=100), 3),
        (HomeAgentLoad(0, 200, usage_cps=10**6), 25),
    ],
)
def test_bindings_machine_and_calls_each_take_their_share(load: HomeAgentLoad, weight: int) -> None:
    """Without a configured available_cps the rate does not count."""
    assert dfp_weight(load) == weight


@pytest.mark.parametrize(
    "load",
    [
        HomeAgentLoad(200, 200),
        HomeAgentLoad(201, 200),
        HomeAgentLoad(0, 0),
        HomeAgentLoad(0, 200, usage_cps=100, available_cps=100),
        HomeAgentLoad(0, 200, usage_cps=101, available_cps=100),
        HomeAgentLoad(0, 200, usage_cps=0, available_cps=0),
        HomeAgentLoad(400, 200, usage_cps=200, available_cps=100),
    ],
)
def test_a_home_agent_with_no_room_reports_0(load: HomeAgentLoad) -> None:
    """Full, beyond full, nothing allowed, or at its rate; two overruns must not cancel out."""
    assert dfp_weight(load) == 0


@given(
    st.builds(HomeAgentLoad, numbers, numbers, shares, shares, numbers, st.none() | numbers),
    st.integers(0, 65535),
)
def test_the_weight_is_the_exact_quotient_rounded_down(load: HomeAgentLoad, max_weight: int) -> None:
    """Whole numbers and the division last, against exact fractions."""
    expected = Fraction(0)
    if load.max_bindings and load.available_cps != 0:
        expected = Fraction(max(0, load.max_bindings - load.bindings), load.max_bindings)
        expected *= Fraction(load.cpu + load.memory, 32) * max_weight
        if load.available_cps is not None:
            expected *= Fraction(max(0, load.available_cps - load.usage_cps), load.available_cps)
    assert dfp_weight(load, max_weight) == int(expected)


@pytest.mark.parametrize(
    "bad", [{"cpu": 17}, {"memory": -1}, {"bindings": -1}, {"usage_cps": -1}, {"available_cps": -1}]
)
def test_numbers_off_the_scale_are_errors(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(bad))} is .*; expected 0"):
        HomeAgentLoad(**{"bindings": 0, "max_bindings": 1, **bad})
