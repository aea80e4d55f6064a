"""How a program that runs labs or controllers ends on SIGTERM."""

from __future__ import annotations

import signal
import sys


def end_in_order() -> None:
    """Make SIGTERM raise SystemExit, so that the stack unwinds and everything that was started is ended."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, _: object) -> None:
    """Unwind the stack, and exit with the status of a process that the signal ended."""
    signal.signal(number, signal.SIG_IGN)  # timeout(1) sends it twice; the second must not interrupt the cleaning
    sys.exit(128 + number)
