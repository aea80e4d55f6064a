"""What keeps the balancer from starting ends its process with status 1 and one line that says why."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from balancer_process import HARD_LIMIT, balancer_process, free_port
from certificates import Authority


def test_an_openflow_port_that_is_taken_ends_the_process(tmp_path: Path) -> None:
    """The engine would share the port with the other process (SO_REUSEPORT), and get half of the switches."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with balancer_process(tmp_path, "ip slb serverfarm HAFARM\n", port) as process:
            _, log = process.communicate(timeout=HARD_LIMIT)
    assert process.returncode == 1
    assert f"ryu_haslb: cannot listen for switches on 127.0.0.1 port {port}: Address already in use; end the " in log
    assert "Traceback" not in log


def test_a_pipe_in_the_place_of_the_configuration_ends_the_process(tmp_path: Path) -> None:
    """Opening it would wait for another process to write."""
    path = tmp_path / "pipe.ios"
    os.mkfifo(path)
    with balancer_process(tmp_path, "", free_port(), HASLB_CONFIG=str(path)) as process:
        _, log = process.communicate(timeout=HARD_LIMIT)
    assert process.returncode == 1
    assert f"{path}: cannot be read: not a regular file; expected a file" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--ctl-cert", "{path}"], "--ctl-privkey is missing; TLS needs --ctl-privkey and --ctl-cert"),
        (["--ctl-privkey", "{key}"], "--ctl-cert is missing; TLS needs --ctl-privkey and --ctl-cert"),
        (["--ca-certs", "{path}"], "--ctl-privkey is missing; TLS needs --ctl-privkey and --ctl-cert"),
        (["--ctl-privkey", "{key}", "--ctl-cert", "{pipe}"], "--ctl-cert {pipe}: cannot be read: not a regular file"),
        (["--ctl-privkey", "/nowhere", "--ctl-cert", "{path}"], "--ctl-privkey /nowhere: cannot be read: No such file"),
        (
            ["--ctl-privkey", "{key}", "--ctl-cert", "{path}", "--ofp-tcp-listen-port", "{port}"],
            "--ofp-tcp-listen-port is of no use with --ctl-privkey and --ctl-cert; give --ofp-ssl-listen-port",
        ),
        (
            ["--ofp-ssl-listen-port", "{port}"],
            "--ofp-ssl-listen-port is of no use without --ctl-privkey and --ctl-cert; give --ofp-tcp-listen-port",
        ),
    ],
)
def test_tls_that_cannot_be_had_ends_the_process_at_the_start(tmp_path: Path, options: list[str], problem: str) -> None:
    own = Authority(tmp_path / "authority").issue("controller")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    values = {"path": own.path, "key": own.key, "port": free_port(), "pipe": pipe}
    words = ["--ofp-listen-host", "127.0.0.1", *(each.format(**values) for each in options)]
    with balancer_process(tmp_path, "ip slb serverfarm HAFARM\n", 0, options=words) as process:
        _, log = process.communicate(timeout=HARD_LIMIT)
    assert process.returncode == 1
    assert f"ryu_haslb: {problem.format(**values)}" in log
    assert "Traceback" not in log


def test_an_engine_that_ends_by_itself_is_a_failure(tmp_path: Path) -> None:
    """It ends when the list of switches to connect to cannot be read."""
    words = ["--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(free_port())]
    words += ["--ofp-switch-address-list", "nonsense"]
    with balancer_process(tmp_path, "ip slb serverfarm HAFARM\n", 0, options=words) as process:
        _, log = process.communicate(timeout=HARD_LIMIT)
    assert process.returncode == 1
    assert "the OpenFlow engine has ended, which must not happen; exiting with status 1" in log


def test_what_the_engine_imports_is_left_to_no_collection_and_all_else_is_collected() -> None:
    """Also for the other applications of ``ryu-manager``, which know nothing of it."""
    script = """
import gc, ryu_haslb.manager as m
m.prepare()
later, engine = [], m.sys.modules["ryu_haslb.engine"]
collected = gc.get_objects()
print(gc.isenabled(), *(any(each is one for one in collected) for each in (later, vars(engine))))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True", "True", "False"]


def test_a_start_does_not_import_setuptools() -> None:
    """Ryu imports distutils. Up to Python 3.11 that is Python's own; setuptools would take 50 ms of each start."""
    script = "import sys, ryu_haslb.manager as m; m.prepare(); import ryu_haslb.app; print(*sys.modules)"
    started = subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True, text=True)
    modules = started.stdout.split()
    assert "ryu_haslb.app" in modules
    assert "setuptools" not in modules or sys.version_info >= (3, 12)


def test_the_journal_shows_why_a_start_fails_as_an_error(tmp_path: Path) -> None:
    """``journalctl -u haslb -p err`` has it (sd-daemon(3))."""
    wrong = "ip slb serverfarm HAFARM\n real 10.1.1.51\n  weight 300\n real 10.1.1.52\n  weight 400\n"
    with balancer_process(tmp_path, wrong, free_port(), HASLB_LOG_FORMAT="journal") as process:
        _, log = process.communicate(timeout=HARD_LIMIT)
    assert process.returncode == 1
    errors = [line for line in log.splitlines() if "after 'weight' expected" in line]
    assert [line.partition("/")[0] for line in errors] == ["<3>", "<3>"]
