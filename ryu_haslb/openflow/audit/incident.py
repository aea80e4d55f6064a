"""The incidents of one switch: what others have deleted, changed or added at about the same time. Each has one line."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Optional

LOG = logging.getLogger(__name__)

#: Seconds between two log lines.
LOG_INTERVAL = 10.0
#: Seconds from the first finding of an incident until it is logged, so that one line reports all of it.
_INCIDENT_INTERVAL = 1.0


@dataclass
class Restored:
    """What was restored on a switch since the start, after others had deleted it."""

    incidents: int = 0
    standing_rules: int = 0
    session_rules: int = 0
    meters: int = 0
    extraneous_rules: int = 0


class Incidents:
    """The incidents of one connection; ``restored`` counts those of its switch."""

    def __init__(self, datapath_id: int, restored: Restored) -> None:
        self._datapath_id = datapath_id
        self._restored = restored
        self._standing_rules = self._session_rules = self._extraneous_rules = 0
        self._since: Optional[float] = None
        self._logged_at: Optional[float] = None

    def record(self, now: float, standing_rules: int = 0, session_rules: int = 0, extraneous_rules: int = 0) -> bool:
        """Rules were restored or removed. True if that begins an incident."""
        self._standing_rules += standing_rules
        self._session_rules += session_rules
        self._extraneous_rules += extraneous_rules
        if self._since is not None:
            return False
        self._since = now
        return True

    def report(self, is_comparing: bool, now: float) -> None:
        """Log an incident when all of it is known, or after a while. ``is_comparing``: session rules are compared."""
        if self._since is None or now < self._since + (LOG_INTERVAL if is_comparing else _INCIDENT_INTERVAL):
            return
        if self._logged_at is not None and now < self._logged_at + LOG_INTERVAL:
            return
        standing, sessions, added = self._standing_rules, self._session_rules, self._extraneous_rules
        self._standing_rules = self._session_rules = self._extraneous_rules = 0
        self._since, self._logged_at = None, now
        self._restored.incidents += 1
        self._restored.standing_rules += standing
        self._restored.session_rules += sessions
        self._restored.extraneous_rules += added
        if not standing and not sessions:
            LOG.warning(
                "Switch %016x: %d rules with our cookie were added by another controller or operator; removed",
                *(self._datapath_id, added),
            )
            return
        LOG.warning(
            "Switch %016x: %d standing and %d session rules were deleted or changed by another controller or operator; "
            "restored%s",
            *(self._datapath_id, standing, sessions),
            f"; {added} added rules with our cookie removed" if added else "",
        )
