"""The audit reads session rules in slices: a slice is short work for a switch, and there are not too many of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.openflow.audit.session_audit import MAX_SLICE_RULES, MIN_SLICE_RULES, slices_for


@given(rules=st.integers(1, 1_000_000))
def test_slices_are_small_and_there_are_few_of_them(rules: int) -> None:
    """Requests wait for the work on one slice. Each slice has Open vSwitch visit all rules of the table."""
    slices = slices_for(rules)
    assert slices & slices - 1 == 0  # a slice is the tags with the same low bits
    assert rules / slices <= MAX_SLICE_RULES
    assert slices <= 64 or rules / slices >= MAX_SLICE_RULES / 2
    assert slices == 1 or rules / slices >= MIN_SLICE_RULES / 2 - 1


def test_a_small_table_is_read_at_once() -> None:
    assert slices_for(0) == slices_for(MIN_SLICE_RULES) == 1
    assert slices_for(30_000) == 64
