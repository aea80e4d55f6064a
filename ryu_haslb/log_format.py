"""How a record of the log looks: stamped lines for people, JSON for a collector, priorities for systemd's journal.

==========  ===========================================================================================
format      a record
==========  ===========================================================================================
``text``    ``2026-03-01T08:15:00.123Z %SLB-3-REAL: …``, the time in UTC
``json``    an object in one line: ``at``, ``severity``, ``module``, ``text`` and perhaps ``traceback``
``journal``  ``<3>%SLB-3-REAL: …``; the journal adds the time, and shows the priority (sd-daemon(3))
==========  ===========================================================================================

In the journal JSON has its priority in front as well, which the journal takes off. The severities are those of syslog
(RFC 5424 section 6.2.1).
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Callable, Optional

from ryu_haslb.errors import HaslbError

#: Names the format; by default that of the place which standard error leads to.
FORMAT_VARIABLE = "HASLB_LOG_FORMAT"
#: systemd sets it to the device and the inode of a journal that a service writes to (systemd.exec(5)).
_JOURNAL_VARIABLE = "JOURNAL_STREAM"
#: The severities of syslog for the levels of Python, the highest level first.
_SEVERITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
#: That of a line with a tag of IOS stands in the tag.
_TAG = re.compile(r"%[A-Z]+-([0-7])-[A-Z_]+: ")


class LogFormatError(HaslbError, ValueError):
    """No such format."""


def severity_of(level: int, text: str) -> int:
    """The severity of a record: 0 is the most severe, 7 the least."""
    tag = _TAG.match(text)
    if tag is not None:
        return int(tag[1])
    return next((number for least, number in _SEVERITIES if level >= least), 7)


class TextFormatter(logging.Formatter):
    """The time, and the text."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and those of a traceback."""
        return f"{_time_of(record)} {super().format(record)}"


class JournalFormatter(logging.Formatter):
    """The priority in front of every line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and those of a traceback."""
        text = super().format(record)
        priority = f"<{severity_of(record.levelno, text)}>"
        return "\n".join(priority + line for line in text.split("\n"))


class JsonFormatter(logging.Formatter):
    """An object for each record, behind its priority if the journal reads it."""

    def __init__(self, in_journal: bool = False) -> None:
        super().__init__()
        self._in_journal = in_journal

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        text = record.getMessage()
        traceback = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else None)
        severity = severity_of(record.levelno, text)
        found = {
            "at": _time_of(record),
            "severity": severity,
            "module": record.name,
            "text": text,
        }
        line = json.dumps(found if traceback is None else {**found, "traceback": traceback}, ensure_ascii=False)
        return f"<{severity}>{line}" if self._in_journal else line


#: What makes the formatter of each format, given whether the journal reads it.
_FORMATTERS: Mapping[str, Callable[[bool], logging.Formatter]] = {
    "text": lambda _: TextFormatter(),
    "json": JsonFormatter,
    "journal": lambda _: JournalFormatter(),
}


def install(environment: Mapping[str, str]) -> None:
    """Give each handler that writes the process's log its format. Raises: LogFormatError."""
    wanted = environment.get(FORMAT_VARIABLE)
    if wanted and wanted not in _FORMATTERS:
        raise LogFormatError(f"{FORMAT_VARIABLE}: expected {', '.join(_FORMATTERS)}, not {wanted!r}")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setFormatter(_formatter_for(handler.stream, environment))


def as_error(text: str, environment: Mapping[str, str]) -> str:
    """The text with which a start fails, as standard error is to have it: a person reads it as it is."""
    formatter = _formatter_for(sys.stderr, environment)
    if isinstance(formatter, TextFormatter):
        return text
    return formatter.format(logging.LogRecord(__name__, logging.ERROR, "", 0, text, None, None))


def _formatter_for(stream: Any, environment: Mapping[str, str]) -> logging.Formatter:
    is_journal = _is_journal(stream, environment.get(_JOURNAL_VARIABLE))
    name = environment.get(FORMAT_VARIABLE) or ("journal" if is_journal else "text")
    return _FORMATTERS.get(name, _FORMATTERS["text"])(is_journal)


def _is_journal(stream: Any, journal: Optional[str]) -> bool:
    """Whether a stream is standard error, and leads to the journal that systemd has named."""
    if stream is not sys.stderr or not journal:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal == f"{status.st_dev}:{status.st_ino}"


def _time_of(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
