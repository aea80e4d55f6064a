"""A stranger cannot make the log grow, forge a line of it, or reach the operator's terminal through it.

The table is the code itself: every place that logs is found in the source, and its line is fired 2,000 times on a
virtual clock. A new line is covered as soon as it is written.
"""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Optional

import pytest
from balancer_process import balancer_process, free_port
from control_process import Application

import ryu_haslb
from ryu_haslb import log_format
from ryu_haslb.control.protocol import encode_lines, help_answer
from ryu_haslb.language.grammar import Expectation
from ryu_haslb.log_limit import (
    KIND_BURST,
    KIND_LINES_PER_MINUTE,
    MAX_LINE_LENGTH,
    MAX_OBJECTS,
    OBJECT_BURST,
    OBJECT_LINES_PER_MINUTE,
    SUMMARY_INTERVAL,
    LogFilter,
)
from ryu_haslb.show.state_log import SUBJECT_BURST, SUBJECT_LINES_PER_MINUTE, StateLog

PRODUCT = Path(ryu_haslb.__file__).parent
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
TIMES = 10_000
#: How often each place is fired, and seconds in between: more objects are made up than the limit remembers, and several
#: times as many lines as one kind may have.
TIMES_EACH = 2 * MAX_OBJECTS
PAUSE = 0.36
#: The places that log a line which has a limit of its own, or which an operator has caused, and how many there are.
PREFORMATTED = {
    "show/state_log.py": 4,
    "control/change_log.py": 2,
    "startup.py": 1,
    "log_limit.py": 1,
    "web/server.py": 1,
}
#: Values that a stranger may send, in place of each text.
HOSTILE = (
    "a\n%SLB-6-REAL: farm=HAFARM real=10.1.1.51 state=FAILED was=OPERATIONAL",
    "\r\x1b[2J\x1b]0;owned\x07",
    "\x9b31m\x85\u2028\u2029\x00\x7f",
    "\u202egnp.exe\u2066",
    "\ud800" + "x" * 100_000,
    "%s%d%n{0}",
)


class Place(NamedTuple):
    """A place in the code that logs: file, line, level and text; None: the text is computed."""

    path: Path
    line: int
    level: str
    text: Optional[str]

    def __str__(self) -> str:
        return f"{self.path.relative_to(PRODUCT)}:{self.line}"


