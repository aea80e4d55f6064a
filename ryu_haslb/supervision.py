"""Runs the loops that the process cannot do without, and sees that each of them goes on.

::

    a loop ends, or raises         -> the process exits with status 1
    a round of a periodic loop     -> heartbeat, when each has made one -> watchdog process, systemd
    no heartbeat                   -> the watchdog ends the process with SIGABRT

So the process ends with status 0 on request only, and what ends or hangs is started again by the service manager.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from functools import partial
from typing import Callable, Optional

import eventlet

from ryu_haslb.service_manager import ServiceManager
from ryu_haslb.watchdog import Heartbeat, Watchdog, watchdog_timeout

LOG = logging.getLogger(__name__)


class Supervisor:
    """Starts loops as green threads; ``environment`` has the settings of watchdog and service manager.

    Raises: WatchdogSettingError.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._service_manager = ServiceManager(environment)
        self._timeout = watchdog_timeout(environment)
        self._watchdog: Optional[Watchdog] = None
        self._heartbeat: Optional[Heartbeat] = None
        self._loops: dict[str, Callable[[], None]] = {}
        self._periodic: list[str] = []
        self._is_stopping = False

    def add(self, name: str, loop: Callable[[], None]) -> None:
        """Add a loop that never ends."""
        self._loops[name] = loop

    def add_periodic(self, name: str, interval: float, step: Callable[[float], None]) -> None:
        """Add a step that is taken every ``interval`` seconds; it is given the time."""
        self._periodic.append(name)
        self._loops[name] = partial(self._run_every, name, interval, step)

    def start(self) -> None:
        """Start all loops, and tell the service manager that the balancer is ready. Raises: OSError."""
        beats: list[Callable[[], None]] = [partial(self._service_manager.notify, "WATCHDOG=1")]
        interval = self._service_manager.interval
        if self._timeout:
            self._watchdog = Watchdog(self._timeout)
            beats.append(self._watchdog.beat)
            interval = min(interval, self._watchdog.interval)
        self._heartbeat = Heartbeat(self._periodic, interval, beats, time.monotonic())
        for name, loop in self._loops.items():
            eventlet.spawn(self._run, name, loop)
        self._service_manager.notify("READY=1")

    def on_round(self, name: str) -> None:
        """A periodic loop goes on. To be called by steps that take long and let other green threads run."""
        if self._heartbeat is not None:
            self._heartbeat.on_round(name, time.monotonic())

    def on_stop(self) -> None:
        """The balancer ends on request: tell the service manager, and let loops end, whose sockets are closed then."""
        self._is_stopping = True
        self._service_manager.notify("STOPPING=1")

    def _run(self, name: str, loop: Callable[[], None]) -> None:
        """Raises: SystemExit when the loop ends while the balancer runs."""
        try:
            loop()
            if self._is_stopping:
                return
            LOG.critical("%s has ended, which must not happen; exiting with status 1", name)
        except Exception:
            LOG.critical("%s has failed; exiting with status 1", name, exc_info=True)
        raise SystemExit(1)

    def _run_every(self, name: str, interval: float, step: Callable[[float], None]) -> None:
        while True:
            eventlet.sleep(interval)
            self.on_round(name)
            try:
                step(time.monotonic())
            except Exception:  # a fault in one tick must not stop the timers of every session
                LOG.exception("timer tick failed; continuing")
