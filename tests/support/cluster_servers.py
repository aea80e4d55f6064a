"""Three real ``ovsdb-server`` processes on Raft, each in a network namespace of its own behind the controller's."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Callable

from bench import wait_until

from ryu_haslb.cluster.servers import MEMBER_PORT, RAFT_PORT, create, join, start_command

SERVERS = (1, 2, 3)
#: Says that it is in its namespace, waits for the interface, then becomes the server, whose output goes to a file.
_STARTER = 'echo ready; read -r line; exec "$@" >> "$0" 2>&1'

Run = Callable[..., "subprocess.Popen[bytes]"]


class DatabaseServers:
    """The servers of a cluster's database; ``run`` starts a program in the controller's namespace."""

    def __init__(self, directory: Path, run: Run) -> None:
        self._directory, self._run = directory, run
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        directory.mkdir()
        self._command("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        first, *others = SERVERS
        create(self._file(first), self._raft(first), f"ptcp:{MEMBER_PORT}")
        for server in others:
            join(self._file(server), self._raft(server), [self._raft(first)])
        for server in SERVERS:
            self.start(server)
        self.raft_leader()

    @property
    def remotes(self) -> str:
        """What ``HASLB_CLUSTER`` is to be."""
        return ",".join(f"tcp:{_address(server)}:{MEMBER_PORT}" for server in SERVERS)

    def start(self, server: int) -> None:
        """Start a server, or start it again."""
        command = [word for word in start_command(self._file(server)) if word != "--detach"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        output = str(self._directory / f"{server}.out")
        process = self._run(["unshare", "--net", "sh", "-c", _STARTER, output, *command], **pipes)
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        self.processes[server] = process
        self._connect(server, process)
        process.stdin.write(b"\n")
        process.stdin.close()

    def end(self, server: int, number: signal.Signals = signal.SIGKILL) -> None:
        """End a server, wait until it has ended, and remove its interface, which may outlive it for a moment."""
        self.processes[server].send_signal(number)
        self.processes[server].wait()
        self._run(["ip", "link", "delete", f"db{server}"], stderr=subprocess.DEVNULL).wait()

    def raft_leader(self) -> int:
        """The server that leads by Raft; waits until there is one."""
        wait_until(self._leaders, "the database has a Raft leader", 20)
        return self._leaders()[0]

    def _leaders(self) -> list[int]:
        return [server for server in SERVERS if "Role: leader" in self._status(server)]

    def _status(self, server: int) -> str:
        words = ["ovs-appctl", "-t", str(self._file(server).with_suffix(".ctl")), "cluster/status", "HASLB"]
        return subprocess.run(words, check=False, capture_output=True, text=True, timeout=5).stdout

    def _connect(self, server: int, process: subprocess.Popen[bytes]) -> None:
        """Join a server's namespace with the controller's."""
        name, there = f"db{server}", ["nsenter", "--target", str(process.pid), "--net"]
        self._command("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
        self._command("ip", "address", "add", f"10.255.{server}.254/24", "dev", name)
        self._command("ip", "link", "set", name, "up")
        for words in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "address", "add", f"{_address(server)}/24", "dev", "eth0"],
            ["ip", "link", "set", "eth0", "up"],
            ["ip", "route", "add", "10.255.0.0/16", "via", f"10.255.{server}.254"],
        ):
            subprocess.run([*there, *words], check=True)

    def _command(self, *words: str) -> None:
        process = self._run(list(words))
        assert process.wait() == 0, words

    def _raft(self, server: int) -> str:
        return f"tcp:{_address(server)}:{RAFT_PORT}"

    def _file(self, server: int) -> Path:
        return self._directory / f"{server}.db"


def _address(server: int) -> str:
    return f"10.255.{server}.1"
