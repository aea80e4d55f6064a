"""Tells the service manager, systemd, when the balancer is ready, that it works, and when it ends (sd_notify(3))."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress

import eventlet.patcher

_socket = eventlet.patcher.original("socket")


#: Seconds between two heartbeats at most.
MAX_BEAT_INTERVAL = 1.0
#: Heartbeats in one time-out at least.
_BEATS = 4


class ServiceManager:
    """Tells systemd the state of this service (sd_notify(3)), if it asks for it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._path = environment.get("NOTIFY_SOCKET", "")
        #: Seconds between two heartbeats (``WATCHDOG=1``) at most.
        self.interval = min(MAX_BEAT_INTERVAL, _watchdog_timeout(environment) / _BEATS)

    def notify(self, state: str) -> None:
        """Send a state such as ``READY=1``. Never waits, and never fails."""
        if self._path[:1] not in ("/", "@"):
            return
        path = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        with suppress(OSError), _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), path)


def _watchdog_timeout(environment: Mapping[str, str]) -> float:
    """Seconds in which systemd expects a heartbeat of this process (sd_watchdog_enabled(3))."""
    with suppress(ValueError):
        microseconds = int(environment.get("WATCHDOG_USEC", "0"))
        if microseconds > 0 and environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            return microseconds / 1e6
    return math.inf
