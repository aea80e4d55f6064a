"""The cluster's database: real ``ovsdb-server`` processes on Raft."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable, Optional

from haslb_lab.runner.waiting import wait_until
from ryu_haslb.cluster.servers import MEMBER_PORT, NAME, RAFT_PORT, create, join, start_command

#: Seconds until the servers have elected a Raft leader.
ELECTION_TIMEOUT = 60.0
#: Seconds that a server may take to say its status.
STATUS_TIMEOUT = 5.0

#: Starts a program in the namespace of the server with this number.
Launch = Callable[[int, Sequence[str]], "subprocess.Popen[bytes]"]


class DatabaseServers:
    """The servers by their numbers; ``addresses`` are those that members and other servers reach them by.

    ``tls`` are the files of private key, certificate and authority, if all connections are to use TLS.
    """

    def __init__(
        self, directory: Path, addresses: Mapping[int, str], launch: Launch, tls: Optional[Sequence[Path]] = None
    ) -> None:
        self._directory, self._addresses, self._launch = directory, dict(addresses), launch
        self._tls = tls
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        directory.mkdir()
        first, *others = self._addresses
        create(self.file(first), self._raft(first), f"p{self._transport}:{MEMBER_PORT}")
        for server in others:
            join(self.file(server), self._raft(server), [self._raft(first)])
        for server in self._addresses:
            self.start(server)
        self.raft_leader()

    @property
    def remotes(self) -> str:
        """What ``HASLB_CLUSTER`` is to be."""
        return ",".join(f"{self._transport}:{address}:{MEMBER_PORT}" for address in self._addresses.values())

    def file(self, server: int) -> Path:
        """The file of a server."""
        return self._directory / f"{server}.db"

    def start(self, server: int) -> None:
        """Start a server, or start it again."""
        command = [word for word in start_command(self.file(server)) if word != "--detach"]
        self.processes[server] = self._launch(server, [*command, *self.tls_options])

    @property
    def tls_options(self) -> list[str]:
        """The options of the files for TLS, for the servers and for ``ovsdb-client``."""
        names = ("--private-key", "--certificate", "--ca-cert")
        return [f"{name}={path}" for name, path in zip(names, self._tls or ())]

    def end(self, server: int, number: signal.Signals = signal.SIGKILL) -> None:
        """End a server, and wait until it has ended."""
        self.processes[server].send_signal(number)
        self.processes[server].wait()

    def raft_leader(self) -> int:
        """The server that leads by Raft; waits until there is one."""
        leader: int = min(wait_until(self.raft_leaders, "the database has a Raft leader", ELECTION_TIMEOUT))
        return leader

    def await_followers(self) -> None:
        """Wait until every server follows the Raft leader, or leads."""
        wait_until(
            lambda: all(self._has_leader(server) for server in self._addresses),
            "every server follows the Raft leader",
            ELECTION_TIMEOUT,
        )

    def raft_leaders(self) -> set[int]:
        """The servers that say that they lead by Raft: one, unless a former leader does not know of the next one."""
        return {server for server in self._addresses if "Role: leader" in self._status(server)}

    def _has_leader(self, server: int) -> bool:
        status = self._status(server)
        return "Status: cluster member" in status and "Leader: unknown" not in status and "Leader:" in status

    def _status(self, server: int) -> str:
        """What a server says of itself; nothing when it does not answer, since it is suspended or starved."""
        words = ["ovs-appctl", "-t", str(self.file(server).with_suffix(".ctl")), "cluster/status", NAME]
        try:
            return subprocess.run(words, check=False, capture_output=True, text=True, timeout=STATUS_TIMEOUT).stdout
        except subprocess.TimeoutExpired:
            return ""

    def _raft(self, server: int) -> str:
        return f"{self._transport}:{self._addresses[server]}:{RAFT_PORT}"

    @property
    def _transport(self) -> str:
        return "tcp" if self._tls is None else "ssl"
