"""How a record of the log looks (severities: RFC 5424 section 6.2.1; priorities of the journal: sd-daemon(3))."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

import pytest

from ryu_haslb import log_format
from ryu_haslb.log_format import FORMAT_VARIABLE, LogFormatError, severity_of


class Written:
    """A logger of its own, with one handler, and what that has written."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        logging.getLogger().addHandler(self.handler)

    def of(self, record: logging.LogRecord) -> str:
        self.handler.handle(record)
        return self.stream.getvalue()


@pytest.fixture
def written() -> Iterator[Written]:
    others = {each: each.formatter for each in logging.getLogger().handlers}
    found = Written()
    yield found
    logging.getLogger().removeHandler(found.handler)
    for handler, formatter in others.items():
        handler.setFormatter(formatter)


def record_of(text: str, level: int = logging.INFO, error: Optional[Exception] = None) -> logging.LogRecord:
    """A record of 2026-03-01 08:15:00.123 UTC."""
    found = logging.LogRecord(
        "ryu_haslb.app", level, "app.py", 1, text, (), (type(error), error, None) if error else None
    )
    found.created = 1772352900.123
    return found


def test_text_has_the_time_in_utc_in_front(written: Written) -> None:
    log_format.install({})
    assert written.of(record_of("%SLB-3-REAL: farm=F")) == "2026-03-01T08:15:00.123Z %SLB-3-REAL: farm=F\n"


def test_json_is_an_object_in_each_line(written: Written) -> None:
    log_format.install({FORMAT_VARIABLE: "json"})
    output = written.of(record_of("%SLB-3-REAL: farm=\u00fc", error=ValueError("a\nb")))
    assert output.count("\n") == 1
    assert json.loads(output) == {
        "at": "2026-03-01T08:15:00.123Z",
        "severity": 3,
        "module": "ryu_haslb.app",
        "text": "%SLB-3-REAL: farm=\u00fc",
        "traceback": "ValueError: a\nb",
    }


def test_each_line_of_a_record_has_its_priority_in_the_journal(written: Written) -> None:
    log_format.install({FORMAT_VARIABLE: "journal"})
    output = written.of(record_of("it fails", logging.ERROR, ValueError("a\nb")))
    assert output.splitlines() == ["<3>it fails", "<3>ValueError: a", "<3>b"]


@pytest.mark.parametrize(
    ("level", "text", "severity"),
    [
        (logging.INFO, "%SLB-5-CONFIG: by=console + no such line", 5),
        (logging.INFO, "%SLB-2-FARM: farm=HAFARM state=FAILED", 2),
        (logging.INFO, "text of a peer: %SLB-2-FARM: forged", 6),
        (logging.CRITICAL, "text", 2),
        (logging.WARNING, "text", 4),
        (logging.DEBUG, "text", 7),
    ],
)
def test_a_tag_gives_the_severity_and_otherwise_the_level(level: int, text: str, severity: int) -> None:
    assert severity_of(level, text) == severity


@contextmanager
def standard_error_in_a_journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[logging.Handler, str]]:
    """A handler that writes to it, and what systemd says of it."""
    with open(os.devnull, "w", encoding="utf-8") as journal:
        status = os.fstat(journal.fileno())
        monkeypatch.setattr(sys, "stderr", journal)
        handler = logging.StreamHandler(journal)
        logging.getLogger().addHandler(handler)
        try:
            yield handler, f"{status.st_dev}:{status.st_ino}"
        finally:
            logging.getLogger().removeHandler(handler)


def test_the_journal_is_recognized_by_what_systemd_says_of_standard_error(
    monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    with standard_error_in_a_journal(monkeypatch) as (to_journal, journal):
        log_format.install({"JOURNAL_STREAM": journal})
        lines = [each.format(record_of("text")) for each in (to_journal, written.handler)]
        log_format.install({"JOURNAL_STREAM": f"{journal}1"})
        lines.append(to_journal.format(record_of("text")))
    assert lines == ["<6>text", "2026-03-01T08:15:00.123Z text", "2026-03-01T08:15:00.123Z text"]


def test_json_has_its_priority_in_front_in_the_journal_alone(monkeypatch: pytest.MonkeyPatch, written: Written) -> None:
    """``journalctl -p`` goes by the priority; the journal takes it off (sd-daemon(3))."""
    with standard_error_in_a_journal(monkeypatch) as (to_journal, journal):
        environment = {FORMAT_VARIABLE: "json", "JOURNAL_STREAM": journal}
        log_format.install(environment)
        in_journal, in_file = (each.format(record_of("%SLB-3-REAL: x")) for each in (to_journal, written.handler))
        error = log_format.as_error("no such file", environment)
    assert in_journal == f"<3>{in_file}"
    assert json.loads(in_file)["severity"] == 3
    assert json.loads(error.removeprefix("<3>"))["text"] == "no such file"
    assert error.startswith("<3>{")


def test_another_format_is_refused() -> None:
    with pytest.raises(LogFormatError, match=r"HASLB_LOG_FORMAT: expected text, json, journal, not 'xml'"):
        log_format.install({FORMAT_VARIABLE: "xml"})
