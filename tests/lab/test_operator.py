"""An operator at a running lab: the chapter's commands as printed, changes under load, mistakes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner import janitor
from haslb_lab.runner.lab import Lab
from ryu_haslb import product

pytestmark = pytest.mark.lab

COMMAND = [sys.executable, "-c", "import sys; from ryu_haslb.cli.command_line import main; sys.exit(main())"]
FARM = "ip slb serverfarm HAFARM"
PDSN = "pdsn1"
HASH = re.compile(r"\b[0-9A-F]{16}\b")


def environment() -> dict[str, str]:
    return {**os.environ, "HASLB_CONTROL": str(janitor.DIRECTORY / f"{CONTROLLER}.control")}


def haslb(*words: str, status: int = 0) -> str:
    """What ``haslb`` prints; its errors if these are expected."""
    ran = subprocess.run([*COMMAND, *words], env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == status, ran.stderr
    return ran.stdout + ran.stderr


@contextmanager
def debugging() -> Iterator[subprocess.Popen[str]]:
    argv = [*COMMAND, "debug", "ip", "slb", "sessions", "ipmobile"]
    with subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        yield process


def register(lab: Lab, first: int, count: int) -> dict[str, object]:
    *_, last = lab.stream(PDSN, f"register {first} {count}")
    result: dict[str, object] = json.loads(last)
    assert result["registered"] == count
    return result


def wait_for_log(text: str) -> None:
    """Wait until the balancer has logged this; give up after a minute."""
    follow = ["timeout", "60", "tail", "-n", "+1", "-f", str(janitor.DIRECTORY / f"{CONTROLLER}.log")]
    seen = []
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        for line in tail.stdout:
            seen.append(line)
            if text in line:
                tail.terminate()
                return
    pytest.fail(f"{text} is not in the log: {''.join(seen)}")


def test_the_chapters_commands_after_four_sessions(chassis: Lab) -> None:
    register(chassis, 1, 4)
    reals = haslb("show", "ip", "slb", "reals").splitlines()
    assert [" ".join(line.split()) for line in reals[2:]] == [
        "10.1.1.51 HAFARM 1 OPERATIONAL 2",
        "10.1.1.52 HAFARM 1 OPERATIONAL 2",
    ]
    assert haslb("sh", "ip", "slb", "rea").splitlines() == reals
    sessions = haslb("show", "ip", "slb", "sessions", "ipmobile").splitlines()
    assert sessions[0].split() == ["vserver", "NAI", "hash", "client", "real", "state"]
    assert sorted(HASH.sub("HASH", line).split()[3] for line in sessions[2:]) == ["10.1.1.51"] * 2 + ["10.1.1.52"] * 2
    for home_agent in ("sami1", "sami2"):
        assert chassis.command(home_agent, "sh ip mob binding summary") == "Mobility Binding List:\nTotal 2\n"
    assert chassis.command(PDSN, "show ip mobile visitor summary") == "Mobile Visitor List:\nTotal 4\n"
    assert product() in haslb("show", "version"), "the lab's balancer is built as what tests it"


def test_debug_streams_until_interrupted(chassis: Lab) -> None:
    with debugging() as debug:
        assert debug.stdout is not None
        user = 0
        os.set_blocking(debug.stdout.fileno(), False)
        while not (line := debug.stdout.readline()):  # the first sessions may come before debug is there
            user += 1
            register(chassis, user, 1)
        os.set_blocking(debug.stdout.fileno(), True)
        assert "SLB_SESSION_IPMOBILE: client = 10.1.1.101, NAI:" in line
        assert re.fullmatch(r"mwts-mip-np-user\d+@ispxyz.com, length: \d+\n", debug.stdout.readline())
        debug.send_signal(signal.SIGINT)
        assert debug.wait(60) == 0


def test_a_configuration_with_a_mistake_in_its_last_line_changes_nothing(chassis: Lab, tmp_path: Path) -> None:
    register(chassis, 1, 4)
    before = haslb("show", "running-config")
    path = tmp_path / "new.ios"
    path.write_text(f"{FARM}\n real 10.1.1.53\n  inservice\n  weight 256\n")
    refusal = haslb("configure", str(path), "--yes", status=1)
    assert refusal.splitlines() == [
        f"% {path}:4: after 'weight' expected a number from 0 to 255, not '256'",
        "% nothing was changed",
    ]
    assert haslb("show", "running-config") == before
    assert haslb("show", "ip", "slb", "sessions", "|", "count") == "Number of lines: 4\n"


def test_changes_apply_while_sessions_stay(chassis: Lab, chassis_configuration: str, tmp_path: Path) -> None:
    register(chassis, 1, 10)
    assert haslb("config", FARM, "real 10.1.1.51", "no inservice").splitlines() == [
        f"- {FARM} / real 10.1.1.51 / inservice",
        "real server 10.1.1.51 of farm HAFARM goes out of service: 5 sessions stay until they end",
    ]
    register(chassis, 11, 10)
    reals = json.loads(haslb("show", "ip", "slb", "reals", "--json"))
    assert [(real["state"], real["conns"]) for real in reals] == [("OUTOFSERVICE", 5), ("OPERATIONAL", 15)]
    wait_for_log("%SLB-6-REAL: farm=HAFARM real=10.1.1.51 state=OUTOFSERVICE was=OPERATIONAL")
    path = tmp_path / "again.ios"
    path.write_text(chassis_configuration.replace("weight 1", "weight 3", 1))
    assert haslb("configure", str(path), "--yes").splitlines() == [
        f"- {FARM} / real 10.1.1.51 / weight 1",
        f"+ {FARM} / real 10.1.1.51 / weight 3",
        f"+ {FARM} / real 10.1.1.51 / inservice",
        "no session ends or moves",
    ]
    register(chassis, 21, 8)
    reals = json.loads(haslb("show", "ip", "slb", "reals", "--json"))
    assert [(real["weight"], real["conns"]) for real in reals] == [(3, 11), (1, 17)]


def test_sighup_reads_the_file_again(chassis: Lab, chassis_configuration: str) -> None:
    register(chassis, 1, 4)
    changed = chassis_configuration.replace("request 300", "request 299")
    (janitor.DIRECTORY / "balancer.ios").write_text(changed)
    assert chassis._controller is not None
    chassis._controller.send_signal(signal.SIGHUP)
    wait_for_log("%SLB-5-CONFIG: by=SIGHUP applied lines=2 farms=1 reals=2 vservers=1")
    assert "idle ipmobile request 299" in haslb("show", "running-config")
    assert haslb("show", "ip", "slb", "sessions", "|", "count") == "Number of lines: 4\n"


def test_listings_one_after_the_other_do_not_hold_up_registrations(chassis: Lab) -> None:
    """Registrations do not wait for listings so long that the PDSN would send them again, which it does after a second.
    Those that it sends again while a busy machine holds up all processes are few."""
    register(chassis, 1, 5000)
    loop = 'while "$@" >/dev/null; do :; done'
    argv = ["sh", "-c", loop, "listing", *COMMAND, "show", "ip", "slb", "sessions"]
    with subprocess.Popen(argv, env=environment(), start_new_session=True) as listing:
        try:
            retransmissions = register(chassis, 5001, 2000)["retransmissions"]
            assert isinstance(retransmissions, int) and retransmissions < 2000 / 4
            assert listing.poll() is None
        finally:
            os.killpg(listing.pid, signal.SIGKILL)


def test_a_switch_and_a_controller_that_are_lost_are_told(chassis: Lab) -> None:
    wait_for_log("%SLB-6-SWITCH: datapath=0000000000000001 state=connected was=")
    chassis.disconnect_switch()
    wait_for_log("%SLB-3-SWITCH: datapath=0000000000000001 state=disconnected was=connected")
    chassis.stop_controller()
    assert haslb("show", "ip", "slb", "reals", status=1).startswith("haslb: no balancer serves ")
