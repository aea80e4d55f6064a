"""Reading a configuration while requests are served: in a process, one change at a time, and in slices."""

from __future__ import annotations

import io
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import eventlet
import pytest
from budget import examples
from configuration_strategies import configurations
from control_process import Application
from hypothesis import given, settings

from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.yaml.writer import write_yaml
from ryu_haslb.control import configuring, operations, reader_process
from ryu_haslb.control.coalescing import Coalesced
from ryu_haslb.control.reading import Assembly, Job, pieces, read
from ryu_haslb.language.diagnostics import ConfigurationError
from ryu_haslb.slb.session_filter import EVERY_SESSION


def large(reals: int = 300) -> str:
    """More than is read in the balancer's own process."""
    first = IPv4Address("10.2.0.1")
    lines = "".join(f" real {first + number}\n  inservice\n" for number in range(reals))
    agents = "".join(f" agent {first + number} 500\n" for number in range(reals))
    return f"ip slb serverfarm HAFARM\n nat server\n{lines}ip slb dfp\n{agents}ip slb vserver MIPS LB\n"


SERVER = " virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm HAFARM\n inservice\n"


class Turns:
    """Counts how often other green threads had their turn."""

    def __init__(self) -> None:
        self.count = 0
        self._thread = eventlet.spawn(self._run)

    def _run(self) -> None:
        while True:
            self.count += 1
            eventlet.sleep(0)

    def stop(self) -> int:
        self._thread.kill()
        return self.count


@settings(max_examples=examples(25))
@given(configurations())
def test_a_configuration_arrives_as_it_was_sent(configuration: Configuration) -> None:
    assembly = Assembly(io.BytesIO(b"".join(pieces("frame", configuration))))
    for _ in assembly.steps():
        pass
    frame, arrived = assembly.result()
    assert (frame, arrived) == ("frame", configuration)
    assert list(arrived.farms) == list(configuration.farms)


def test_a_large_file_is_read_in_a_process_while_others_have_their_turn(tmp_path: Path) -> None:
    path = tmp_path / "large.ios"
    path.write_text(large() + SERVER)
    application = Application()
    turns = Turns()
    applied = configuring.apply_file(application, str(path))
    assert turns.stop() > 10
    assert application.configuration == load(path).configuration
    assert "+ ip slb serverfarm HAFARM / real 10.2.0.9" in applied.changes
    assert applied.warnings == load(path).warnings != ()
    commands = configuring.apply_commands(application, "ip slb serverfarm HAFARM\nno real 10.2.0.9", "command")
    assert "- ip slb serverfarm HAFARM / real 10.2.0.9" in commands.changes
    assert len(application.configuration.farms["HAFARM"].reals) == 299


def test_a_file_without_a_size_is_read_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files in /proc have none, also if they hold something, and some of them have no end."""
    source = Path("/proc/self/comm")
    assert source.stat().st_size == 0
    monkeypatch.setattr(reader_process, "read", _never)
    path = tmp_path / "file.ios"
    path.symlink_to(source)
    with pytest.raises(ConfigurationError):
        configuring.apply_file(Application(), str(path))


def test_a_file_that_cannot_be_read_in_time_stops_its_reader_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one on a network drive whose server is gone."""
    path = tmp_path / "file.ios"
    path.write_text(large() + SERVER)
    monkeypatch.setattr(reader_process, "_PROGRAM", "import signal; signal.pause()")
    monkeypatch.setattr(reader_process, "READER_TIMEOUT", 2.0)
    turns = Turns()
    with pytest.raises(ConfigurationError, match="takes more than 2 s"):
        configuring.apply_file(Application(), str(path))
    assert turns.stop() > 10


def _never(_: Job) -> Any:
    raise AssertionError("it is read in the event loop")


def test_a_large_file_in_yaml_is_read_in_a_process_too(tmp_path: Path) -> None:
    text, path = tmp_path / "large.ios", tmp_path / "large.yaml"
    text.write_text(large() + SERVER)
    path.write_text(write_yaml(load(text).configuration))
    application = Application()
    turns = Turns()
    configuring.apply_file(application, str(path))
    assert turns.stop() > 10
    assert application.configuration == load(text).configuration


