"""A log on a full disk (``/dev/full``)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ryu_haslb import lost_log
from ryu_haslb.lost_log import REPORT_INTERVAL, LostLog


@pytest.fixture
def handler() -> Iterator[logging.FileHandler]:
    opened = logging.FileHandler("/dev/full")
    logging.getLogger().addHandler(opened)
    yield opened
    logging.getLogger().removeHandler(opened)
    with suppress(OSError):
        opened.close()


RECORD = logging.LogRecord("ryu_haslb", logging.INFO, __file__, 1, "a line", (), None)


def test_a_full_disk_is_reported_by_one_line_and_not_for_each_record(
    handler: logging.FileHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    lost_log.install()
    for _ in range(3):
        handler.handle(RECORD)
    said = "log: cannot write /dev/full: No space left on device; 'show logging' has the lines\n"
    assert capsys.readouterr().err == said


def test_it_is_reported_again_while_it_lasts(handler: logging.FileHandler, capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    handler.handleError = LostLog(handler, lambda: now).on_error  # type: ignore[method-assign]
    handler.handle(RECORD)
    now = REPORT_INTERVAL - 1.0
    handler.handle(RECORD)
    assert capsys.readouterr().err.count("\n") == 1
    now = REPORT_INTERVAL
    handler.handle(RECORD)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_fault_of_the_code_that_logs_has_its_traceback(
    handler: logging.FileHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    lost_log.install()
    handler.handle(logging.LogRecord("ryu_haslb", logging.INFO, __file__, 1, "%d", ("no number",), None))
    assert "TypeError" in capsys.readouterr().err
