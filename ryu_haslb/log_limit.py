"""Limits the log lines of each kind, so that neither a stranger nor a recurring fault can fill the disk.

A kind is one place in the code. Each kind has a bucket of lines, and so has each object that its lines are about: a
peer, a real server, an agent. A line takes one out of both buckets. If one of the two is empty, the line is left out
and counted. Once a minute a line for each kind reports how many were left out.

:class:`LogLimit` decides, without a clock; :func:`install` makes it a filter of the process's log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Callable

from ryu_haslb.language.wording import printable

LOG = logging.getLogger(__name__)

#: Lines that an object may cause at once, and a minute from then on.
OBJECT_BURST, OBJECT_LINES_PER_MINUTE = 50, 1.0
#: The same for all objects together, for each kind of line.
KIND_BURST, KIND_LINES_PER_MINUTE = 300, 20.0
#: Objects that are remembered for each kind. Beyond it only the limit of the kind holds for further ones.
MAX_OBJECTS = 1000
#: Seconds between two lines that say what was left out.
SUMMARY_INTERVAL = 60.0

#: Loggers whose lines are limited: those of the product, of either engine, and of the event loops.
_LIMITED = ("ryu_haslb", "ryu", "os_ken", "asyncio", "eventlet")
#: Characters of a line; the rest is cut off.
MAX_LINE_LENGTH = 2000
_FORMATTER = logging.Formatter()
#: Lines that were formatted elsewhere, with a limit of their own (``%SLB-…``) or caused by an operator.
_PREFORMATTED = "%s"


class Bucket:
    """Lines that may be logged now; the bucket fills up with time."""

    __slots__ = ("_at", "_burst", "_lines", "_per_second")

    def __init__(self, burst: int, per_minute: float, now: float) -> None:
        self._burst, self._per_second = burst, per_minute / 60.0
        self._lines, self._at = float(burst), now

    def fill(self, now: float) -> float:
        """Bring the bucket up to date; the lines in it."""
        self._lines = min(float(self._burst), self._lines + max(0.0, now - self._at) * self._per_second)
        self._at = now
        return self._lines

    def is_full(self, now: float) -> bool:
        """Whether no line is missing in the bucket, so that a new one could replace it."""
        return self.fill(now) >= self._burst

    def take(self) -> None:
        """Take a line out of the bucket."""
        self._lines -= 1.0


@dataclass
class _Kind:
    example: str
    bucket: Bucket
    objects: dict[Hashable, Bucket] = field(default_factory=dict)
    left_out: int = 0


class LogLimit:
    """Decides which lines are logged. The memory is bounded: kinds are places in the code."""

    def __init__(self, now: float) -> None:
        self._kinds: dict[Hashable, _Kind] = {}
        self._summarized_at = now

    def admit(self, kind: Hashable, about: Hashable, example: str, now: float) -> bool:
        """Whether a line is logged. ``example`` is its text without the values, for the report of what was left out."""
        found = self._kinds.get(kind)
        if found is None:
            found = self._kinds[kind] = _Kind(example, Bucket(KIND_BURST, KIND_LINES_PER_MINUTE, now))
        buckets = [found.bucket]
        if about not in found.objects and len(found.objects) >= MAX_OBJECTS:
            found.objects = {each: bucket for each, bucket in found.objects.items() if not bucket.is_full(now)}
        if about in found.objects or len(found.objects) < MAX_OBJECTS:
            bucket = found.objects.setdefault(about, Bucket(OBJECT_BURST, OBJECT_LINES_PER_MINUTE, now))
            buckets.append(bucket)
        if min(bucket.fill(now) for bucket in buckets) < 1.0:
            found.left_out += 1
            return False
        for bucket in buckets:
            bucket.take()
        return True

    def left_out(self, now: float) -> Iterator[str]:
        """What was left out since the last time, if :data:`SUMMARY_INTERVAL` has passed."""
        if now - self._summarized_at < SUMMARY_INTERVAL:
            return
        seconds, self._summarized_at = now - self._summarized_at, now
        for kind in self._kinds.values():
            if kind.left_out:
                yield f"{kind.left_out} log lines like '{kind.example}' were left out in the last {seconds:.0f} s"
                kind.left_out = 0


class LogFilter(logging.Filter):
    """The limit as a filter of log handlers. A record that passes several handlers counts once.

    What is logged is one line for each record, without control characters: NAIs, names of certificates and texts of
    peers must not forge lines or reach the operator's terminal.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._limit = LogLimit(clock())

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged; one that is has a harmless text afterwards."""
        if not self._is_admitted(record):
            return False
        _make_harmless(record)
        return True

    def _is_admitted(self, record: logging.LogRecord) -> bool:
        package = record.name.partition(".")[0]
        if package not in _LIMITED or record.name == __name__ or record.msg == _PREFORMATTED:
            return True
        is_admitted = getattr(record, "is_admitted", None)
        if is_admitted is None:
            kind = (record.pathname, record.lineno)
            is_admitted = self._limit.admit(kind, _about(record), str(record.msg), self._clock())
            record.is_admitted = is_admitted
        return bool(is_admitted)

    def tick(self, now: float) -> None:
        """Log what was left out, when it is due."""
        for line in self._limit.left_out(now):
            LOG.warning("%s", line)


def _make_harmless(record: logging.LogRecord) -> None:
    """Escape the text of a record, and begin each line of its traceback with a bar, so that none looks like a line."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError):  # the handler reports the wrong arguments
        return
    if len(message) > MAX_LINE_LENGTH or not message.isprintable():
        record.msg, record.args = printable(message[:MAX_LINE_LENGTH]), ()
    if record.exc_info and not record.exc_text:
        lines = _FORMATTER.formatException(record.exc_info).splitlines()
        record.exc_text = "\n".join(f"  | {printable(line)}" for line in lines)


def _about(record: logging.LogRecord) -> tuple[str, ...]:
    """The object that a record is about: its first value, and the second as well if the first is a datapath id."""
    values = record.args if isinstance(record.args, tuple) else ()
    return tuple(str(value)[:100] for value in values[: 1 + bool(values and isinstance(values[0], int))])


def install() -> LogFilter:
    """Limit the lines of every handler that the process's log has now."""
    limit = LogFilter()
    for handler in logging.getLogger().handlers:
        handler.addFilter(limit)
    return limit
