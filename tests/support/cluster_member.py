"""A member that leads a cluster whose database it has lost."""

from __future__ import annotations

import time
from typing import Callable

from ryu_haslb.cluster.election import View
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.member_rows import MemberInfo, Switchover
from ryu_haslb.cluster.settings import ClusterSettings


def leading_member(clock: Callable[[], float] = time.monotonic) -> Member:
    """A member that has won the election of generation 1. No database is asked."""
    member = Member(ClusterSettings("unix:/nonexistent/haslb.sock", "member-a"), clock)
    member.election.observe(View(True, True, 0, ""), 0.0)
    for action in member.election.on_committed(1):
        member.act(action)
    rows = [
        MemberInfo("member-a", "1", 1, "leader", 1, "", "127.0.0.1:8080", "0.1.0", 5, 2, None, 3, ""),
        MemberInfo("member-b", "2", 1, "standby", 0, "", "", "0.1.0", 5, 2, 12, 2, "revision 3: unknown command"),
    ]
    member.members.on_rows([row.row() for row in rows], clock())
    member.switchovers = [Switchover(1, "member-a", "member-b", "2026-01-02T03:04:05Z", "leader_lost", 51)]
    return member


def standing_by_member() -> Member:
    """A member that has seen no leader yet."""
    return Member(ClusterSettings("unix:/nonexistent/haslb.sock", "member-b"))
