"""Node programs as processes on loopback addresses, and a relay between them that loses datagrams."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from balancer_process import free_port

from haslb_lab.checkout import PROGRAMS, python_path
from haslb_lab.node import control
from haslb_lab.runner.waiting import wait_until

ENVIRONMENT = {**os.environ, "PYTHONPATH": python_path()}
HOME_AGENT, PDSN, RELAY = "127.0.0.1", "127.0.0.2", "127.0.0.3"
#: Seconds that a program may take to become ready or to end, on a machine with much other work.
PROGRAM_TIMEOUT = 60.0


class Node:
    """A node program that is ready, and its control socket."""

    def __init__(self, control: Path, program: str, *options: str) -> None:
        self.control = control
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAMS / program), "--control", str(control), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        assert self.process.stdout is not None
        with _killed_after(PROGRAM_TIMEOUT, self.process):
            first_line = self.process.stdout.readline()
        if first_line != "ready\n":
            raise AssertionError(f"{program} is not ready: {first_line}{self.stop()[1]}")

    def ask(self, command: str) -> str:
        return control.request(str(self.control), command)

    def json(self, command: str) -> Any:
        return json.loads(self.ask(f"{command} --json"))

    def run(self, command: str) -> Any:
        """The result of a command that reports its progress: its last line."""
        return json.loads(self.ask(command).splitlines()[-1])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=PROGRAM_TIMEOUT)
        return self.process.returncode, errors


class _killed_after:  # noqa: N801 - reads as a statement
    """Ends a process that takes too long, so that a reader of its output does not wait for ever."""

    def __init__(self, seconds: float, process: subprocess.Popen[str]) -> None:
        self._timer = threading.Timer(seconds, process.kill)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


class Relay:
    """Stands between a PDSN and a home agent and loses what ``keep`` says no to: (is it a reply, its number)."""

    def __init__(self, home_agent_port: int, keep: Callable[[bool, int], bool]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((RELAY, 0))
        self.port = self._socket.getsockname()[1]
        self._home_agent = (HOME_AGENT, home_agent_port)
        self._keep = keep
        self.seen = {True: 0, False: 0}
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        pdsn: Any = None
        while True:
            payload, source = self._socket.recvfrom(65535)
            if not payload:
                return
            reply = source == self._home_agent
            if not reply:
                pdsn = source
            if self._keep(reply, self.seen[reply]):
                self._socket.sendto(payload, pdsn if reply else self._home_agent)
            self.seen[reply] += 1

    def await_requests(self, count: int) -> None:
        """Wait until so many requests have come, and see that there are no more."""
        wait_until(lambda: self.seen[False] >= count, f"{count} requests have come", PROGRAM_TIMEOUT)
        assert self.seen[False] == count

    def close(self) -> None:
        self._socket.sendto(b"", (RELAY, self.port))
        self._thread.join(PROGRAM_TIMEOUT)
        self._socket.close()


class Lab:
    """Starts nodes on loopback addresses, and stops those that still run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._nodes: list[Node] = []
        self._relays: list[Relay] = []
        self.home_agent_port = free_port()
        self.pdsn_port = free_port()

    def home_agent(self, *options: str) -> Node:
        return self.start(
            "home_agent.py",
            *("--address", HOME_AGENT, "--dynamic-address", HOME_AGENT),
            *("--listen-port", str(self.home_agent_port), *options),
        )

    def pdsn(self, *options: str, home_agent: str = HOME_AGENT, port: int = 0) -> Node:
        return self.start(
            "pdsn.py",
            *("--address", PDSN, "--home-agent", home_agent, "--home-agent-port", str(port or self.home_agent_port)),
            *("--port", str(self.pdsn_port), "--retransmit", "0.05", *options),
        )

    def relayed_pdsn(self, keep: Callable[[bool, int], bool], *options: str) -> tuple[Relay, Node]:
        relay = Relay(self.home_agent_port, keep)
        self._relays.append(relay)
        return relay, self.pdsn(*options, home_agent=RELAY, port=relay.port)

    def start(self, program: str, *options: str) -> Node:
        node = Node(self._directory / f"{len(self._nodes)}.control", program, *options)
        self._nodes.append(node)
        return node

    def close(self) -> None:
        for node in self._nodes:
            if node.process.poll() is None:
                node.process.kill()
                node.process.communicate()
        for relay in self._relays:
            relay.close()
