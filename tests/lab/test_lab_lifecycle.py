"""The lab comes up, goes down, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import PDSN, OneSwitch
from haslb_lab.errors import LabError
from haslb_lab.runner import janitor
from haslb_lab.runner.claim import claim
from haslb_lab.runner.lab import Lab

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.lab

BRINGS_UP_A_LAB = """
import sys
from pathlib import Path
from haslb_lab.runner.lab import Lab
from haslb_lab.chassis.one_switch import OneSwitch

with Lab(OneSwitch(), Path("topologies/chassis.ios").read_text()):
    print("up", flush=True)
    sys.stdin.read()
"""


@contextmanager
def lab_in_a_process() -> Iterator[subprocess.Popen[str]]:
    """A lab whose process can be killed; its claim is waited for afterwards, so the janitor has finished."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'mininet'}"}
    process = subprocess.Popen(
        [sys.executable, "-c", BRINGS_UP_A_LAB],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n", process.stderr and process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()
        claim().close()


def leftovers() -> list[str]:
    """All objects with the lab's mark, found with the tools of an operator."""
    found = [f"process {process}" for process in janitor.processes()]
    found += [f"bridge {name}" for name in run_and_read("ovs-vsctl", "list-br").split() if name.startswith("haslb")]
    found += [f"interface {name}" for name in os.listdir("/sys/class/net") if name.startswith("haslb")]
    return found + [f"file {path}" for path in Path("/run").glob("haslb-lab*")]


def run_and_read(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_the_processes_of_a_lab_in_a_container_are_not_ours() -> None:
    """It has another claim, so it may be up: from outside of its PID namespace its processes are seen all the same."""
    marked = ["env", f"{janitor.MARK}=1", "sh", "-c", "echo up; read end"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    container = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *marked], **pipes)
    ours = subprocess.Popen(marked, **pipes)
    try:
        for process in (container, ours):
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
        (inside,) = psutil.Process(container.pid).children()
        assert janitor.MARK in inside.environ()
        assert list(janitor.processes()) == [ours.pid]
    finally:
        container.communicate()
        ours.communicate()


def test_lab_comes_up_and_down_twice(chassis_configuration: str) -> None:
    """Nothing of the first lab stands in the way of the second, and what is up is what the topology says."""
    for _ in range(2):
        with Lab(OneSwitch(), chassis_configuration) as lab:
            assert {real["real"] for real in lab.query(CONTROLLER, "show ip slb reals")} == {"10.1.1.51", "10.1.1.52"}
            assert len(lab.flows()) > 0
        assert leftovers() == []


class TestALabThatIsUp:
    """One lab for all of these: none leaves a change behind that the next one would see."""

    @pytest.fixture(scope="class")
    def chassis(self, chassis_configuration: str) -> Iterator[Lab]:
        """The chassis with its nodes up, as the fixture of that name."""
        with Lab(OneSwitch(), chassis_configuration) as lab:
            yield lab

    def test_no_namespace_has_a_default_route(self, chassis: Lab) -> None:
        """The lab's addresses are private ones: a packet for them must not find a way out of its namespace."""
        for host in chassis.hosts:
            assert "default" not in chassis.node(host).cmd("ip route")

    def test_home_agent_holds_the_virtual_address_silently_in_dispatched_mode(self, chassis: Lab) -> None:
        """Chapter, dispatched mode: the virtual address is a loopback of each home agent, and only we answer ARP."""
        for home_agent in ("sami1", "sami2"):
            assert "10.1.1.10/32" in chassis.node(home_agent).cmd("ip address show lo")
        chassis.node(PDSN).cmd("ip neighbour flush all; ping -c 1 -W 20 10.1.1.10")
        neighbour = chassis.node(PDSN).cmd("ip neighbour show 10.1.1.10")
        assert "lladdr" in neighbour
        assert not any(chassis.node(home_agent).MAC() in neighbour for home_agent in ("sami1", "sami2"))

    def test_udp_checksums_are_whole_on_the_wire(self, chassis: Lab) -> None:
        """With transmit checksum offload a receiver behind packet-in and packet-out drops what it gets."""
        for host in chassis.hosts:
            assert "tx-checksumming: off" in chassis.node(host).cmd(f"ethtool -k {host}-eth0")

    def test_frames_go_in_and_come_out(self, chassis: Lab) -> None:
        """The helpers of the tests: a frame sent at one node is captured at another."""
        frame = b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x09" + b"\x88\xb5" + b"a frame of the test".ljust(46)
        with chassis.capture("sami1") as capture:
            chassis.send(PDSN, [frame])
            assert capture.wait_for(lambda received: b"a frame of the test" in received) == frame

    def test_second_lab_is_refused_with_one_line(self, chassis: Lab) -> None:
        """The line names the process that runs the other lab; that one is not disturbed."""
        second = make_run()
        assert second.returncode == 1
        assert second.stderr == (
            f"haslb-lab: another lab is running (process {os.getpid()}); wait for it or end it: kill {os.getpid()}\n"
        )
        assert len(chassis.query(CONTROLLER, "show ip slb reals")) == 2

    def test_controller_restarts_and_switch_reconnects(self, chassis: Lab) -> None:
        """A lab whose controller was restarted and whose switch left and came back balances again."""
        chassis.restart_controller()
        chassis.disconnect_switch()
        chassis.connect_switch()
        chassis.wait_until_balancing()
        assert chassis.command(PDSN, "register 1 4").count("\n") >= 1
        assert sum(real["conns"] for real in chassis.query(CONTROLLER, "show ip slb reals")) == 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_lab_that_is_ended_leaves_nothing_behind(number: signal.Signals) -> None:
    """However its process ends, the janitor sees its pipe close and sweeps."""
    with lab_in_a_process() as process:
        assert leftovers() != []
        process.send_signal(number)
        process.wait(60)
    assert leftovers() == []


def test_next_lab_sweeps_what_a_lab_without_janitor_left(chassis_configuration: str) -> None:
    """When the janitor was killed as well, the next lab removes what is left."""
    with lab_in_a_process() as process:
        kill_janitor(process.pid)
        process.kill()
        process.wait()
        assert leftovers() != []
    with Lab(OneSwitch(), chassis_configuration):
        pass
    assert leftovers() == []


def test_a_bridge_that_is_not_the_labs_is_named_and_left_alone(chassis_configuration: str) -> None:
    """A name that is in use is an error with a remedy, not a reason to delete."""
    subprocess.run(
        ["ovs-vsctl", "add-br", "haslb1", "--", "set", "bridge", "haslb1", "datapath_type=netdev"], check=True
    )
    try:
        with pytest.raises(LabError, match=r"a bridge haslb1 exists .* ovs-vsctl del-br haslb1"):
            Lab(OneSwitch(), chassis_configuration).__enter__()
        assert "haslb1" in run_and_read("ovs-vsctl", "list-br").split()
    finally:
        subprocess.run(["ovs-vsctl", "del-br", "haslb1"], check=True)


def test_configuration_that_cannot_be_read_is_told_in_one_line() -> None:
    """The error contains the last line of the balancer's log."""
    with pytest.raises(LabError, match=r"the balancer ended: .*balancer\.ios:1"):
        Lab(OneSwitch(), "nonsense\n").__enter__()
    assert leftovers() == []


def test_make_run_shows_agreement_and_leaves_nothing() -> None:
    """The operator's first command: 100 sessions, equal counts on both sides and the chapter's, exit status 0."""
    ran = make_run()
    assert ran.returncode == 0, ran.stderr
    assert "agree about 100 sessions" in ran.stdout
    assert "50 bindings at HA1-7600, 50 bindings at HA2-7600" in ran.stdout
    assert leftovers() == []


def test_make_run_without_root_is_refused_with_one_line() -> None:
    """Nothing is installed or made before it is known that the lab may run."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        shutil.copy(REPOSITORY / "Makefile", folder)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "make", "run"]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert re.fullmatch(r"Makefile:\d+: \*\*\* .* needs root; try: sudo make run\.  Stop\.\n", ran.stderr)


def make_run() -> subprocess.CompletedProcess[str]:
    """What ``make run`` runs, in the environment of the tests."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "ryu_haslb.cli.lab", "run", "dispatched-static", "--sessions", "100"]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def is_janitor(word: str) -> bool:
    """Whether a word of a command line is the janitor's program."""
    return Path(word).name == Path(janitor.__file__).name


def kill_janitor(parent: int) -> None:
    """Kill the janitor of the lab that this process runs."""
    (found,) = [each for each in psutil.Process(parent).children() if any(map(is_janitor, each.cmdline()))]
    found.kill()
