"""The log has a limit for each kind of line and for each object that lines are about."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from ryu_haslb import log_limit
from ryu_haslb.log_limit import (
    KIND_BURST,
    KIND_LINES_PER_MINUTE,
    MAX_OBJECTS,
    OBJECT_BURST,
    OBJECT_LINES_PER_MINUTE,
    LogFilter,
    LogLimit,
)

KIND = ("file.py", 7)


def admitted(limit: LogLimit, count: int, now: float, about: str = "10.1.1.1", kind: object = KIND) -> int:
    return sum(limit.admit(kind, about, "%s breaks", now) for _ in range(count))


def test_the_first_lines_about_an_object_appear_and_then_one_a_minute() -> None:
    limit = LogLimit(0.0)
    assert admitted(limit, 1000, 1.0) == OBJECT_BURST
    later = sum(admitted(limit, 1, 1.0 + second) for second in range(1, 1 + 24 * 3600))
    assert later == pytest.approx(24 * 60 * OBJECT_LINES_PER_MINUTE, abs=1)


def test_an_object_does_not_silence_another_one() -> None:
    limit = LogLimit(0.0)
    admitted(limit, 1000, 1.0, "10.1.1.1")
    assert admitted(limit, 1, 1.0, "10.1.1.2") == 1
    assert admitted(limit, 1, 1.0, "10.1.1.1", kind=("file.py", 8)) == 1


def test_objects_that_a_stranger_makes_up_share_the_limit_of_the_kind() -> None:
    limit = LogLimit(0.0)
    assert sum(admitted(limit, 1, 1.0, f"peer {number}") for number in range(100_000)) == KIND_BURST
    hour = sum(admitted(limit, 1, 1.0 + second / 10, f"peer {second}") for second in range(36_000))
    assert hour == pytest.approx(60 * KIND_LINES_PER_MINUTE, abs=2)


def test_the_memory_is_bounded() -> None:
    limit = LogLimit(0.0)
    for number in range(20 * MAX_OBJECTS):
        admitted(limit, 1, number * 10.0, f"peer {number}")
        assert len(limit._kinds[KIND].objects) <= MAX_OBJECTS


def test_what_was_left_out_is_counted_and_told_once_a_minute() -> None:
    limit = LogLimit(0.0)
    assert admitted(limit, 70, 1.0) == OBJECT_BURST
    assert list(limit.left_out(59.0)) == []
    (line,) = limit.left_out(60.0)
    assert line == f"{70 - OBJECT_BURST} log lines like '%s breaks' were left out in the last 60 s"
    assert list(limit.left_out(121.0)) == []


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(name="log")
def limited() -> Iterator[tuple[LogFilter, list[Lines]]]:
    """Two handlers of the process's log, with the limit."""
    handlers = [Lines(), Lines()]
    root = logging.getLogger()
    for handler in handlers:
        root.addHandler(handler)
    limit = log_limit.install()
    yield limit, handlers
    for each in list(root.handlers):
        each.removeFilter(limit)
    for handler in handlers:
        root.removeHandler(handler)


def test_each_handler_gets_the_same_lines(log: tuple[LogFilter, list[Lines]]) -> None:
    _, handlers = log
    for number in range(3 * OBJECT_BURST):
        logging.getLogger("ryu_haslb.openflow.sockets.transport").warning("%s breaks: %d", "10.1.1.1", number)
    assert handlers[0].lines == handlers[1].lines
    assert len(handlers[0].lines) == OBJECT_BURST


def test_the_real_servers_of_a_switch_are_different_objects(log: tuple[LogFilter, list[Lines]]) -> None:
    _, (handler, _) = log
    for number in range(100):
        logging.getLogger("ryu_haslb.openflow").warning("Switch %016x: real server %s", 1, f"10.1.1.{number}")
    assert len(handler.lines) == 100


def test_lines_of_other_programs_and_of_state_changes_have_no_limit_here(log: tuple[LogFilter, list[Lines]]) -> None:
    """``%SLB-`` lines have one of their own (``state_log.py``)."""
    _, (handler, _) = log
    for _ in range(1000):
        logging.getLogger("another").warning("line")
        logging.getLogger("ryu_haslb.app").warning("%s", "%SLB-6-REAL: farm=HAFARM")
    assert len(handler.lines) == 2000
