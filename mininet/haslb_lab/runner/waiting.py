"""Waits for what sends no event."""

from __future__ import annotations

import time
from typing import Any, Callable

from haslb_lab.errors import LabError

#: Seconds between two looks.
_INTERVAL = 0.02


def wait_until(condition: Callable[[], Any], what: str, seconds: float) -> Any:
    """Wait until a condition holds, and return what it returned. Raises: LabError."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise LabError(f"not within {seconds:g} s: {what}")
        time.sleep(_INTERVAL)
    return found
