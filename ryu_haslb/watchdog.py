"""Watches over the event loop from outside: the process ends when the loop hangs, and a service manager starts it anew.

No thread of this process can do it, since C code that holds Python's interpreter lock stops every thread. So a small
process of its own (:mod:`.watchdog_process`) expects heartbeats, and systemd does so as well where it is asked to
(``WatchdogSec=``). Both end a process with SIGABRT, at which it prints its stack. The small process also sees each
signal when it comes, so that a stop has a deadline that no code of this process can miss.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Callable

import eventlet.patcher

from ryu_haslb import watchdog_process
from ryu_haslb.errors import HaslbError

LOG = logging.getLogger(__name__)

WATCHDOG_VARIABLE = "HASLB_WATCHDOG"
#: Seconds without a heartbeat after which the process is ended. The longest step that was measured takes 1 s.
WATCHDOG_TIMEOUT = 30.0
#: Seconds of the shortest time-out that may be set: a busy machine delays a heartbeat.
MIN_WATCHDOG_TIMEOUT = 1.0
#: Heartbeats in one time-out at least.
_BEATS = 4
#: Seconds between two heartbeats at most.
_MAX_BEAT_INTERVAL = 1.0

_os = eventlet.patcher.original("os")


class WatchdogSettingError(HaslbError):
    """The environment asks for a watchdog that cannot be."""


def watchdog_timeout(environment: Mapping[str, str]) -> float:
    """Seconds without a heartbeat after which the process is ended; 0 for never. Raises: WatchdogSettingError."""
    text = environment.get(WATCHDOG_VARIABLE)
    if not text:
        return WATCHDOG_TIMEOUT
    with suppress(ValueError):
        timeout = float(text)
        if timeout == 0 or MIN_WATCHDOG_TIMEOUT <= timeout <= 86400:
            return timeout
    raise WatchdogSettingError(
        f"{WATCHDOG_VARIABLE} is {text!r}; expected seconds from {MIN_WATCHDOG_TIMEOUT:g} to 86400, or 0 for none"
    )


class Watchdog:
    """Starts the process that watches, and sends it heartbeats."""

    def __init__(self, timeout: float) -> None:
        """Raises: OSError if the process cannot be started."""
        self.interval = min(_MAX_BEAT_INTERVAL, timeout / _BEATS)
        self._timeout = timeout
        with suppress(RuntimeError, AttributeError, OSError):  # there may be no standard error
            faulthandler.enable()
        self._process = self._start()

    def beat(self) -> None:
        """Say that the event loop runs."""
        pipe = self._process.stdin
        try:
            _os.write(pipe.fileno(), b".")
        except BlockingIOError:  # it is suspended
            pass
        except OSError:
            signal.set_wakeup_fd(-1)
            pipe.close()
            LOG.warning("the watchdog process has ended (exit status %s); starting another", self._process.wait())
            self._process = self._start()

    def close(self) -> None:
        """Watch no longer."""
        signal.set_wakeup_fd(-1)
        self._process.stdin.close()
        self._process.wait()

    def _start(self) -> Any:
        program = [sys.executable, "-I", "-S", watchdog_process.__file__, str(os.getpid()), str(self._timeout)]
        process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd="/", start_new_session=True
        )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        signal.set_wakeup_fd(process.stdin.fileno(), warn_on_full_buffer=False)
        return process


class Heartbeat:
    """Beats only when every loop of the process has made a round since it has last beaten."""

    def __init__(self, loops: Iterable[str], interval: float, beats: Iterable[Callable[[], None]], now: float) -> None:
        """``beats`` are called at most every ``interval`` seconds."""
        self._loops = frozenset(loops)
        self._interval = interval
        self._beats = tuple(beats)
        self._missing = set(self._loops)
        self._beaten_at = now

    def on_round(self, loop: str, now: float) -> None:
        """A loop begins a round."""
        self._missing.discard(loop)
        if not self._missing and now >= self._beaten_at + self._interval:
            self._beaten_at = now
            self._missing = set(self._loops)
            for beat in self._beats:
                beat()
