"""The command that brings the scenarios up: kept, asked, stopped, interrupted and killed, it leaves nothing behind."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest
from leftovers import leftovers

from haslb_lab.command_line import MAX_SESSIONS
from haslb_lab.runner import claim, janitor

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "ryu_haslb.cli.lab"]
NAME = "dispatched-static"
PROMPTS = ["SLB-7600", "HA1-7600", "HA2-7600", "PDSN-7600", "mobile1"]
#: Seconds after which a command hangs: a lab comes up in 5 s, and on a busy machine in a minute.
COMMAND_TIMEOUT = 300
#: What a prompt switches on when it is drawn anew, after it has begun to read keys, and off before it ends.
BRACKETED_PASTE = "\x1b[?2004h"


def haslb_lab(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words],
        cwd=REPOSITORY,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT,
    )


@pytest.fixture(scope="class")
def kept() -> Iterator[subprocess.CompletedProcess[str]]:
    """A scenario that stays up while its command has returned."""
    ran = haslb_lab("run", NAME, "--keep")
    try:
        yield ran
    finally:
        haslb_lab("stop")


class TestKept:
    """While it is up. What needs its sessions comes first: they end after 300 s without a request."""

    def test_a_kept_scenario_is_up_when_its_command_has_returned(self, kept: subprocess.CompletedProcess[str]) -> None:
        """Its output ends as well: a reader of its pipe does not wait for the lab."""
        assert (kept.returncode, kept.stderr) == (0, "")
        assert [f"    haslb-lab prompt {prompt}" for prompt in PROMPTS] == re.findall(
            " +haslb-lab prompt [^ \n]+$", kept.stdout, re.MULTILINE
        )
        assert re.search(rf"^{NAME} .*\(up\)$", haslb_lab("list").stdout, re.MULTILINE)

    def test_the_holder_is_a_session_of_its_own(self, kept: subprocess.CompletedProcess[str]) -> None:
        """No terminal's hang-up reaches it."""
        owner = claim.owner()
        assert owner is not None
        assert os.getsid(owner) == owner
        assert {os.readlink(f"/proc/{owner}/fd/{standard}") for standard in (0, 1, 2)} == {os.devnull}

    def test_programs_run_in_every_node(self, kept: subprocess.CompletedProcess[str]) -> None:
        """With their own output and exit status; the command that is proposed is one that works."""
        (proposed,) = re.findall(" +haslb-lab (exec .*)", kept.stdout)
        assert proposed == "exec mobile1 ping -c 3 20.1.1.200"
        pinged = haslb_lab("exec", "mobile1", "ping", "-c", "1", "20.1.1.200")
        assert (pinged.returncode, pinged.stderr) == (0, "")
        assert "1 received" in pinged.stdout
        assert haslb_lab("exec", "host1", "sh", "-c", "cat; exit 7", typed="").returncode == 7
        addresses = {node: haslb_lab("exec", node, "ip", "address").stdout for node in ("host1", "msfc1", "HA1-7600")}
        for node, address in (("host1", "20.1.1.200/24"), ("msfc1", "20.1.1.1/24"), ("HA1-7600", "10.1.1.51/24")):
            assert f"inet {address}" in addresses[node]

    @pytest.mark.parametrize("node", ["slb-7600", "controller", *PROMPTS])
    def test_every_node_answers_by_its_prompt(self, kept: subprocess.CompletedProcess[str], node: str) -> None:
        command = {
            "S": "show ip slb reals",
            "H": "sh ip mob bind sum",
            "P": "show ip mobile visitor summary",
            "m": "show ip interface",
        }
        words = command.get(node[0], "sh ip sl rea").split()
        one = haslb_lab("prompt", node, *words)
        assert (one.returncode, one.stderr) == (0, "")
        typed = haslb_lab("prompt", node, typed=" ".join(words) + "\nexit\nnever reached\n")
        assert (typed.returncode, typed.stdout) == (0, one.stdout)
        told = r"Total [24]$|OPERATIONAL    2$|Internet address is 10\.20[12]\.0\.\d+/32$"
        assert re.search(told, one.stdout.strip()), "its sessions are open"

    def test_it_is_left_as_the_chapter_shows_it(self, kept: subprocess.CompletedProcess[str]) -> None:
        """Steps 1 to 4 are played, and nothing is opened twice."""
        assert sorted(set(re.findall(r"^Step (\d)", kept.stdout, re.MULTILINE))) == ["1", "2", "3", "4"]
        assert "sent 4 registration requests" in kept.stdout
        traffic = json.loads(haslb_lab("prompt", "PDSN-7600", "show ip mobile traffic --json").stdout)
        assert traffic["sent"] == 4 + traffic["retransmitted"]
        assert "4 of 4 sessions open." in kept.stdout
        assert "300 at MIPSLB (idle ipmobile request)" in kept.stdout

    def test_what_cannot_be_run_is_named(self, kept: subprocess.CompletedProcess[str]) -> None:
        unknown = haslb_lab("exec", "host1", "frobnicate")
        assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
        assert unknown.stderr.startswith("haslb-lab: there is no program frobnicate on this machine")
        assert "there are: " in haslb_lab("exec", "host9", "true").stderr

    def test_the_bridges_own_interface_is_the_labs(self, kept: subprocess.CompletedProcess[str]) -> None:
        """It stays when Open vSwitch is killed, and would stop the next run."""
        assert "haslb1" in janitor.interfaces()

    @pytest.mark.parametrize("node", PROMPTS)
    def test_a_wrong_command_is_an_error(self, kept: subprocess.CompletedProcess[str], node: str) -> None:
        ran = haslb_lab("prompt", node, "frobnicate")
        assert ran.returncode == 1
        assert "frobnicate" in ran.stdout + ran.stderr

    def test_a_wrong_name_lists_the_right_ones(self, kept: subprocess.CompletedProcess[str]) -> None:
        ran = haslb_lab("prompt", "HA9-7600")
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr == f"haslb-lab: HA9-7600 is not a node of {NAME}; there are: {', '.join(PROMPTS)}\n"

    def test_the_prompt_on_a_terminal_is_the_chapters(self, kept: subprocess.CompletedProcess[str]) -> None:
        """Each node has a prompt. Tab completes and ? lists what may follow, as at the balancer's."""
        with Terminal("prompt", "HA1-7600") as terminal:
            terminal.await_prompt("HA1-7600#")
            terminal.type("show ip mobile binding s\t\r")
            terminal.read_until("Total 2")
            terminal.await_prompt("HA1-7600#")
            terminal.type("show ip mobile ?")
            terminal.read_until("traffic")
            terminal.await_prompt("HA1-7600#show ip mobile")
            terminal.type("\x03")
            terminal.await_prompt("HA1-7600#")
            terminal.type("\x04")
            assert terminal.status() == 0

    def test_a_second_scenario_is_refused(self, kept: subprocess.CompletedProcess[str]) -> None:
        ran = haslb_lab("run", "direct-static")
        assert ran.returncode == 1
        assert ran.stderr == f"haslb-lab: {NAME} is up; end it: haslb-lab stop\n"

    def test_steps_5_and_6_are_played_at_the_prompt(self, kept: subprocess.CompletedProcess[str]) -> None:
        """As it proposes: lifetime 0 straight to the home agents, which close the bindings."""
        (proposed,) = re.findall(" +haslb-lab (prompt .* deregister .*)", kept.stdout)
        assert proposed == "prompt PDSN-7600 deregister 1 4"
        closed = haslb_lab(*proposed.split()).stdout.splitlines()[-1]
        assert json.loads(closed)["home_agents"] == {"10.1.1.51": 2, "10.1.1.52": 2}
        assert "Total 0" in haslb_lab("prompt", "HA1-7600", "show ip mobile binding summary").stdout


