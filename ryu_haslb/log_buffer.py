"""The last lines of the log, in memory, for ``show logging``. What the limits leave out is left out here as well."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from ryu_haslb.log_format import severity_of

#: Records that are kept.
MAX_RECORDS = 1000
#: Characters of one record, its traceback included.
MAX_RECORD_LENGTH = 4000


class LogRecord(NamedTuple):
    """A record: when in seconds of the wall clock, how severe (RFC 5424), which module, and its text."""

    at: float
    severity: int
    module: str
    text: str


class LogBuffer(logging.Handler):
    """A handler that keeps the newest :data:`MAX_RECORDS` records."""

    def __init__(self) -> None:
        super().__init__()
        self._records: deque[LogRecord] = deque(maxlen=MAX_RECORDS)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            text = record.getMessage()
        except Exception:
            self.handleError(record)
            return
        severity = severity_of(record.levelno, text)
        if record.exc_text:
            text = f"{text}\n{record.exc_text}"
        self._records.append(LogRecord(record.created, severity, record.name, text[:MAX_RECORD_LENGTH]))

    def records(self) -> Iterator[LogRecord]:
        """The records, the oldest first. More may come meanwhile."""
        return iter(tuple(self._records))


#: The buffer of this process.
BUFFER = LogBuffer()


def install() -> None:
    """Have the process's log kept, once. Before the limits are installed, so that they hold for the buffer too."""
    root = logging.getLogger()
    if BUFFER not in root.handlers:
        root.addHandler(BUFFER)
