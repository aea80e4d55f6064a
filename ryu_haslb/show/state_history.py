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
    """One change, at ``at`` seconds of the wall clock, as in the log, and ``recorded_at`` of the monotonic one.

    ``left_out`` are changes before it that have no entry.
    """

    at: float
    recorded_at: float
    kind: Kind
    name: str
    state: str
    was: str
    left_out: int


class StateHistory:
    """The last changes. Their age is that of the monotonic clock: the wall clock may jump by years, when it is set."""

    def __init__(
        self, wall_clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall_clock, self._monotonic = wall_clock, monotonic
        self._changes: deque[StateChange] = deque(maxlen=MAX_CHANGES)

    def record(self, kind: Kind, name: str, state: str, was: str, left_out: int = 0) -> None:
        """An object has changed its state."""
        now = self._monotonic()
        while self._changes and self._changes[0].recorded_at < now - MAX_AGE:
            self._changes.popleft()
        texts = (name[:MAX_TEXT], state[:MAX_TEXT], was[:MAX_TEXT])
        self._changes.append(StateChange(self._wall_clock(), now, kind, *texts, left_out))

    def newest_first(self) -> Iterator[StateChange]:
        """The changes that are not too old. More may be recorded meanwhile."""
        oldest = self._monotonic() - MAX_AGE
        return (each for each in reversed(tuple(self._changes)) if each.recorded_at >= oldest)
