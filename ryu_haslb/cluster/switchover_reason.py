"""Why a member of a cluster leads instead of another."""

from __future__ import annotations

from enum import Enum


class SwitchoverReason(Enum):
    """Why the leader has changed. The value is a token, for the database, JSON and logs."""

    FIRST_LEADER = "first_leader"
    SWITCH_ACTIVITY = "switch_activity"
    SIGTERM = "sigterm"
    SIGINT = "sigint"
    REACHES_FEWER_SWITCHES = "reaches_fewer_switches"
    LEADER_LOST = "leader_lost"
    LEADER_RESTARTED = "leader_restarted"


def reason_of(member: str, previous: str, resigning: str) -> str:
    """Why a member leads now, as a token: what the previous leader has said, or what is known of it."""
    if not previous:
        return SwitchoverReason.FIRST_LEADER.value
    if previous == member:
        return SwitchoverReason.LEADER_RESTARTED.value
    return resigning or SwitchoverReason.LEADER_LOST.value
