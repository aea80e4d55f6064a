"""``tools/in-namespaces`` runs a command as on a machine of its own, and nothing of it stays."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from haslb_lab.runner import claim, preflight

pytestmark = pytest.mark.lab

TOOL = Path(__file__).parents[2] / "tools" / "in-namespaces"
#: Seconds that a command may take on a busy machine.
COMMAND_TIMEOUT = 60


def in_namespaces(script: str) -> subprocess.CompletedProcess[str]:
    command = [str(TOOL), "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT)


def test_the_exit_status_is_the_commands() -> None:
    assert (in_namespaces("true").returncode, in_namespaces("exit 7").returncode) == (0, 7)


def test_no_interface_process_or_open_vswitch_of_the_machine_is_there() -> None:
    preflight.check_machine()
    ran = in_namespaces("ls /sys/class/net /run/openvswitch; ls -d /proc/[0-9]*; ovs-vsctl --timeout=5 show")
    assert "cannot access '/run/openvswitch'" in ran.stderr
    assert "database connection failed" in ran.stderr
    assert ran.stdout.split()[:2] == ["/sys/class/net:", "lo"]
    assert ran.stdout.count("/proc/") <= 4, "its shell, this shell and ls"


def test_a_lab_on_the_machine_does_not_hold_up_one_in_namespaces() -> None:
    """The claim is for one network namespace."""
    with claim.claim():
        assert "haslb-lab" in Path("/proc/net/unix").read_text()
        assert in_namespaces("grep -c haslb-lab /proc/net/unix").stdout == "0\n"


@pytest.mark.parametrize("victim", ["its parent", "itself"])
def test_every_process_ends_when_it_is_killed(victim: str) -> None:
    """Daemons included. All of them hold the pipe, which ends with the last."""
    script = f"{TOOL} sh -c 'setsid sleep infinity & echo started; exec sleep infinity'"
    command = ["sh", "-c", f"{script}; true"] if victim == "its parent" else ["sh", "-c", f"exec {script}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGKILL)
        assert process.communicate(timeout=COMMAND_TIMEOUT)[0] == ""
