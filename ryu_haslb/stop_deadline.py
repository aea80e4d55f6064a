"""Ends the process at a deadline, even if its event loop is stuck.

An orderly stop needs the event loop, since it waits for switches. A loop that is stuck must not keep the process alive.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from types import FrameType
from typing import Callable, Optional

import eventlet.patcher

_select = eventlet.patcher.original("select") or select
_STANDARD_ERROR = 2


def exit_after(seconds: float, clean_up: Callable[[], None]) -> None:
    """End the process with status 0 in so many seconds, unless it has ended by itself before.

    ``clean_up`` is called then. It must not wait for anything. To be called in the main thread.
    """

    def on_alarm(_: int, __: Optional[FrameType]) -> None:
        """The log is left out: the stuck code may hold its lock, or its reader may be what the code waits for."""
        with suppress(Exception):
            if _select.select([], [_STANDARD_ERROR], [], 0)[1]:
                os.write(_STANDARD_ERROR, b"the stop did not end in order within %g s; exiting without it\n" % seconds)
            clean_up()
        os._exit(0)

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
