"""A balancer whose event loop hangs ends, with a status that is not 0 and a trace of what hangs."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from attacked import HARD_LIMIT, Controller, opening, started
from balancer_process import free_port

from ryu_haslb.watchdog_process import STOP_TIMEOUT

#: Seconds that the watchdog of these tests waits.
TIMEOUT = 2
SUPPORT = Path(__file__).parents[1] / "support"


@contextmanager
def hanging(folder: Path, **environment: str) -> Iterator[Controller]:
    """A balancer that hangs when it gets a signal of :mod:`hanging_application`."""
    port = free_port()
    options = ["hanging_application", "--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(port)]
    paths = os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])
    environment = {"HASLB_WATCHDOG": str(TIMEOUT), **environment, "PYTHONPATH": paths}
    with started(folder, port=port, options=options, **environment) as controller:
        with controller.connect(opening(2)) as switch:  # the port is open before the event loop runs
            controller.require_served(switch)
        yield controller


@pytest.mark.parametrize(
    ("number", "function"),
    [
        (signal.SIGUSR1, "hang_in_python"),
        (signal.SIGUSR2, "hang_in_c_code"),
        (signal.SIGWINCH, "hang_in_system_call"),
    ],
)
def test_a_loop_that_hangs_ends_the_process_and_names_what_hangs(
    tmp_path: Path, number: signal.Signals, function: str
) -> None:
    with hanging(tmp_path) as controller:
        controller.process.send_signal(number)
        assert controller.process.wait(HARD_LIMIT) == -signal.SIGABRT
        log = controller.log()
    assert (
        f"watchdog: the event loop of process {controller.process.pid} has not run for {TIMEOUT} s; ending the" in log
    )
    assert "Fatal Python error: Aborted" in log
    assert f" in {function}\n" in log


@pytest.mark.parametrize("request_to_end", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_has_a_deadline_where_no_signal_handler_runs(tmp_path: Path, request_to_end: signal.Signals) -> None:
    """In C code, and long before the watchdog would end the process."""
    with hanging(tmp_path, HASLB_WATCHDOG="3600") as controller:
        controller.process.send_signal(signal.SIGUSR2)
        controller.process.send_signal(request_to_end)
        assert controller.process.wait(HARD_LIMIT + STOP_TIMEOUT) == -signal.SIGABRT
        log = controller.log()
    assert f"watchdog: process {controller.process.pid} did not end within {STOP_TIMEOUT:g} s of the signal" in log
    assert " in hang_in_c_code\n" in log


def test_a_stop_in_order_is_not_disturbed(tmp_path: Path) -> None:
    with hanging(tmp_path, HASLB_WATCHDOG="3600") as controller:
        controller.process.send_signal(signal.SIGTERM)
        assert controller.process.wait(HARD_LIMIT) == 0
        assert "watchdog" not in controller.log()


def test_a_process_that_was_suspended_goes_on(tmp_path: Path) -> None:
    """As by a debugger, or by an operator."""
    with hanging(tmp_path) as controller:
        with controller.suspended():
            time.sleep(2 * TIMEOUT)
        with controller.connect(opening(1)) as switch:
            controller.require_served(switch)
        controller.require_alive()


def test_a_watchdog_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with hanging(tmp_path) as controller:
        watchdog_of(controller).kill()
        controller.await_line("the watchdog process has ended (exit status -9); starting another")
        controller.process.send_signal(signal.SIGUSR2)
        assert controller.process.wait(HARD_LIMIT) == -signal.SIGABRT


def watchdog_of(controller: Controller) -> psutil.Process:
    (child,) = psutil.Process(controller.process.pid).children()
    return child


def test_the_watchdog_ends_with_its_process(tmp_path: Path) -> None:
    with hanging(tmp_path) as controller:
        watchdog = watchdog_of(controller)
        controller.process.kill()
        controller.process.wait()
        psutil.wait_procs([watchdog], HARD_LIMIT)
        assert not watchdog.is_running() or watchdog.status() == psutil.STATUS_ZOMBIE


def test_systemd_is_told_when_the_balancer_is_ready_works_and_ends(tmp_path: Path) -> None:
    """sd_notify(3), over a socket in the abstract namespace."""
    name = f"haslb-{os.getpid()}-{free_port()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name}")
        systemd.settimeout(HARD_LIMIT)
        with hanging(tmp_path, NOTIFY_SOCKET=f"@{name}", WATCHDOG_USEC="1000000", HASLB_WATCHDOG="3600") as controller:
            assert systemd.recv(100) == b"READY=1"
            for _ in range(3):
                assert systemd.recv(100) == b"WATCHDOG=1"
            controller.process.terminate()
            while systemd.recv(100) == b"WATCHDOG=1":
                pass
            assert controller.process.wait(HARD_LIMIT) == 0
