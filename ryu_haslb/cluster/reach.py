"""Whether the leader should let a member lead that reaches more switches. Pure.

The leader may be cut off from a switch that another member reaches. Neither the database nor the switch shows that: the
leader has its lock, and the switch waits for its MASTER. So each member publishes how many switches answer it
(:func:`counted`), and a leader that another member has surpassed for :data:`SURPASSED_TIMEOUT` resigns. Where all reach
the same number nothing is changed: two members that are each cut off from another switch do not pass the lead back and
forth.

A switch that is not connected may still be about to connect. One that is connected to the leader and silent, while it
answers another member, is cut off from the leader: then :data:`SILENT_SHARE` of the time is enough, in which the others
see whether it is silent for them as well.

What another member publishes may be wrong, and then no resignation changes it. So this member waits twice as long
before each further one, until it has led for as long without being surpassed.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Optional

#: Seconds for which another member must have reached more switches. Switches that connect to one member after the other
#: after a failure have done so by then: Open vSwitch tries every 8 s at the latest.
SURPASSED_TIMEOUT = 9.0
#: The share of this time after which a leader resigns that a connected switch does not answer.
SILENT_SHARE = 1 / 3
#: The longest such time, after several resignations that have changed nothing.
MAX_SURPASSED_TIMEOUT = 3600.0


def counted(reached: Set[int], established: Set[int]) -> int:
    """How many of the switches that a member ``reached`` count.

    ``established`` are those that the configuration names, and those at which a leader has located real servers. A host
    at the OpenFlow port may have made up any other. These count where all established switches are reached as well:
    then none of those loses its leader by them.
    """
    return len(reached if established <= reached else reached & established)


class Reach:
    """What a member has seen of the numbers of switches that members reach, while it led."""

    def __init__(self) -> None:
        self._timeout = SURPASSED_TIMEOUT
        self._is_surpassed: Optional[bool] = None
        self._since = 0.0

    def must_resign(self, own: int, others: int, now: float, is_silent: bool = False) -> bool:
        """Whether another member should lead; ``others`` is the most switches that one of them reaches.

        ``is_silent``: a switch is connected and does not answer.
        """
        is_surpassed = others > own
        if is_surpassed is not self._is_surpassed:
            self._is_surpassed, self._since = is_surpassed, now
        if now < self._since + self._timeout * (SILENT_SHARE if is_surpassed and is_silent else 1.0):
            return False
        if not is_surpassed:
            self._timeout = SURPASSED_TIMEOUT
            return False
        self._timeout = min(2 * self._timeout, MAX_SURPASSED_TIMEOUT)
        self._is_surpassed = None
        return True

    def forget(self) -> None:
        """This member does not lead."""
        self._is_surpassed = None
