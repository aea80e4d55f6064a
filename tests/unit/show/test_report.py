"""Every report prints the rows of its own snapshot."""

from __future__ import annotations

import logging
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from web_bench import WebBench

from ryu_haslb import show
from ryu_haslb.log_buffer import BUFFER
from ryu_haslb.show.report import Report, as_json
from ryu_haslb.show.table import Column, Heading, table

REPORTS = {
    name: value
    for each in iter_modules(show.__path__, "ryu_haslb.show.")
    for name, value in vars(import_module(each.name)).items()
    if isinstance(value, Report)
}


@pytest.fixture(name="bench", scope="module")
def with_a_row_for_every_report() -> WebBench:
    bench = WebBench()
    bench.fill()
    return bench


@pytest.mark.parametrize("name", REPORTS)
def test_every_row_is_printed(name: str, bench: WebBench) -> None:
    report: Report[Any] = REPORTS[name]
    BUFFER.emit(logging.makeLogRecord({"msg": "a line of the log", "levelno": logging.INFO}))
    rows = list(report.rows(bench.sources))
    lines = [line for line in report.text(iter(rows)) if not isinstance(line, Heading)]
    assert rows
    assert len(lines) >= len(rows)


def test_a_value_wider_than_its_column_shifts_the_rest_of_its_line() -> None:
    """As IOS prints a long name of a virtual server."""
    columns = (Column("name", "name", 6), Column("count", "count", 6))
    assert list(table(columns, [{"name": "longer than 6", "count": 1}, {"name": "b", "count": 2}])) == [
        "name  count",
        "------------",
        "longer than 6 1",
        "b     2",
    ]


def test_json_is_one_array_and_passes_moments_without_a_row_on() -> None:
    assert list(as_json(iter([{"a": 1}, None, {"a": 2}]))) == ["[", ' {"a": 1}', None, ',{"a": 2}', "]"]
    assert list(as_json(iter([]))) == ["[", "]"]
