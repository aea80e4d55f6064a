"""How a program that brings up labs or controllers ends when it is told to."""

from __future__ import annotations

import signal
import sys


def end_in_order() -> None:
    """From now on SIGTERM unwinds the stack, as an interrupt does: what was started ends, what was written goes."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, _: object) -> None:
    """Clean up, and be known to have ended by this signal."""
    signal.signal(number, signal.SIG_IGN)  # timeout(1) sends it twice; the second must not cut the cleaning short
    sys.exit(128 + number)
