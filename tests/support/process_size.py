"""How large a process is: memory, descriptors and threads, and these again and again while it is attacked."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

#: Seconds between two lines of a trend.
_TREND_INTERVAL = 300.0


def resident(process: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096


def descriptors(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


def open_files(process: int) -> list[str]:
    """What its descriptors lead to."""
    found = []
    for each in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            found.append(os.readlink(each))
    return sorted(found)


def threads(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/task"))


class Trend:
    """Prints every five minutes how large a process is, and figures of the caller's."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._at = self._began = time.monotonic()

    def note(self, **figures: object) -> None:
        now = time.monotonic()
        if now >= self._at:
            self._at = now + _TREND_INTERVAL
            memory, opened, running = resident(self._process) >> 10, descriptors(self._process), threads(self._process)
            size = f"{memory} KiB, {opened} descriptors, {running} threads"
            print(f"{now - self._began:.0f} s: {size}, {figures}", flush=True)
