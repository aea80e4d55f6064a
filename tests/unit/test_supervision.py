"""Loops that must not end or hang, heartbeats, and what the service manager is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ryu_haslb.service_manager import ServiceManager
from ryu_haslb.watchdog import WATCHDOG_TIMEOUT, Heartbeat, WatchdogSettingError, watchdog_timeout

_PROCESS = """
import logging
import eventlet
from ryu_haslb.supervision import Supervisor
logging.basicConfig()
supervisor = Supervisor({"HASLB_WATCHDOG": "0"})
supervisor.add_periodic("timers", 0.01, lambda now: 1 / 0)
supervisor.add("this part", lambda: LOOP)
supervisor.start()
eventlet.sleep(0.1)
print("still there", flush=True)
eventlet.sleep(SECONDS)
"""


@pytest.mark.parametrize(
    ("loop", "line"),
    [
        ("None", "CRITICAL:ryu_haslb.supervision:this part has ended, which must not happen; exiting with status 1"),
        ("1 / 0", "CRITICAL:ryu_haslb.supervision:this part has failed; exiting with status 1"),
    ],
)
def test_a_loop_that_ends_ends_the_process_with_status_1(loop: str, line: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", _PROCESS.replace("LOOP", loop).replace("SECONDS", "1000")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert line in ended.stderr.splitlines()
    assert not ended.stdout


def test_a_loop_may_end_when_the_balancer_stops() -> None:
    """Its socket is closed then, before the process ends."""
    script = _PROCESS.replace("LOOP", "supervisor.on_stop()").replace("SECONDS", "0")
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert "CRITICAL" not in ended.stderr


def test_a_step_that_fails_is_logged_and_taken_again() -> None:
    """A fault in one tick must not stop the timers of every session."""
    process = _PROCESS.replace("LOOP", "eventlet.sleep(1000)").replace("SECONDS", "0")
    command = [sys.executable, "-W", "ignore", "-c", process]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stdout == "still there\n"
    assert ended.stderr.count("timer tick failed; continuing") > 1


class Beats:
    """Counts heartbeats."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def test_the_heart_beats_only_when_every_loop_has_made_a_round() -> None:
    beats = Beats()
    heartbeat = Heartbeat(("timers", "signals"), 1.0, [beats], 0.0)
    for now in range(1, 9):
        heartbeat.on_round("timers", float(now))
    assert beats.count == 0
    heartbeat.on_round("signals", 9.0)
    assert beats.count == 1
    heartbeat.on_round("signals", 10.0)
    assert beats.count == 1
    heartbeat.on_round("timers", 11.0)
    assert beats.count == 2


def test_the_heart_beats_at_most_once_in_its_interval() -> None:
    beats = Beats()
    heartbeat = Heartbeat(("timers",), 1.0, [beats], 0.0)
    for milliseconds in range(0, 5001, 20):
        heartbeat.on_round("timers", milliseconds / 1000)
    assert beats.count == 5


@pytest.mark.parametrize(("text", "seconds"), [("", WATCHDOG_TIMEOUT), ("0", 0.0), ("1", 1.0), ("2.5", 2.5)])
def test_the_watchdogs_time_is_set_by_the_environment(text: str, seconds: float) -> None:
    assert watchdog_timeout({"HASLB_WATCHDOG": text}) == seconds
    assert watchdog_timeout({}) == WATCHDOG_TIMEOUT


@pytest.mark.parametrize("text", ["soon", "-1", "0.5", "86401", "nan", "inf", "1e9"])
def test_a_time_that_cannot_be_is_an_error(text: str) -> None:
    with pytest.raises(WatchdogSettingError, match=f"HASLB_WATCHDOG is '{text}'; expected seconds"):
        watchdog_timeout({"HASLB_WATCHDOG": text})


def test_a_state_is_sent_to_the_service_managers_socket(tmp_path: Path) -> None:
    """sd_notify(3)."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        ServiceManager({"NOTIFY_SOCKET": path}).notify("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("environment", "tries"),
    [
        ({}, 0),
        ({"NOTIFY_SOCKET": ""}, 0),
        ({"NOTIFY_SOCKET": "relative"}, 0),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, 0),
        ({"NOTIFY_SOCKET": "/nowhere/at/all"}, 1),
        ({"NOTIFY_SOCKET": "@no-one-listens-here"}, 1),
    ],
)
def test_without_a_service_manager_nothing_happens(
    environment: dict[str, str], tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    class Counted(socket.socket):
        def __init__(self, *words: int) -> None:
            opened.append(words)
            super().__init__(*words)

    monkeypatch.setattr("ryu_haslb.service_manager._socket.socket", Counted)
    ServiceManager(environment).notify("READY=1")
    assert len(opened) == tries


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 1.0),
        ({"WATCHDOG_USEC": "30000000"}, 1.0),
        ({"WATCHDOG_USEC": "2000000"}, 0.5),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 1.0),
        ({"WATCHDOG_USEC": "soon"}, 1.0),
    ],
)
def test_systemd_gets_several_heartbeats_in_its_time(environment: dict[str, str], seconds: float) -> None:
    """sd_watchdog_enabled(3)."""
    assert ServiceManager(environment).interval == seconds
