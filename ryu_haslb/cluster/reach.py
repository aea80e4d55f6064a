"""Whether the leader should let a member lead that reaches more switches. Pure.

The leader may be cut off from a switch that another member reaches. Neither the database nor the switch shows that: the
leader has its lock, and the switch waits for its MASTER. So each member publishes how many switches answer it, and a
leader that another member has surpassed for :data:`SURPASSED_TIMEOUT` resigns. Where all reach the same number nothing
is changed: two members that are each cut off from another switch do not pass the lead back and forth.
"""

from __future__ import annotations

from typing import Optional

#: Seconds for which another member must have reached more switches. Switches that connect to one member after the other
#: after a failure have done so by then: Open vSwitch tries every 8 s at the latest.
SURPASSED_TIMEOUT = 9.0


class Reach:
    """What the leader has seen of the numbers of switches that members reach."""

    def __init__(self) -> None:
        self._surpassed_since: Optional[float] = None

    def must_resign(self, own: int, others: int, now: float) -> bool:
        """Whether another member should lead; ``others`` is the most switches that one of them reaches."""
        if others <= own:
            self._surpassed_since = None
            return False
        if self._surpassed_since is None:
            self._surpassed_since = now
        if now < self._surpassed_since + SURPASSED_TIMEOUT:
            return False
        self._surpassed_since = None
        return True

    def forget(self) -> None:
        """This member does not lead."""
        self._surpassed_since = None
