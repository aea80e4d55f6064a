"""When the standing rules follow changes of ports: the first ones at once, and those beyond them together. Pure.

To follow them takes milliseconds if there are many real servers, and a peer may report any number of changes.
"""

from __future__ import annotations

#: Changes that are followed at once within :data:`PORTS_INTERVAL`. Those beyond it are followed together.
MAX_PORT_CHANGES = 16
#: Seconds between two times when changes are followed together.
PORTS_INTERVAL = 1.0


class PortChanges:
    """The changes of all ports of one switch, over one connection."""

    def __init__(self) -> None:
        self._changes = 0
        self._followed_at = -PORTS_INTERVAL

    def must_wait(self) -> bool:
        """Record a change of a port. Returns whether it must wait until :meth:`take_due` returns True."""
        self._changes += 1
        return self._changes > MAX_PORT_CHANGES

    def take_due(self, now: float) -> bool:
        """Whether changes that had to wait are to be followed now."""
        if not self._changes or now < self._followed_at + PORTS_INTERVAL:
            return False
        has_waiting = self._changes > MAX_PORT_CHANGES
        self._changes, self._followed_at = 0, now
        return has_waiting
