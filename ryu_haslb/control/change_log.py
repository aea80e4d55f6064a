"""The log of a changed configuration: who has changed it, and each line that was removed or added."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import eventlet

LOG = logging.getLogger(__name__)

#: Lines that are logged before Registration Requests have their turn.
MAX_LINES_PER_STEP = 20


def log_change(by: str, changes: Iterable[str]) -> None:
    """Log each line of a change, in which keys and passwords are masked. Requests are served meanwhile."""
    for number, line in enumerate(changes):
        LOG.info("%s", f"%SLB-5-CONFIG: by={by} {line}")
        if number % MAX_LINES_PER_STEP == 0:
            eventlet.sleep(0)
