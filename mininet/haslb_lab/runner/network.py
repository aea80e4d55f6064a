"""The lab's kinds of Mininet parts: marked for the sweep, quiet towards the machine, Open vSwitch in user space.

A topology names its nodes and says in their parameters what they are (see ``chassis/one_switch.py``); these classes
make it true.
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

#: Packet-ins that Open vSwitch holds for a slow controller before it drops them; its default is 100, this its most.
PACKET_IN_QUEUE = 512


def marked_environment(**additions: str) -> dict[str, str]:
    """Environment of a process of the lab: the mark by which the janitor finds it, the path of the lab's own programs,
    and what is asked for."""
    return {**os.environ, "PYTHONPATH": python_path(), janitor.MARK: str(janitor.DIRECTORY), **additions}


class LabInterface(Intf):  # type: ignore[misc]
    """A veth end that finishes its checksums itself and says nothing on its own.

    With checksum offload a UDP packet that goes through packet-in and packet-out arrives with half a checksum and is
    dropped silently. Without IPv6 there are no neighbour discovery packets between those that a test counts.
    """

    def config(self, **parameters: Any) -> dict[str, Any]:
        """Configure as Mininet does, then the offload, IPv6 and the mark."""
        result: dict[str, Any] = super().config(**parameters)
        ipv6 = f"/proc/sys/net/ipv6/conf/{self.name}/disable_ipv6"
        self.cmd(f"ip link set {self.name} alias {janitor.MARK}")
        self.cmd(f"ethtool -K {self.name} tx off > /dev/null; test ! -e {ipv6} || echo 1 > {ipv6}")
        return result


class LabHost(RoutingHost):
    """A namespace; what its parameters mean is with :class:`~haslb_lab.chassis.parts.RoutingHost`."""

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
        """Mininet's settings, the longer packet-in queue and the mark, all in the transaction that makes the bridge."""
        settings: str = super().bridgeOpts()
        return f"{settings} other_config:controller-queue-size={PACKET_IN_QUEUE} external_ids:{janitor.MARK}=yes"

    @classmethod
    def batchStartup(cls, switches: Sequence[LabSwitch]) -> Sequence[LabSwitch]:  # noqa: N802 - Mininet's name
        """Make the bridges as Mininet does, but in marked processes, and say what Open vSwitch complains about."""
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
            # The bridge's own interface outlives an Open vSwitch that is killed: it is the janitor's as well.
            subprocess.run(["ip", "link", "set", switch.name, "alias", janitor.MARK], capture_output=True, check=False)
            switch.commands.clear()
            switch.batch = False
        return switches


class LabNetwork(Mininet):  # type: ignore[misc]
    """Mininet with these parts and without a controller of its own: the lab runs the balancer in a namespace."""

    def __init__(self, topology: Topo) -> None:
        parts = {"switch": LabSwitch, "host": LabHost, "intf": LabInterface, "link": Link, "controller": None}
        Mininet.inited = True  # or it would raise limits of the machine's kernel, for thousands of hosts
        super().__init__(topology, autoSetMacs=True, **parts)
