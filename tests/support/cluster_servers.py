"""The database of a cluster at one switch: servers in network namespaces of their own behind the controller's."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, Optional

from haslb_lab.cluster import databases

SERVERS = (1, 2, 3)
#: Says that it is in its namespace, waits for the interface, then becomes the server, whose output goes to a file. What
#: it cannot write because of a limit does not end it.
_STARTER = 'trap "" XFSZ; echo ready; read -r line; exec "$@" >> "$0" 2>&1'

Run = Callable[..., "subprocess.Popen[bytes]"]


class DatabaseServers(databases.DatabaseServers):
    """The servers of a cluster's database; ``run`` starts a program in the controller's namespace."""

    def __init__(self, directory: Path, run: Run, tls: Optional[Sequence[Path]] = None) -> None:
        self._output, self._run = directory, run
        self._command("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        super().__init__(directory, {server: _address(server) for server in SERVERS}, self._launch_in_namespace, tls)

    def end(self, server: int, number: signal.Signals = signal.SIGKILL) -> None:
        """End a server, and remove its interface, which may outlive it for a moment."""
        super().end(server, number)
        self._run(["ip", "link", "delete", f"db{server}"], stderr=subprocess.DEVNULL).wait()

    def fill_disk(self, server: int) -> None:
        """Let a server's file grow no more, as on a full disk, until the server is started again."""
        size = self.file(server).stat().st_size
        resource.prlimit(self.processes[server].pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def transact(self, operations: Sequence[Any]) -> str:
        """Carry out operations of OVSDB, as anyone can who reaches the servers."""
        words = ["ovsdb-client", *self.tls_options, "transact", self.remotes, json.dumps(["HASLB", *operations])]
        process = self._run(words, stdout=subprocess.PIPE)
        answer, _ = process.communicate(timeout=60)
        assert process.returncode == 0, answer
        return str(answer.decode())

    def _launch_in_namespace(self, server: int, command: Sequence[str]) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        output = str(self._output / f"{server}.out")
        process = self._run(["unshare", "--net", "sh", "-c", _STARTER, output, *command], **pipes)
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        self._connect(server, process)
        process.stdin.write(b"\n")
        process.stdin.close()
        return process

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


def _address(server: int) -> str:
    return f"10.255.{server}.1"
