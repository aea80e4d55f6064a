"""``show logging``: the last records of the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Annotated, TypedDict

from ryu_haslb.log_buffer import BUFFER
from ryu_haslb.show.column_types import Count, Values
from ryu_haslb.show.report import Report
from ryu_haslb.show.sources import Sources


class LogRow(TypedDict):
    """A record of the log."""

    at: Annotated[str, Values(format="date-time"), "When, in UTC."]
    severity: Annotated[Count, "Severity of syslog (RFC 5424): 2 critical, 3 error, 4 warning, 6 informational."]
    module: Annotated[str, "What has logged it."]
    text: str


def log(_: Sources) -> Iterator[LogRow]:
    """The last records of the log, the oldest first."""
    for each in BUFFER.records():
        yield {
            "at": datetime.fromtimestamp(each.at, timezone.utc).isoformat(timespec="milliseconds"),
            "severity": each.severity,
            "module": each.module,
            "text": each.text,
        }


def _log(rows: Iterator[LogRow]) -> Iterator[str]:
    for row in rows:
        at = datetime.fromisoformat(row["at"])
        first, *others = row["text"].splitlines() or [""]
        yield f"*{at:%b %d %H:%M:%S}.{at.microsecond // 1000:03}: {first}"
        yield from others


LOGGING = Report(log, _log)
