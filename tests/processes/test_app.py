"""The application as a process: what it does on each signal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE

import pytest
from balancer_process import HARD_LIMIT, balancer_process, free_port, read_until
from socket_switch import SocketSwitch

from haslb_lab.node import control
from haslb_lab.runner.waiting import wait_until
from ryu_haslb import product
from ryu_haslb.cli.client import ControlError
from ryu_haslb.openflow.flow_tables.session_rule import SessionRule
from ryu_haslb.openflow.wire.wire import OFPFC_ADD, output

FARM = "ip slb serverfarm HAFARM\n real 10.1.1.51\n  weight {weight}\n  inservice\n"


@pytest.fixture
def balancer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A balancer that is up, with a farm of one real server."""
    with balancer_process(tmp_path, FARM.format(weight=2), free_port()) as process:
        read_until(process, " started: configuration ")
        yield process


def test_the_log_says_what_has_started_with_which_file_and_where_switches_connect(tmp_path: Path) -> None:
    port = free_port()
    with balancer_process(tmp_path, FARM.format(weight=2), port) as process:
        started = read_until(process, " started: ")[-1]
    assert started.startswith(f"{product()} with ")
    assert started.endswith(
        f"started: configuration {tmp_path / 'farm.ios'}, switches connect to 127.0.0.1 port {port}"
    )


def test_the_process_is_built_as_what_tests_it(balancer: subprocess.Popen[str], tmp_path: Path) -> None:
    """``make test`` has both compiled, as they are shipped: CONTRIBUTING.md, "The compiled request path"."""
    answers: list[str] = []

    def is_answered() -> bool:
        with suppress(ControlError):
            answers.append(control.request(str(tmp_path / "control"), "show version"))
        return bool(answers)

    wait_until(is_answered, "the control socket answers", 60.0)
    assert product() in answers[0]


def test_sighup_applies_the_file_again_and_logs_each_change(balancer: subprocess.Popen[str], tmp_path: Path) -> None:
    path = tmp_path / "farm.ios"
    path.write_text(FARM.format(weight=3))
    balancer.send_signal(signal.SIGHUP)
    assert read_until(balancer, "(SIGHUP)") == [
        "%SLB-5-CONFIG: by=SIGHUP - ip slb serverfarm HAFARM / real 10.1.1.51 / weight 2",
        "%SLB-5-CONFIG: by=SIGHUP + ip slb serverfarm HAFARM / real 10.1.1.51 / weight 3",
        "%SLB-5-CONFIG: by=SIGHUP applied lines=2 farms=1 reals=1 vservers=0",
        f"{path}:1: farm HAFARM is of no virtual server; expected 'serverfarm HAFARM' in one (SIGHUP)",
    ]


def test_sighup_with_an_error_in_the_file_changes_nothing(balancer: subprocess.Popen[str], tmp_path: Path) -> None:
    path = tmp_path / "farm.ios"
    path.write_text(FARM.format(weight=300))
    balancer.send_signal(signal.SIGHUP)
    assert read_until(balancer, "nothing was changed") == [
        f"{path}:3: after 'weight' expected a number from 0 to 255, not '300' (SIGHUP)",
        f"SIGHUP: {path} was not applied; nothing was changed",
    ]
    path.write_text(FARM.format(weight=2))
    balancer.send_signal(signal.SIGHUP)
    assert read_until(balancer, "changes")[-1] == f"SIGHUP: {path} changes nothing"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_removes_the_control_socket_and_is_no_failure(
    balancer: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    assert (tmp_path / "control").is_socket()
    balancer.send_signal(number)
    read_until(balancer, f"{number.name}: exiting; rules and sessions stay on the switches")
    assert balancer.wait(HARD_LIMIT) == 0
    assert not (tmp_path / "control").exists()


_STUCK = """
import signal, socket, sys, time
from ryu_haslb import stop_deadline
def on_signal(number, frame):
    stop_deadline.exit_after(0.2, lambda: print("cleaned up", flush=True))
signal.signal(signal.SIGTERM, on_signal)
print("ready", flush=True)
{stuck}
"""


@pytest.mark.parametrize(
    "stuck",
    ["while True: pass", "while True: time.sleep(1000)", "a, b = socket.socketpair()\nwhile True: a.recv(1)"],
    ids=["in a loop", "asleep", "at a socket"],
)
def test_a_stop_has_a_deadline_that_holds_when_the_event_loop_is_stuck(stuck: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _STUCK.format(stuck=stuck)], stdout=PIPE, stderr=PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        try:
            output, errors = process.communicate(timeout=HARD_LIMIT)
        finally:
            process.kill()
    assert (process.returncode, output) == (0, "cleaned up\n")
    assert errors == "the stop did not end in order within 0.2 s; exiting without it\n"


DATAPATH_ID = 0x51
REPORT = {
    "format": 1,
    "is_complete": True,
    "switch": {
        "datapath_id": f"{DATAPATH_ID:016x}",
        "make": "simulation",
        "hardware": "table pipeline",
        "software": "1",
    },
    "modes": {"normal": {"verdict": "cannot_serve"}},
}


def test_a_record_makes_a_switch_learn_and_hostile_files_are_one_line_each(tmp_path: Path) -> None:
    records, port = tmp_path / "records", free_port()
    records.mkdir()
    (records / "hostile.json").write_text("[" * 100_000)
    (records / "tested.json").write_text(json.dumps(REPORT))
    with balancer_process(tmp_path, FARM.format(weight=1), port, HASLB_SWITCH_TESTS=str(records)) as process:
        assert "'hostile.json' is ignored: expected JSON" in read_until(process, "switch-test record")[-1]
        with SocketSwitch(port, DATAPATH_ID):
            read_until(process, "lacks output to NORMAL")
        (records / "hostile.json").unlink()
        (records / "tested.json").unlink()
        records.rmdir()
        process.send_signal(signal.SIGHUP)
        assert "cannot read the directory" in read_until(process, "the switch-test records that were read before")[-1]
        read_until(process, "changes nothing")


def test_a_directory_that_is_not_there_is_an_error_at_the_start(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with balancer_process(tmp_path, FARM.format(weight=1), free_port(), HASLB_SWITCH_TESTS=str(absent)) as process:
        line = read_until(process, "HASLB_SWITCH_TESTS")[-1]
        assert line.startswith("ryu_haslb: HASLB_SWITCH_TESTS: cannot read the directory")
        assert str(absent) in line
        assert process.wait(HARD_LIMIT) == 1


def test_session_rules_are_read_whose_statistics_wrap_the_length_of_their_message(
    tmp_path: Path,
) -> None:
    """CPqD's switch sends all of them in one message; the connection is not closed for it."""
    virtual, port, rules = bytes([10, 1, 1, 10]), free_port(), 1500
    server = " virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm HAFARM\n inservice\n"
    with balancer_process(tmp_path, FARM.format(weight=1) + "ip slb vserver MIPSLB\n" + server, port) as process:
        switch = SocketSwitch(port, DATAPATH_ID, wraps_statistics=True, flow_statistics_by_cookie=False)
        for number in range(rules):
            tag = 0x02_0000000000 | number
            rule = SessionRule(tag, virtual, 434, 0, output(2))
            switch.switch.flow_mods.execute(rule.flow_mod(1, OFPFC_ADD))
        with switch:
            read_until(process, f"{rules} rules wait for their real servers")
            assert switch.connections == 1
