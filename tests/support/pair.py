"""Two real balancers at one switch, in the controller's namespace of a lab."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

from bench import WAIT_TIMEOUT, Bench, wait_until

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.node import control
from haslb_lab.runner.janitor import DIRECTORY
from ryu_haslb.cli.client import ControlError

PORTS = (6701, 6702)


class Pair:
    """Two balancers in the controller's namespace, to both of which the switch connects.

    ``environment`` gives each of them, by its port, variables of its own.
    """

    #: What the engine's manager runs.
    application = "ryu_haslb.app"

    def __init__(self, bench: Bench, environment: Callable[[int], dict[str, str]] = lambda _: {}) -> None:
        self.bench = bench
        self._environment = environment
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        bench.lab.retire()
        bench.lab.stop_controller()
        self.address = bench.lab.node(CONTROLLER).IP()
        for port in PORTS:
            self.start(port)
        targets = [f"tcp:{self.address}:{port}" for port in PORTS]
        subprocess.run(["ovs-vsctl", "set-controller", SWITCH, *targets], check=True)
        listed = ["ovs-vsctl", "--bare", "--columns=_uuid", "find", "Controller", "is_connected=false"]
        for each in subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split():
            subprocess.run(["ovs-vsctl", "set", "Controller", each, "max_backoff=1000"], check=True)
        wait_until(lambda: sorted(map(self.role, PORTS)) == ["master", "waiting"], "one is master")
        self.await_service(self.master)

    def start(self, port: int) -> None:
        manager = [str(Path(sys.executable).with_name("haslb-manager")), self.application]
        listen = ["--ofp-listen-host", self.address, "--ofp-tcp-listen-port", str(port)]
        environment = {"HASLB_CONFIG": str(DIRECTORY / "balancer.ios"), "HASLB_CONTROL": self.socket(port)}
        environment.update(self._environment(port))
        with (DIRECTORY / f"{port}.log").open("ab") as log:
            options: dict[str, Any] = {"env": environment, "stdout": log, "stderr": log}
            self.processes[port] = self.bench.lab.run(CONTROLLER, [*manager, *listen], **options)

    def end(self, port: int, number: signal.Signals) -> float:
        """End a balancer; the time until the other one is master."""
        (other,) = set(PORTS) - {port}
        began = time.monotonic()
        self.processes[port].send_signal(number)
        self.processes[port].wait(WAIT_TIMEOUT)
        return wait_until(lambda: self.role(other) == "master", "the other one is master") - began

    def role(self, port: int) -> str:
        try:
            (row,) = json.loads(control.request(self.socket(port), "show ip slb switches --json"))
        except (ControlError, ValueError):
            return ""
        return str(row["role"])

    def await_service(self, port: int) -> None:
        """Wait until a balancer is master, has found every home agent and has the session rules."""
        wait_until(lambda: self.role(port) == "master", f"balancer {port} is master")
        wait_until(lambda: self.reaches_all(port), "it has found its home agents")

    def reaches_all(self, port: int) -> bool:
        """Whether a balancer has found every home agent."""
        return all(real["reachable"] for real in self.query(port, "show ip slb reals"))

    def query(self, port: int, command: str) -> list[dict[str, Any]]:
        """The rows that a ``show`` command has at a balancer."""
        rows: list[dict[str, Any]] = json.loads(control.request(self.socket(port), f"{command} --json"))
        return rows

    def log(self, port: int) -> str:
        return (DIRECTORY / f"{port}.log").read_text()

    @staticmethod
    def socket(port: int) -> str:
        return str(DIRECTORY / f"{port}.control")

    @property
    def master(self) -> int:
        """The port of the balancer that is master. While the role passes from one to the other there may be none."""
        return self._await_one("master")

    @property
    def waiting(self) -> int:
        """The port of the balancer that waits; the other one may be master, or about to be."""
        return self._await_one("waiting")

    def _await_one(self, role: str) -> int:
        found: list[int] = []

        def is_found() -> bool:
            found[:] = [port for port in PORTS if self.role(port) == role]
            return len(found) == 1

        wait_until(is_found, f"one balancer is {role}")
        return found[0]