def places() -> Iterator[Place]:
    for path in sorted(PRODUCT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                owner = node.func.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                if "log" in name.lower() and node.args:
                    text = node.args[0]
                    literal = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None
                    yield Place(path, node.lineno, node.func.attr, literal)


PLACES = tuple(places())
LIMITED = [place for place in PLACES if place.text not in (None, "%s")]


class Log:
    """A handler with the limit, and the clock that the limit reads."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.limit = LogFilter(lambda: self.now)
        self.handler.addFilter(self.limit)

    def fire(self, place: Place, value: object, exc_info: object = None) -> None:
        assert place.text is not None
        arguments = tuple(
            str(value) if kind in "sr" else number_of(value) for kind in re.findall(r"%[-0-9.]*([a-zA-Z])", place.text)
        )
        record = logging.LogRecord(
            f"ryu_haslb.{place.path.stem}", logging.WARNING, str(place.path), place.line, place.text, arguments, None
        )
        record.exc_info = exc_info  # type: ignore[assignment]
        self.handler.handle(record)

    def lines(self) -> list[str]:
        return self.stream.getvalue().split("\n")[:-1]


def number_of(value: object) -> int:
    return value if isinstance(value, int) else 7


@contextmanager
def root_handler(log: Log) -> Iterator[None]:
    root = logging.getLogger()
    root.addHandler(log.handler)
    try:
        yield
    finally:
        root.removeHandler(log.handler)


def test_the_table_has_the_lines_of_the_code() -> None:
    assert len(LIMITED) > 40
    assert any(place.path.name == "transport.py" for place in LIMITED)


def test_each_line_has_a_text_of_its_own_by_which_it_is_limited() -> None:
    """A computed text, or a bare ``%s``, makes a line that passes without a limit."""
    assert [str(place) for place in PLACES if place.text is None] == []
    found = [str(place.path.relative_to(PRODUCT)) for place in PLACES if place.text == "%s"]
    assert {name: found.count(name) for name in found} == PREFORMATTED


@pytest.mark.parametrize("place", LIMITED, ids=str)
def test_one_peer_makes_few_lines_and_the_rest_is_counted(place: Place) -> None:
    log = Log()
    for number in range(TIMES_EACH):
        log.now = PAUSE * number
        log.fire(place, "192.0.2.1")
    minutes = PAUSE * TIMES_EACH / 60
    made = len(log.lines())
    assert OBJECT_BURST <= made <= OBJECT_BURST + minutes * OBJECT_LINES_PER_MINUTE + 1
    log.now += SUMMARY_INTERVAL
    (summary,) = log.limit._limit.left_out(log.now)
    assert summary.startswith(f"{TIMES_EACH - made} log lines like ")


@pytest.mark.parametrize("place", LIMITED, ids=str)
def test_peers_that_are_made_up_make_no_more_than_one_kind_of_line_may(place: Place) -> None:
    log = Log()
    for number in range(TIMES_EACH):
        log.now = PAUSE * number
        log.fire(place, number)
    assert len(log.lines()) <= KIND_BURST + PAUSE * TIMES_EACH / 60 * KIND_LINES_PER_MINUTE + 1


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_no_value_makes_a_second_line_or_reaches_the_terminal(value: str) -> None:
    for place in LIMITED:
        log = Log()
        log.fire(place, value)
        (line,) = log.lines()
        assert line.isprintable(), (place, line)
        assert len(line) <= 10 * MAX_LINE_LENGTH


#: NAIs as the log gets them: RFC 4282 allows 253 octets, of any value.
NAIS = (
    "anna\n<0>%SLB-0-REAL: forged@isp.com",
    'anna", "severity": 0, "text": "forged@isp.com',
    "anna\\@isp.com\\",
    b"anna\xff\xfe\x80@isp.com".decode("utf-8", "surrogateescape"),
    "x" * 245 + "@isp.com",
)


@pytest.mark.parametrize("nai", [*NAIS, *HOSTILE], ids=lambda nai: ascii(nai[:30]))
@pytest.mark.parametrize("form", log_format._FORMATTERS)
def test_in_each_format_a_record_is_one_line_with_its_own_severity(form: str, nai: str) -> None:
    """A line that begins with ``<0>`` would be an emergency in the journal; JSON has to stay JSON."""
    for place in LIMITED:
        log = Log()
        log.handler.setFormatter(log_format._FORMATTERS[form](False))
        log.fire(place, nai)
        line = log.stream.getvalue()
        assert line.endswith("\n") and line.count("\n") == 1 and line[:-1].isprintable(), (place, line)
        line.encode()
        if form == "json":
            read = json.loads(line)
            assert sorted(read) == ["at", "module", "severity", "text"]
            assert read["severity"] >= 3
        elif form == "journal":
            assert line[:3] in {"<2>", "<3>", "<4>", "<5>", "<6>", "<7>"}
        else:
            assert re.match(r"\d{4}-\d\d-\d\dT", line)


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_no_error_forges_a_line_in_a_traceback(value: str) -> None:
    log = Log()
    try:
        raise ValueError(value)
    except ValueError as error:
        log.fire(LIMITED[0], "192.0.2.1", (ValueError, error, error.__traceback__))
    rest = log.lines()[1:]
    assert rest and all(line.startswith("  | ") and line.isprintable() for line in rest)


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_no_name_from_the_network_reaches_the_operators_terminal(value: str) -> None:
    """A NAI may have any characters (RFC 4282); the answer of the control socket has one line for each line."""
    answer = encode_lines([f"anna{value} 10.1.1.51", *help_answer([Expectation("reals", "Real servers")])])
    first, second, rest = answer.decode().split("\n", 2)
    assert first.isprintable()
    assert (second, rest) == ("reals\tReal servers", "")


REQUESTS = {
    "no request": b"\x16\x03\x01\x02\x00\r\n\r\n",
    "a forged line": b"GET /%0a%25SLB-6-REAL:%20forged HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \x1b[2J\r\n\r\n",
    "a long line": b"x" * 8000 + b"\r\n\r\n",
    "a wrong host": b"GET / HTTP/1.1\r\nHost: \x1b]0;evil\r\n\r\n",
    "a wrong token": b"POST /api/v1/clear/counters HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \x1b\xff\r\n\r\n",
    "a token": b"POST /api/v1/config HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Length: 9\r\n\r\n",
    "half a request": b"GET /metr",
    "nothing": b"",
}
#: A farm would be logged as failed after a while, since no switch is connected.
NO_FARMS = "hostname slb\n"


def test_a_thousand_requests_of_each_kind_leave_few_lines_in_the_log_of_a_running_balancer(tmp_path: Path) -> None:
    """A refused request logs nothing; wrong tokens have the limit of one peer."""
    token, log, http = tmp_path / "token", tmp_path / "log", free_port()
    token.touch(0o600)
    token.write_text("correct-horse-battery-staple")
    with (
        log.open("w") as stream,
        balancer_process(
            tmp_path, NO_FARMS, free_port(), stream, HASLB_HTTP=str(http), HASLB_HTTP_TOKEN_FILE=str(token)
        ) as process,
    ):
        while not _is_answered(http):
            assert process.poll() is None
        before = len(log.read_bytes())
        for request in REQUESTS.values():
            for _ in range(1000):
                with suppress(OSError), socket.create_connection(("127.0.0.1", http), 60) as client:
                    client.sendall(request)
                    client.shutdown(socket.SHUT_WR)
                    client.recv(4096)
        assert _is_answered(http)
        grown = log.read_bytes()[before:].decode()
    lines = grown.splitlines()
    assert len(lines) <= 2 * OBJECT_BURST, lines[:5]
    assert all("wrong token" in line and line.isprintable() for line in lines), lines[:5]


def _is_answered(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(b"HEAD /metrics HTTP/1.0\r\n\r\n")
        return client.recv(12) == b"HTTP/1.1 200"
    return False


def test_loggers_of_the_event_loops_are_limited_as_well() -> None:
    log = Log()
    with root_handler(log):
        for _ in range(TIMES):
            logging.getLogger("asyncio").error("Fatal error: protocol.data_received() call failed")
    assert len(log.lines()) == OBJECT_BURST


def test_an_object_that_flaps_makes_few_state_lines_and_the_last_state_is_logged() -> None:
    """A stranger who can make a home agent fail and come back, again and again."""
    application = Application(weights=(1, 1))
    real = application.bench.reals[0]
    watch, now = StateLog(application.sources, 0.0), 0.0
    lines: list[str] = []
    for _ in range(TIMES):
        now += PAUSE
        real.in_service = not real.in_service
        lines += watch.changes(application.sources, now)
    real.in_service = "state=OUTOFSERVICE" in lines[-1]
    lines += watch.changes(application.sources, now + 120)
    assert len(lines) <= SUBJECT_BURST + (now / 60 + 2) * SUBJECT_LINES_PER_MINUTE + 1
    assert f"state={real.state}" in lines[-1]
    left_out = sum(int(count) for line in lines for count in re.findall(r"left_out=(\d+)", line))
    assert left_out + len(lines) in (TIMES, TIMES + 1)


def test_switches_that_are_made_up_share_a_limit() -> None:
    from types import SimpleNamespace  # noqa: PLC0415

    from ryu_haslb.openflow.roles.arbiter import Role  # noqa: PLC0415

    application = Application()
    watch, made, now = StateLog(application.sources, 0.0), 0, 0.0
    for number in range(TIMES):
        now += PAUSE
        switch = SimpleNamespace(channel=object(), role=Role.MASTER)
        application.switches = {number: switch}  # type: ignore[dict-item]
        made += len(list(watch.changes(application.sources, now)))
    assert made <= 300 + now / 60 * 20 + 21
    assert len(watch._logged) + len(watch._allowances) + len(watch._left_out) < 5000
