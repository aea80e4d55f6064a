"""The product as a cluster through one switch: a leader, and a standby that is connected to the switch or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

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
START_TIMEOUT = 60.0
_STANDBY_PORT = OPENFLOW_PORT + 1


class FollowedLab(ProductLab):
    """A cluster of two members, with one database server. At first the switch is connected to both."""

    def start_controller(self) -> None:
        """Start the database server, the member that is to lead, and then the standby."""
        self._databases = DatabaseServers(DIRECTORY / "database", {1: "127.0.0.1"}, self._launch)
        super().start_controller()
        self._await_state(CONTROLLER, "leader")
        manager = [str(Path(sys.executable).with_name("haslb-manager")), "ryu_haslb.app"]
        listen = ["--ofp-listen-host", self.node(CONTROLLER).IP(), "--ofp-tcp-listen-port", str(_STANDBY_PORT)]
        with self._log(STANDBY).open("ab") as log:
            command = [*manager, *listen]
            self._standby = self.run(CONTROLLER, command, env=self._environment(STANDBY), stdout=log, stderr=log)
        self._await_state(STANDBY, "standby")

    def connect_switch(self, switch: Optional[str] = None) -> None:
        """Connect the switch to both members."""
        super().connect_switch(switch)
        self._set_controllers(OPENFLOW_PORT, _STANDBY_PORT)

    def connect_standby(self, is_connected: bool) -> None:
        """Connect the standby to the switch, and wait until it follows all sessions; or disconnect it."""
        if is_connected:
            self._set_controllers(OPENFLOW_PORT, _STANDBY_PORT)
            wait_until(lambda: self._follows() == ["following"], "the standby follows the switch", START_TIMEOUT)
        else:
            self._set_controllers(OPENFLOW_PORT)
            wait_until(lambda: self._follows() != ["following"], "the standby is disconnected", START_TIMEOUT)

    def processes(self) -> list[int]:
        """The process ids of the leader, of Open vSwitch, and of the standby."""
        assert self._controller is not None
        switch = Path(os.environ.get("OVS_RUNDIR", "/var/run/openvswitch")) / "ovs-vswitchd.pid"
        return [self._controller.pid, int(switch.read_text()), self._standby.pid]

    def _follows(self) -> list[str]:
        return [row["standby"] for row in self._rows(STANDBY, "show ip slb switches")]

    def _set_controllers(self, *ports: int) -> None:
        address = self.node(CONTROLLER).IP()
        targets = [f"tcp:{address}:{port}" for port in ports]
        subprocess.run(["ovs-vsctl", "set-controller", SWITCH, *targets], check=True)

    def _environment(self, name: str) -> dict[str, str]:
        return {**super()._environment(name), "HASLB_CLUSTER": self._databases.remotes, "HASLB_NAME": name}

    def _launch(self, _: int, command: Sequence[str]) -> subprocess.Popen[bytes]:
        return self.run(CONTROLLER, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _await_state(self, member: str, state: str) -> None:
        wait_until(
            lambda: [row["state"] for row in self._rows(member, "show redundancy")] == [state],
            f"{member} is {state}",
            START_TIMEOUT,
        )

    def _rows(self, member: str, command: str) -> Any:
        """A member's answer to a ``show`` command as data; no rows if it does not answer."""
        try:
            return self.query(member, command)
        except (ControlError, ValueError):
            return []


FOLLOWED = Contender("followed", "a leader with a standby", FollowedLab, 6000)
