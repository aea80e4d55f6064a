"""A log that cannot be written, as on a full disk: one line on standard error instead of a traceback for each record.

What is lost there is in the memory of ``show logging`` all the same.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress
from math import inf
from typing import Any, Callable

#: Seconds between two lines about one log.
REPORT_INTERVAL = 60.0


def install() -> None:
    """Watch each handler that writes the process's log."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            lost = LostLog(handler)
            handler.handleError = lost.on_error  # type: ignore[method-assign]


class LostLog:
    """Reports that a handler cannot write. ``clock`` does not jump."""

    def __init__(self, handler: logging.StreamHandler[Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._handler, self._clock = handler, clock
        self._reported_at = -inf

    def on_error(self, record: logging.LogRecord) -> None:
        """``logging`` calls this for a record that was not written, while the error is handled."""
        error, now = sys.exc_info()[1], self._clock()
        if not isinstance(error, OSError):
            logging.Handler.handleError(self._handler, record)  # a fault of the code that logs
        elif self._handler.stream is not sys.stderr and now - self._reported_at >= REPORT_INTERVAL:
            self._reported_at = now
            name = getattr(self._handler, "baseFilename", "a stream")
            with suppress(OSError):
                print(f"log: cannot write {name}: {error.strerror}; 'show logging' has the lines", file=sys.stderr)
