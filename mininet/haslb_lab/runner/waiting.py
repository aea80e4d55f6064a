"""Waits for what sends no event."""

from __future__ import annotations

import time
from typing import Any, Callable, Union

from haslb_lab.errors import LabError

#: Seconds between two checks of a condition that sends no event.
CHECK_INTERVAL = 0.02


def wait_until(condition: Callable[[], Any], what: Union[str, Callable[[], str]], seconds: float) -> Any:
    """Wait until a condition holds, and return what it returned.

    Raises:
        LabError: it does not within so many seconds. ``what`` is the condition in words, or returns them then.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise LabError(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(CHECK_INTERVAL)
    return found
