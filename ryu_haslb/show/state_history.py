"""What has changed in the last days: states of farms, real servers, switches and DFP agents, the leader, the
configuration. In memory and bounded: of an object that flaps it has what the log has (:mod:`.state_log`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Callable, NamedTuple

#: Changes that are kept; the oldest go first.
MAX_CHANGES = 2000
#: Seconds for which a change is kept: a week.
MAX_AGE = 7 * 86400.0
#: Characters of a name or a state, which may come from another member of the cluster.
MAX_TEXT = 160


class Kind(Enum):
    """What has changed. The value is the token of JSON."""

    REAL = "real"
    FARM = "farm"
    PROBE = "probe"
    SWITCH = "switch"
    DFP_AGENT = "dfp_agent"
    CONFIGURATION = "configuration"
    REDUNDANCY = "redundancy"


class StateChange(NamedTuple):
    """One change, at ``at`` seconds of the wall clock. ``left_out`` are changes before it that have no entry."""

    at: float
    kind: Kind
    name: str
    state: str
    was: str
    left_out: int


class StateHistory:
    """The last changes. ``clock`` is the wall clock."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._changes: deque[StateChange] = deque(maxlen=MAX_CHANGES)

    def record(self, kind: Kind, name: str, state: str, was: str, left_out: int = 0) -> None:
        """An object has changed its state."""
        now = self._clock()
        while self._changes and self._changes[0].at < now - MAX_AGE:
            self._changes.popleft()
        self._changes.append(StateChange(now, kind, name[:MAX_TEXT], state[:MAX_TEXT], was[:MAX_TEXT], left_out))

    def newest_first(self) -> Iterator[StateChange]:
        """The changes that are not too old. More may be recorded meanwhile."""
        oldest = self._clock() - MAX_AGE
        return (each for each in reversed(tuple(self._changes)) if each.at >= oldest)
