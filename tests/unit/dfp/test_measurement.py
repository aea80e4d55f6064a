"""What the weight of a machine is made of (the chapter's equation: bindings, cpu, mem, Usage CPS)."""

from __future__ import annotations

import itertools
import json
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ryu_haslb.dfp import measurement
from ryu_haslb.dfp.measurement import (
    BindingCount,
    CallRate,
    HomeAgentWeight,
    free_share,
    parse_binding_count,
    read_path,
    run_command,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("50", BindingCount(50)),
        (" 0\n", BindingCount(0)),
        ('{"bindings": 50}', BindingCount(50)),
        ('{"bindings": 50, "max_bindings": 1250, "calls": 7, "more": []}', BindingCount(50, 1250, 7)),
    ],
)
def test_a_home_agent_reports_a_number_or_an_object(text: str, count: BindingCount) -> None:
    assert parse_binding_count(text) == count


@given(
    st.text(max_size=60)
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
    | st.dictionaries(st.sampled_from(["bindings", "calls"]), st.integers() | st.text()).map(json.dumps)
)
@example("[" * 60000)
@example("-1")
@example("true")
@example("1e9")
@example("9" * 5000)
@example('{"bindings": null}')
@example('{"calls": 1}')
def test_another_text_is_an_error_that_says_what_is_expected(text: str) -> None:
    try:
        count = parse_binding_count(text)
    except ValueError as error:
        assert "expected" in str(error)
    else:
        assert 0 <= count.bindings < 2**32


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "bindings").write_text(" 50\n")
    assert read_path(str(tmp_path / "bindings")) == "50"


def test_a_socket_is_read_until_it_closes(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                for piece in (b'{"bindi', b'ngs": 5', b"0}"):
                    connection.sendall(piece)

        thread = threading.Thread(target=answer)
        thread.start()
        assert read_path(path) == '{"bindings": 50}'
        thread.join()


def test_a_socket_that_sends_nothing_is_timed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "READ_TIMEOUT", 0.05)
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with pytest.raises(OSError, match="timed out"):
            read_path(path)


def test_a_socket_that_sends_a_byte_at_a_time_is_timed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time-out is for the whole answer: here each byte takes a second of a clock that the test turns."""
    clock = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, suppress(ConnectionError):
                for _ in range(measurement.MAX_ANSWER_LENGTH):
                    connection.sendall(b" ")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match="timed out"):
            read_path(path)
        thread.join()


def test_a_path_that_is_no_file_or_too_long_is_an_error(tmp_path: Path) -> None:
    """A FIFO or a device could block or never end."""
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/zero", tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            read_path(str(path))
    (tmp_path / "long").write_bytes(b" " * (measurement.MAX_ANSWER_LENGTH + 1))
    with pytest.raises(ValueError, match="more than 65536 bytes"):
        read_path(str(tmp_path / "long"))
    with pytest.raises(FileNotFoundError, match="absent"):
        read_path(str(tmp_path / "absent"))


def test_a_command_is_run_without_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_command("echo '5 0' ; false") == "5 0 ; false"
    with pytest.raises(ValueError, match="ended with status 3: no home agent"):
        run_command(f"{sys.executable} -c \"import sys; print('no home agent', file=sys.stderr); sys.exit(3)\"")
    with pytest.raises(FileNotFoundError):
        run_command("/no/such/command")
    with pytest.raises(ValueError, match="quotation"):
        run_command("echo 'open")
    monkeypatch.setattr(measurement, "READ_TIMEOUT", 0.05)
    with pytest.raises(ValueError, match="took longer than"):
        run_command("sleep 30")


def test_the_call_rate_is_the_average_over_the_last_minute() -> None:
    """The chapter: "calculated for every minute"."""
    rate = CallRate()
    assert rate.observe(1000, 0) == 0
    assert rate.observe(1100, 10) == 10
    assert rate.observe(1100, 60) == 1
    assert rate.observe(1700, 70) == 10
    assert rate.observe(1700, 130) == 0


def test_a_counter_that_goes_back_begins_a_new_minute() -> None:
    """The home agent was restarted; the rate must not turn negative."""
    rate = CallRate()
    rate.observe(1000, 0)
    assert rate.observe(5, 10) == 0
    assert rate.observe(105, 20) == 10


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 100)), max_size=30))
def test_the_call_rate_is_never_negative(samples: list[tuple[int, int]]) -> None:
    rate, now = CallRate(), 0.0
    for calls, later in samples:
        now += later
        assert rate.observe(calls, now) >= 0


@pytest.mark.parametrize(("used", "free"), [(0, 16), (100, 0), (50, 8), (3, 16), (97, 0), (101, 0), (-1, 16)])
def test_percentages_map_to_sixteenths_free(used: float, free: int) -> None:
    """0 is none free, 16 all free."""
    assert free_share(used) == free


@pytest.fixture
def idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """All processor time and memory free."""
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval=None: 0.0)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"percent": 0.0}))


@pytest.mark.usefixtures("idle_machine")
def test_the_weight_follows_bindings_processor_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    bindings = ['{"bindings": 50, "max_bindings": 1250}']
    weight = HomeAgentWeight(lambda: bindings[0])
    assert weight() == 24
    bindings[0] = '{"bindings": 1250, "max_bindings": 1250}'
    assert weight() == 0
    assert HomeAgentWeight(lambda: bindings[0], max_bindings=2500)() == 12
    assert HomeAgentWeight()() == 25
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval=None: 100.0)
    assert HomeAgentWeight(max_weight=100)() == 50


@pytest.mark.usefixtures("idle_machine")
def test_the_weight_follows_the_call_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, now = [1000], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    weight = HomeAgentWeight(
        lambda: json.dumps({"bindings": 0, "max_bindings": 10, "calls": calls[0]}), available_cps=100
    )
    assert weight() == 25
    calls[0], now[0] = 1600, 10.0
    assert weight() == 10
    calls[0], now[0] = 9999, 20.0
    assert weight() == 0


@pytest.mark.usefixtures("idle_machine")
def test_a_missing_number_is_named() -> None:
    with pytest.raises(ValueError, match="give --max-bindings"):
        HomeAgentWeight(lambda: "50")()
    with pytest.raises(ValueError, match="which --available-cps needs"):
        HomeAgentWeight(lambda: "50", max_bindings=100, available_cps=10)()


def test_this_machine_has_a_weight() -> None:
    """Against the real psutil."""
    weight = HomeAgentWeight()
    assert 0 <= weight() <= 25
    assert 0 <= weight() <= 25