def test_it_is_stopped_while_it_is_brought_up() -> None:
    """It is halted until it is listed: on a busy machine it would be up before that."""
    with running() as process:
        read_until(process, "building the network")
        process.send_signal(signal.SIGSTOP)
        try:
            listed = haslb_lab("list").stdout
        finally:
            process.send_signal(signal.SIGCONT)
        assert f"{NAME:24} Dispatched mode with static weights, 4 sessions  (coming up)\n" in listed
        stopped = haslb_lab("stop")
        ended = process.communicate(timeout=COMMAND_TIMEOUT)  # of itself, if there was nothing to stop: it says why
        assert (stopped.stdout, stopped.stderr) == (f"{NAME} is gone without trace.\n", ""), ended
        assert process.wait(COMMAND_TIMEOUT) == 143
    assert leftovers() == []


def test_stop_ends_it_and_what_was_up_is_gone() -> None:
    assert haslb_lab("run", NAME, "--keep").returncode == 0
    assert haslb_lab("stop").stdout == f"{NAME} is gone without trace.\n"
    assert not janitor.DIRECTORY.exists()
    assert leftovers() == []
    again = haslb_lab("stop")
    assert (again.returncode, again.stdout) == (0, "No scenario was up.\n")
    assert haslb_lab("prompt", "SLB-7600").stderr.startswith("haslb-lab: no scenario is up; try: haslb-lab run ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_the_holders_end_is_the_labs(number: signal.Signals) -> None:
    """A lab runs until stop, SIGTERM or its death."""
    assert haslb_lab("run", NAME, "--keep").returncode == 0
    owner = claim.owner()
    assert owner is not None
    holder = os.pidfd_open(owner)
    signal.pidfd_send_signal(holder, number)
    assert select.select([holder], [], [], COMMAND_TIMEOUT)[0]
    os.close(holder)
    assert leftovers() == []


@pytest.mark.parametrize("activity", ["building the network", "starting the nodes", "starting the balancer", "Step 4"])
def test_a_run_that_is_killed_leaves_nothing_behind(activity: str) -> None:
    """After a kill -9 at any moment nothing is left, and the next run is well."""
    with running() as process:
        read_until(process, activity)
        process.kill()
        process.wait()
    assert leftovers() == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_interrupted_cleans_up(number: signal.Signals, status: int) -> None:
    with running() as process:
        read_until(process, "Step 4")
        process.send_signal(number)
        assert process.wait(COMMAND_TIMEOUT) == status
        assert not janitor.DIRECTORY.exists()
        _, complaints = process.communicate(timeout=COMMAND_TIMEOUT)
    assert complaints == ("haslb-lab: interrupted, and cleaned up\n" if number is signal.SIGINT else "")
    assert leftovers() == []


def running() -> subprocess.Popen[str]:
    """A run of so many sessions that it does not end before it is ended, however slow the test is."""
    return subprocess.Popen(
        [*PROGRAM, "run", NAME, "--sessions", str(MAX_SESSIONS)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    guard = Timer(COMMAND_TIMEOUT, process.kill)
    guard.start()
    try:
        assert any(text in line for line in process.stdout), process.stderr and process.stderr.read()
    finally:
        guard.cancel()


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self._shown = ""
        self._has_ended = False

    def __enter__(self) -> Terminal:
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(REPOSITORY)
            # This terminal does not say where its cursor is.
            os.execve(
                PROGRAM[0], [*PROGRAM, *self._words], {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
            )
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._terminal)
        if not self._has_ended:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + COMMAND_TIMEOUT
        while text not in self._shown:
            self._read(deadline)
        self._shown = self._shown.partition(text)[2]

    def await_prompt(self, prompt: str) -> None:
        """Wait until the prompt is drawn. Before that the terminal takes keys itself, and the prompt gets no Ctrl-D."""
        self.read_until(BRACKETED_PASTE)
        self.read_until(prompt)

    def status(self) -> int:
        """The exit status of the command."""
        deadline = time.monotonic() + COMMAND_TIMEOUT
        with suppress(OSError):  # the terminal's end
            while True:
                self._read(deadline)
        ended = os.pidfd_open(self._process)
        assert select.select([ended], [], [], max(0, deadline - time.monotonic()))[0], "it has closed its terminal"
        os.close(ended)
        self._has_ended = True
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])

    def _read(self, deadline: float) -> None:
        """Read what is shown next. Raises: OSError when the terminal has been closed."""
        assert select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))[0], self._shown
        self._shown += os.read(self._terminal, 4096).decode(errors="replace")
