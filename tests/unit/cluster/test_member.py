"""A member hands what the election decides to the switches."""

from __future__ import annotations

from cluster_member import leading_member

from ryu_haslb.cluster.election import RESIGNATION_TIME


def test_a_resignation_that_no_member_follows_ends() -> None:
    """While a member resigns, each session rule is sent by itself; it must not stay so."""
    now = [1000.0]
    member = leading_member(lambda: now[0])
    changes: list[bool] = []
    member.on_change = lambda: changes.append(member.leadership.is_resigning)
    assert member.resign("test")
    member._follow(False)
    assert member.leadership.is_resigning
    now[0] += RESIGNATION_TIME
    member._follow(False)
    assert changes == [True, False]
    assert member.is_leading
