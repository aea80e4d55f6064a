"""The product as a cluster through one switch: the leader alone, and with a standby beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from benchmarks.labs import Contender, ProductLab
from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.cluster.databases import DatabaseServers
from haslb_lab.runner.janitor import DIRECTORY
from haslb_lab.runner.lab import OPENFLOW_PORT
from haslb_lab.runner.waiting import wait_until
from ryu_haslb.cli.client import ControlError

STANDBY = "standby"
#: Seconds until a member leads, or stands by.
START_TIMEOUT = 30.0


class LeaderLab(ProductLab):
    """A cluster of one member, with one database server."""

    standby_port = 0

    def start_controller(self) -> None:
        """Start the database server, and the member that is to lead."""
        self._databases = DatabaseServers(DIRECTORY / "database", {1: "127.0.0.1"}, self._launch)
        super().start_controller()
        self._await_state(CONTROLLER, "leader")
        if self.standby_port:
            self._start_standby()

    def connect_switch(self, switch: Optional[str] = None) -> None:
        """Connect the switch to all members."""
        super().connect_switch(switch)
        if self.standby_port:
            address = self.node(CONTROLLER).IP()
            targets = [f"tcp:{address}:{port}" for port in (OPENFLOW_PORT, self.standby_port)]
            subprocess.run(["ovs-vsctl", "set-controller", SWITCH, *targets], check=True)

    def _start_standby(self) -> None:
        manager = [str(Path(sys.executable).with_name("ryu-manager")), "ryu_haslb.app"]
        listen = ["--ofp-listen-host", self.node(CONTROLLER).IP(), "--ofp-tcp-listen-port", str(self.standby_port)]
        with self._log(STANDBY).open("ab") as log:
            self.run(CONTROLLER, [*manager, *listen], env=self._environment(STANDBY), stdout=log, stderr=log)
        self._await_state(STANDBY, "standby")

    def _environment(self, name: str) -> dict[str, str]:
        return {**super()._environment(name), "HASLB_CLUSTER": self._databases.remotes, "HASLB_NAME": name}

    def _launch(self, _: int, command: Sequence[str]) -> subprocess.Popen[bytes]:
        return self.run(CONTROLLER, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _await_state(self, member: str, state: str) -> None:
        wait_until(lambda: self._state(member) == state, f"{member} is {state}", START_TIMEOUT)

    def _state(self, member: str) -> str:
        try:
            (row,) = self.query(member, "show redundancy")
        except (ControlError, ValueError):
            return ""
        return str(row["state"])


class FollowedLab(LeaderLab):
    """The same with a standby."""

    standby_port = OPENFLOW_PORT + 1


LEADER, FOLLOWED = (
    Contender("leader", "a leader alone", LeaderLab, 6000),
    Contender("followed", "a leader with a standby", FollowedLab, 6000),
)
