"""The process that ends a balancer whose event loop hangs: ``python -I -S watchdog_process.py PID SECONDS``.

It reads the balancer's heartbeats from its standard input. When none has come for SECONDS, it aborts the balancer,
which then prints what it was doing (:mod:`faulthandler`), and kills it if that takes too long. It ends when the
balancer does. Python writes the number of each signal to the same pipe, also while the balancer hangs: from SIGTERM or
SIGINT on the balancer has :data:`STOP_TIMEOUT` to end.

Time is counted in checks of this process, and a check does not count while the balancer is suspended (SIGSTOP, a
debugger): after a pause of both, or of the whole machine, the balancer has its full time again.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import Optional

#: Checks without a heartbeat after which the balancer is ended.
MAX_MISSED = 10
#: Seconds from SIGTERM to SIGABRT. The balancer needs 5 s at most if its event loop handles signals.
STOP_TIMEOUT = 6.0
#: Seconds from SIGABRT to SIGKILL.
ABORT_TIMEOUT = 5.0

_HEARTBEATS, _STANDARD_ERROR = 0, 2


def main() -> None:
    """Watch over the process that the arguments name."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the balancer decides when both end
    watch(int(sys.argv[1]), float(sys.argv[2]))


def watch(process: int, timeout: float) -> None:
    """Return when the process has ended."""
    missed, is_stopping = 0, False
    while missed < MAX_MISSED:
        received = _read((STOP_TIMEOUT if is_stopping else timeout) / MAX_MISSED)
        if received is None:
            return
        if not is_stopping and any(number in received for number in (signal.SIGTERM, signal.SIGINT)):
            missed, is_stopping = 0, True
        has_beaten = bool(received) and not is_stopping
        missed = 0 if has_beaten or is_suspended(process) else missed + 1
    if is_stopping:
        _report(f"watchdog: process {process} did not end within {STOP_TIMEOUT:g} s of the signal; ending it\n")
    else:
        _report(f"watchdog: the event loop of process {process} has not run for {timeout:g} s; ending the process\n")
    _end(process, signal.SIGABRT)
    while _read(ABORT_TIMEOUT):
        pass
    _end(process, signal.SIGKILL)


def _read(seconds: float) -> Optional[bytes]:
    """Heartbeats and numbers of signals; empty if none comes in this time, None if the balancer has ended."""
    if not select.select([_HEARTBEATS], [], [], seconds)[0]:
        return b""
    return os.read(_HEARTBEATS, 4096) or None


def is_suspended(process: int) -> bool:
    """Whether the process is stopped or traced (proc(5))."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in (b"T", b"t")


def _end(process: int, number: signal.Signals) -> None:
    if os.getppid() == process:  # otherwise it has ended, and another process may have its number
        os.kill(process, number)


def _report(text: str) -> None:
    """Write to standard error, unless its reader is what the balancer waits for."""
    if select.select([], [_STANDARD_ERROR], [], 0)[1]:
        os.write(_STANDARD_ERROR, text.encode())


if __name__ == "__main__":
    main()
