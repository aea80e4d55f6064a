"""An application beside the balancer, in its process, that keeps the event loop busy for ever when it gets a signal."""

from __future__ import annotations

import collections
import itertools
import signal
from typing import Any

from ryu_haslb.engine import RyuApp


def hang_in_python(*_: Any) -> None:
    while True:
        pass


def hang_in_c_code(*_: Any) -> None:
    """The interpreter lock is held all the time: no other thread of the process runs, and no signal handler."""
    collections.deque(itertools.repeat(0), maxlen=0)


def hang_in_system_call(*_: Any) -> None:
    while True:
        signal.pause()


HANGS = {
    signal.SIGUSR1: hang_in_python,
    signal.SIGUSR2: hang_in_c_code,
    signal.SIGWINCH: hang_in_system_call,
}


class HangingApplication(RyuApp):  # type: ignore[misc]
    """Hangs on SIGUSR1, SIGUSR2 and SIGWINCH, each in another way."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        for number, hang in HANGS.items():
            signal.signal(number, hang)
