"""A leader that is stopped serves until another member does, and ends when none takes over in time."""

from __future__ import annotations

from cluster_member import leading_member
from served_switch import Served

from ryu_haslb.cluster.hand_over import HAND_OVER_TIMEOUT, HandOver
from ryu_haslb.cluster.member import RELEASE_TIMEOUT
from ryu_haslb.cluster.switchover_reason import SwitchoverReason


def test_the_time_of_a_hand_over_counts_from_when_the_lock_is_released() -> None:
    now = 1000.0
    member = leading_member(lambda: now)
    member.on_change = lambda: member.leadership.awaited.add("switch that does not confirm")
    assert member.resign(SwitchoverReason.SIGTERM)
    hand_over = HandOver(member, Served().fleet)
    assert not hand_over.is_over(now)
    now += RELEASE_TIMEOUT
    assert not hand_over.is_over(now)
    member.step()
    assert not hand_over.is_over(now)
    now += HAND_OVER_TIMEOUT
    assert hand_over.is_over(now)
    assert member.is_leading, "no other member has taken over"
