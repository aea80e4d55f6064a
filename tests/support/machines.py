"""Machines as an operator has them: each a set of namespaces with an address and folders of its own, on one network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from haslb_lab.runner.waiting import wait_until

#: The bridge that joins the machines, and the address of this machine there, which runs the switches.
NETWORK, OWN_ADDRESS = "haslbnet", "192.0.2.100"
#: The folders that each machine has for itself.
_FOLDERS = ("/run", "/etc/haslb", "/var/lib/haslb")
_BOOT = "; ".join(f"mkdir -p {folder}; mount -t tmpfs tmpfs {folder}" for folder in _FOLDERS)
#: Seconds that a command may take.
COMMAND_TIMEOUT = 60.0


class Machine:
    """A machine with this address. All that runs on it ends with it."""

    def __init__(self, address: str) -> None:
        self.address = address
        namespaces = ["--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
        boot = ["sh", "-c", f"{_BOOT}; echo booted; exec sleep infinity"]
        self._process = subprocess.Popen(["unshare", *namespaces, *boot], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        with self._process.stdout as output:
            assert output.readline() == b"booted\n"
        child = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()[0]
        self._enter = ["nsenter", "--target", child, "--net", "--mount", "--pid"]
        self._cable = f"m{address.rpartition('.')[2]}"
        _run("ip", "link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", child)
        _run("ip", "link", "set", self._cable, "master", NETWORK, "up")
        self.run(f"ip link set lo up; ip address add {address}/24 dev eth0; ip link set eth0 up")

    def run(self, script: str) -> str:
        """The output of a script of the shell. Raises: AssertionError with its errors if it fails."""
        ran = subprocess.run(
            [*self._enter, "bash", "-e", "-o", "pipefail", "-c", script],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT,
        )
        assert ran.returncode == 0, f"{self.address}: {script}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    def start(self, script: str, log: Path) -> subprocess.Popen[bytes]:
        """Start what a script runs, such as a balancer."""
        with log.open("ab") as output:
            return subprocess.Popen(
                [*self._enter, "bash", "-c", script], env=_environment(), stdout=output, stderr=output
            )

    def end(self) -> None:
        """Switch the machine off, and remove its cable, which may outlive it for a moment."""
        self._process.kill()
        self._process.wait()
        subprocess.run(["ip", "link", "delete", self._cable], capture_output=True, check=False)


@contextmanager
def machines(*addresses: str) -> Iterator[Sequence[Machine]]:
    """Machines with these addresses."""
    _run("ip", "link", "add", NETWORK, "type", "bridge")
    with ExitStack() as stack:
        stack.callback(_run, "ip", "link", "delete", NETWORK)
        _run("ip", "address", "add", f"{OWN_ADDRESS}/24", "dev", NETWORK)
        _run("ip", "link", "set", NETWORK, "up")
        built = []
        for address in addresses:
            built.append(Machine(address))
            stack.callback(built[-1].end)
        yield built


def eventually(machine: Machine, script: str, expected: str) -> str:
    """The output of a script, once it contains what is expected."""
    output = ""

    def has_come() -> bool:
        nonlocal output
        output = machine.run(f"{script} || true")
        return expected in output

    wait_until(has_come, lambda: f"{machine.address}: {script}: no {expected!r} in:\n{output}", COMMAND_TIMEOUT)
    return output


def _environment() -> dict[str, str]:
    """That of this process, with the commands of the project on the path."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin"}


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
