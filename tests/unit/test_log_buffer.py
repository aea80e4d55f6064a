"""``show logging``: the last lines of the log, bounded."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest
from control_process import Application

from ryu_haslb import log_buffer
from ryu_haslb.control.execution import execute
from ryu_haslb.log_buffer import MAX_RECORD_LENGTH, MAX_RECORDS, LogBuffer
from ryu_haslb.show import state_log
from ryu_haslb.show.log import log

LOG = logging.getLogger("ryu_haslb.test")


@pytest.fixture
def buffer(monkeypatch: pytest.MonkeyPatch) -> Iterator[LogBuffer]:
    buffer = LogBuffer()
    monkeypatch.setattr("ryu_haslb.show.log.BUFFER", buffer)
    monkeypatch.setattr(log_buffer, "BUFFER", buffer)
    log_buffer.install()
    log_buffer.install()
    yield buffer
    logging.getLogger().removeHandler(buffer)


def test_the_last_lines_are_shown_with_their_time(buffer: LogBuffer) -> None:
    application = Application()
    LOG.warning("switch %s is slow", 1)
    lines = [line for line in execute(application, ["show", "logging"]).lines if line is not None]
    assert re.fullmatch(r"\*\w{3} \d\d \d\d:\d\d:\d\d\.\d{3}: switch 1 is slow", lines[-1])
    assert [row["severity"] for row in log(application.sources)][-1] == 4


def test_it_is_bounded_in_number_and_in_size(buffer: LogBuffer) -> None:
    for number in range(MAX_RECORDS + 5):
        arguments = (number, "x" * MAX_RECORD_LENGTH)
        buffer.emit(logging.LogRecord("x", logging.ERROR, "x.py", 1, "%d %s", arguments, None))
    records = list(buffer.records())
    assert len(records) == MAX_RECORDS
    assert records[0].text.startswith("5 ")
    assert {len(each.text) for each in records} == {MAX_RECORD_LENGTH}


def test_a_record_with_wrong_arguments_does_no_harm(buffer: LogBuffer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    buffer.emit(logging.LogRecord("x", logging.INFO, "x.py", 1, "%d", ("no number",), None))
    assert list(buffer.records()) == []


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("%SLB-2-FARM: farm=HAFARM state=FAILED was=OPERATIONAL", 2),
        ("%SLB-3-REAL: farm=HAFARM real=10.1.1.51 state=FAILED was=OPERATIONAL", 3),
        ("%SLB-4-DFP: agent=10.1.1.51:500 state=disconnected was=connected", 4),
        ("%SLB-5-CONFIG: by=SIGHUP applied lines=2 farms=1 reals=2 vservers=1", 5),
        ("%SLB-6-REAL: farm=HAFARM real=10.1.1.51 state=OPERATIONAL was=FAILED", 6),
    ],
)
def test_the_level_of_a_state_change_is_its_severity(
    buffer: LogBuffer, line: str, severity: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    state_log.write(line)
    assert [(each.text, each.severity) for each in buffer.records()] == [(line, severity)]
