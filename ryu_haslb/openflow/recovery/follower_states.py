"""The states of what a standby follows of one switch (:mod:`.follower`), and what it hands over at takeover."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Optional

from ryu_haslb.openflow.recovery.session_view import RuleTarget


class FollowerState(Enum):
    """What a follower does. The value is the token of ``show`` and metrics."""

    OFF = "off"
    WAITING = "waiting"
    READING = "reading"
    FOLLOWING = "following"
    PAUSED = "paused"
    POLLING = "polling"


class FollowerEvent(Enum):
    """What changes the state of a follower; the text labels an arrow in ``docs/states.md``."""

    BEGIN = "this member stands by"
    DUE = "it is time: it opens the flow monitors, and reads the rules"
    READ = "all rules have been read"
    READ_PAUSED = "all rules have been read, and the switch holds changes back"
    READ_UNMONITORED = "all rules have been read, and the switch has no flow monitor"
    PAUSED = "the switch holds changes back"
    RESUMED = "the switch has reported what it held back"
    FAILED = "a malformed update, too many rules, or no reply"
    CONCLUDED = "this member serves the switch, or the connection has ended"


#: The whole state machine. A pair that is not here leaves the state as it is.
FOLLOWER_TRANSITIONS: dict[tuple[FollowerState, FollowerEvent], FollowerState] = {
    (FollowerState.OFF, FollowerEvent.BEGIN): FollowerState.WAITING,
    (FollowerState.WAITING, FollowerEvent.DUE): FollowerState.READING,
    (FollowerState.WAITING, FollowerEvent.CONCLUDED): FollowerState.OFF,
    (FollowerState.READING, FollowerEvent.READ): FollowerState.FOLLOWING,
    (FollowerState.READING, FollowerEvent.READ_PAUSED): FollowerState.PAUSED,
    (FollowerState.READING, FollowerEvent.READ_UNMONITORED): FollowerState.POLLING,
    (FollowerState.READING, FollowerEvent.FAILED): FollowerState.WAITING,
    (FollowerState.READING, FollowerEvent.CONCLUDED): FollowerState.OFF,
    (FollowerState.FOLLOWING, FollowerEvent.PAUSED): FollowerState.PAUSED,
    (FollowerState.FOLLOWING, FollowerEvent.FAILED): FollowerState.WAITING,
    (FollowerState.FOLLOWING, FollowerEvent.CONCLUDED): FollowerState.OFF,
    (FollowerState.PAUSED, FollowerEvent.RESUMED): FollowerState.FOLLOWING,
    (FollowerState.PAUSED, FollowerEvent.FAILED): FollowerState.WAITING,
    (FollowerState.PAUSED, FollowerEvent.CONCLUDED): FollowerState.OFF,
    (FollowerState.POLLING, FollowerEvent.FAILED): FollowerState.WAITING,
    (FollowerState.POLLING, FollowerEvent.CONCLUDED): FollowerState.OFF,
}


class Followed(NamedTuple):
    """What was followed: the target of each session rule by its tag, all targets, and the keys of tags.

    ``is_current``: there are no other session rules. ``keys`` is empty if they are not known. ``ignores_normal`` is the
    digest of the description of a switch that was seen to ignore NORMAL.
    """

    rules: dict[int, RuleTarget]
    targets: list[RuleTarget]
    keys: list[bytes]
    is_current: bool
    ignores_normal: Optional[int] = None
