"""Damps ports that flap: a loose cable brings a port up and down many times a second. Pure.

Each change of a port costs work: home agents behind it are given up, looked for by ARP, and the rules of their sessions
are installed again. So the first changes of a port in a second are followed at once, and of all further ones the last,
when the second is over. A peer may report any number of ports, so the changes of all ports together are limited as
well: those beyond the limit are followed some with each tick.
"""

from __future__ import annotations

import logging
from itertools import islice

from ryu_haslb.openflow.wire.ports import MAX_PORTS, PortChange

LOG = logging.getLogger(__name__)

#: Changes of one port that are followed at once within :data:`FLAP_INTERVAL` seconds.
MAX_CHANGES = 4
FLAP_INTERVAL = 1.0
#: Changes of all ports together that are followed at once in this time, and with each tick after it. To follow one
#: takes 1 ms with 5,000 real servers.
MAX_CHANGES_OF_ALL = 256
MAX_CHANGES_PER_TICK = 32
#: Seconds between two log lines about one port.
LOG_INTERVAL = 60.0


class PortFlaps:
    """The changes of the ports of one switch, over one connection."""

    def __init__(self, datapath_id: int) -> None:
        self._datapath_id = datapath_id
        self._counts: dict[int, int] = {}
        self._total = 0
        self._last: dict[int, bool] = {}
        self._until = 0.0
        self._logged_at: dict[int, float] = {}

    def must_wait(self, change: PortChange, now: float) -> bool:
        """Whether a change is not to be followed now, since the port flaps: :meth:`due` returns its last one."""
        self._total += 1
        if self._total == 1:
            self._until = now + FLAP_INTERVAL
        count = self._counts.get(change.port, 0) + 1
        if self._total <= MAX_CHANGES_OF_ALL:
            self._counts[change.port] = count
            if count <= MAX_CHANGES:
                return False
        if change.port in self._last or len(self._last) < MAX_PORTS:
            self._last[change.port] = change.is_usable
        if count == MAX_CHANGES + 1 and now >= self._logged_at.get(change.port, -LOG_INTERVAL) + LOG_INTERVAL:
            self._logged_at[change.port] = now
            LOG.warning(
                "Switch %016x: port %d flaps (%d changes within a second); further changes are followed once a second. "
                "Look at its cable",
                *(self._datapath_id, change.port, count),
            )
        return True

    def due(self, now: float) -> list[PortChange]:
        """The last change of each port that flaps, once a second; some of them if there are many."""
        if not self._total or now < self._until:
            return []
        changes = [PortChange(port, self._last[port]) for port in islice(self._last, MAX_CHANGES_PER_TICK)]
        for change in changes:
            del self._last[change.port]
        if self._last:
            return changes
        self._counts.clear()
        self._total = 0
        # A peer may report changes of any number of ports, also of ports that it never had.
        self._logged_at = {port: at for port, at in self._logged_at.items() if now < at + LOG_INTERVAL}
        return changes
