"""Mininet's parts as the lab uses them: marked for the janitor, quiet, and with switches in user space.

The parameters of a topology are those of :mod:`haslb_lab.chassis.topology`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Any

from mininet.link import Intf, Link
from mininet.net import Mininet
from mininet.topo import Topo

from haslb_lab.chassis.parts import RoutingHost, VlanSwitch
from haslb_lab.checkout import python_path
from haslb_lab.errors import LabError
from haslb_lab.runner import janitor

OPENFLOW = "OpenFlow13"

#: Packet-ins that Open vSwitch queues for a slow controller before it drops them. The default is 100, the maximum 512.
PACKET_IN_QUEUE = 512


def marked_environment(**additions: str) -> dict[str, str]:
    """The environment of a process of the lab: the janitor's mark, the path of the lab's modules, and ``additions``."""
    return {**os.environ, "PYTHONPATH": python_path(), janitor.MARK: str(janitor.DIRECTORY), **additions}


class LabInterface(Intf):  # type: ignore[misc]
    """One end of a veth pair, without checksum offload and without IPv6.

    With checksum offload a UDP packet that goes through packet-in and packet-out arrives with an incomplete checksum
    and is dropped silently. IPv6 would add neighbour discovery packets to those that a test counts.
    """

    def config(self, **parameters: Any) -> dict[str, Any]:
        """Configure as Mininet does, then the offload, IPv6 and the mark."""
        result: dict[str, Any] = super().config(**parameters)
        ipv6 = f"/proc/sys/net/ipv6/conf/{self.name}/disable_ipv6"
        self.cmd(f"ip link set {self.name} alias {janitor.MARK}")
        self.cmd(f"ethtool -K {self.name} tx off > /dev/null; test ! -e {ipv6} || echo 1 > {ipv6}")
        return result


class LabHost(RoutingHost):
    """A namespace whose processes bear the mark."""

    def _popen(self, cmd: list[str], **parameters: Any) -> subprocess.Popen[bytes]:
        parameters.setdefault("env", marked_environment())
        process: subprocess.Popen[bytes] = super()._popen(cmd, **parameters)
        return process


class LabSwitch(VlanSwitch):
    """A bridge in Open vSwitch's user space datapath, which needs no kernel module."""

    def __init__(self, name: str, **parameters: Any) -> None:
        super().__init__(name, datapath="user", protocols=OPENFLOW, **parameters)

    def _popen(self, cmd: list[str], **parameters: Any) -> subprocess.Popen[bytes]:
        parameters.setdefault("env", marked_environment())
        process: subprocess.Popen[bytes] = super()._popen(cmd, **parameters)
        return process

    def bridgeOpts(self) -> str:  # noqa: N802 - Mininet's name
        """Mininet's settings, the longer packet-in queue and the mark, in the one transaction that makes the bridge."""
        settings: str = super().bridgeOpts()
        return f"{settings} other_config:controller-queue-size={PACKET_IN_QUEUE} external_ids:{janitor.MARK}=yes"

    @classmethod
    def batchStartup(cls, switches: Sequence[LabSwitch]) -> Sequence[LabSwitch]:  # noqa: N802 - Mininet's name
        """Make the bridges as Mininet does, but in marked processes. Raises: LabError with Open vSwitch's error."""
        for switch in switches:
            for command in switch.commands:
                made = subprocess.run(
                    ["bash", "-c", f"ovs-vsctl --timeout={janitor.COMMAND_TIMEOUT} {command}"],
                    env=marked_environment(),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if made.returncode != 0:
                    raise LabError(f"Open vSwitch cannot make {switch.name}: {' '.join(made.stderr.split())}")
            # The bridge's own interface outlives an Open vSwitch that is killed, so the janitor must find it as well.
            subprocess.run(["ip", "link", "set", switch.name, "alias", janitor.MARK], capture_output=True, check=False)
            switch.commands.clear()
            switch.batch = False
        return switches


class LabNetwork(Mininet):  # type: ignore[misc]
    """Mininet with these parts and without its own controller: the lab runs the balancer in a namespace."""

    def __init__(self, topology: Topo) -> None:
        parts = {"switch": LabSwitch, "host": LabHost, "intf": LabInterface, "link": Link, "controller": None}
        Mininet.inited = True  # otherwise Mininet raises limits of the machine's kernel, for thousands of hosts
        super().__init__(topology, autoSetMacs=True, **parts)
