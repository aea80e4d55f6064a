"""A leader that is to stop lets another member lead first, and serves until it does. Pure.

::

    resign -> wait for the switches to confirm what is on its way to them, and release the lock (:mod:`.member`)
           -> wait for another member to lead, and to be MASTER of all switches -> over
           -> none does within :data:`HAND_OVER_TIMEOUT`                         -> over
"""

from __future__ import annotations

from typing import Optional

from ryu_haslb.cluster.member import Member
from ryu_haslb.openflow.fleet.fleet import Fleet

#: Seconds that another member has to take over when this one has released the lock.
HAND_OVER_TIMEOUT = 0.8


class HandOver:
    """The hand-over of a member that has resigned; ``fleet`` are the switches that it serves."""

    def __init__(self, member: Member, fleet: Fleet) -> None:
        self._member = member
        self._fleet = fleet
        self._until: Optional[float] = None

    def is_over(self, now: float) -> bool:
        """Whether another member serves all switches and knows why, or none has taken over in time."""
        member = self._member
        if member.is_awaiting_switches:
            return False
        if self._until is None:
            self._until = now + HAND_OVER_TIMEOUT
        return now >= self._until or not (
            member.is_leading or self._fleet.serves_any or not member.has_published_reason
        )