def test_the_errors_of_a_large_file_are_the_same_as_of_a_small_one(tmp_path: Path) -> None:
    path = tmp_path / "large.ios"
    path.write_text(large().replace("real 10.2.0.9\n", "real 10.2.0\n"))
    application = Application()
    before = application.configuration
    with pytest.raises(ConfigurationError) as caught:
        configuring.apply_file(application, str(path))
    with pytest.raises(ConfigurationError) as expected:
        read(Job(str(path), before))
    assert caught.value.errors == expected.value.errors
    assert application.configuration is before


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit(3)", "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
        ("pass", "ended early"),
        ("import time; time.sleep(60)", "takes more than 0.3 s"),
    ],
)
def test_a_reader_that_ends_without_an_answer_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    path = tmp_path / "large.ios"
    path.write_text(large() + SERVER)
    application = Application()
    before = application.configuration
    monkeypatch.setattr(reader_process, "_PROGRAM", program)
    monkeypatch.setattr(reader_process, "READER_TIMEOUT", 0.3 if "sleep" in program else 60.0)
    with pytest.raises(ConfigurationError, match=reason):
        configuring.apply_file(application, str(path))
    assert application.configuration is before


def test_a_reader_that_cannot_be_started_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.ios"
    path.write_text(large() + SERVER)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="cannot be started"):
        configuring.apply_file(Application(), str(path))


def test_two_changes_at_the_same_time_are_both_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins with what the first has left: else it would undo it."""
    application = Application()

    def slow(job: Job) -> Any:
        eventlet.sleep(0.01)
        return read(job)

    monkeypatch.setattr(configuring, "read_aside", slow)
    farm = "ip slb serverfarm HAFARM\nreal 10.1.1.{}\nweight 7"
    threads = [
        eventlet.spawn(configuring.apply_commands, application, farm.format(number), "command") for number in (51, 52)
    ]
    for thread in threads:
        thread.wait()
    assert [real.weight for real in application.configuration.farms["HAFARM"].reals] == [7, 7]


def test_clearing_many_sessions_lets_requests_be_served_in_between() -> None:
    application = Application(3000)
    turns = Turns()
    assert operations.clear_sessions(application) == 3000
    assert turns.stop() >= 5
    assert len(application.bench.balancer.sessions) == 0


def test_sessions_that_end_while_others_are_cleared_are_not_counted() -> None:
    application = Application(1200)
    slices = application.clear_sessions(EVERY_SESSION)
    first = next(slices)
    application.bench.balancer.clear_sessions()
    application.begin(1)
    assert (first, sum(slices)) == (500, 0)
    assert len(application.bench.balancer.sessions) == 1


def test_removing_a_virtual_server_ends_its_sessions_in_slices() -> None:
    application = Application(3000)
    turns = Turns()
    configuring.apply_commands(application, "no ip slb vserver MIPSLB", "command")
    assert turns.stop() >= 5
    assert [real.sessions for real in application.bench.reals] == [0, 0]


def test_an_action_that_is_asked_for_often_runs_once_more_only(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    def action() -> None:
        runs.append(len(runs))
        eventlet.sleep(0.001)
        if len(runs) == 1:
            raise RuntimeError("logged, and no hindrance")

    coalesced = Coalesced("rollback", action)
    for _ in range(50):
        coalesced.request()
    eventlet.sleep(0)
    for _ in range(50):
        coalesced.request()
    while len(runs) < 2:
        eventlet.sleep(0.001)
    eventlet.sleep(0.01)
    assert len(runs) == 2
    assert "rollback failed; continuing" in caplog.text
    coalesced.request()
    eventlet.sleep(0.01)
    assert len(runs) == 3


def test_an_edit_is_warned_of_what_is_new_with_it_and_not_of_what_was_so_before() -> None:
    """Else each command of an operator would repeat all warnings of the configuration."""
    alone = "ip slb serverfarm ALONE\n real 10.1.1.51\n  inservice\n"
    before = read(Job("file", Configuration({}, {}), text=alone)).configuration
    assert [each.text for each in read(Job("file", before, text=alone)).warnings] != []
    assert read(Job("command", before, commands=f"{alone}  weight 3")).warnings == ()
    (warning,) = read(Job("command", before, commands=alone.replace("ALONE", "OTHER"))).warnings
    assert "farm OTHER is of no virtual server" in warning.text
