"""``haslb-lab run cluster``: the leader is killed, what happened is printed, and nothing stays behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest
from leftovers import leftovers

from haslb_lab.cluster.chassis import MEMBERS, SWITCHES

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]
#: Seconds after which a command hangs: a cluster comes up in 20 s, and on a busy machine in minutes.
COMMAND_TIMEOUT = 600
#: How often a member is asked to hand over at most.
ATTEMPTS = 20
PROGRAM = [sys.executable, "-m", "ryu_haslb.cli.lab"]


def haslb_lab(*words: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *words]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT)


def value_of(what: str, output: str) -> int:
    (value,) = re.findall(rf"^  {what} +(\d+)(?: |$)", output, re.MULTILINE)
    return int(value)


def leads(member: str) -> bool:
    return "state = leader" in haslb_lab("prompt", member, "show", "redundancy").stdout


def test_the_leader_is_killed_and_no_session_is_lost() -> None:
    ran = haslb_lab("run", "cluster", "--sessions", "100")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^# kill -9 \d+   \((?:east|west)\)$", ran.stdout, re.MULTILINE)
    mobiles, kept = (value_of(what, ran.stdout) for what in ("mobiles that registered", "kept their home agent"))
    assert mobiles > 100
    assert mobiles - kept == value_of("lost their session", ran.stdout)
    for what in ("lost it without that reason", "arrived twice", "tables that differ"):
        assert value_of(what, ran.stdout) == 0
    for switch in SWITCHES.values():
        assert re.search(rf"^  {switch}: without service +\d+\.\d+ s   the last request of ", ran.stdout, re.MULTILINE)
    assert leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_nothing_is_left_behind_when_the_command_is_ended(number: signal.Signals) -> None:
    process = subprocess.Popen([*PROGRAM, "run", "cluster"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        guard = Timer(COMMAND_TIMEOUT, process.kill)
        guard.start()
        try:
            assert any("stands by" in line for line in process.stdout)
            process.send_signal(number)
            process.communicate(timeout=COMMAND_TIMEOUT)
        finally:
            guard.cancel()
            process.kill()
    assert leftovers() == []


def test_a_cluster_that_is_kept_can_be_asked_and_handed_over() -> None:
    ran = haslb_lab("run", "cluster", "--sessions", "10", "--keep")
    try:
        assert ran.returncode == 0, ran.stdout + ran.stderr
        listed = haslb_lab("list").stdout
        assert re.search(r"^cluster +A cluster whose leader is killed: .* \(up\)$", listed, re.MULTILINE)
        (leader,) = re.findall(r"haslb-lab prompt (\w+) redundancy switch-activity", ran.stdout)
        (other,) = {*MEMBERS[:2]} - {leader}
        for _ in range(ATTEMPTS):
            handed = haslb_lab("prompt", leader, "redundancy", "switch-activity")
            if leads(other):
                break
        assert leads(other), handed.stdout + handed.stderr
    finally:
        stopped = haslb_lab("stop")
    assert stopped.stdout == "cluster is gone without trace.\n"
    assert leftovers() == []
