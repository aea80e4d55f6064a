"""What the lab needs of the machine, checked before anything is made. Every error says what to do.

As a program it prints the missing Debian packages, one a line. It needs only Python itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from haslb_lab.errors import LabError

#: Programs (and a plugin) that the lab calls, and the Debian packages that contain them.
PROGRAMS = {
    "mnexec": "mininet",
    "ifconfig": "net-tools",
    "ip": "iproute2",
    "ethtool": "ethtool",
    "ovs-vsctl": "openvswitch-switch",
    "sysctl": "procps",
    "tcpdump": "tcpdump",
    "ping": "iputils-ping",
    "swanctl": "strongswan-swanctl",
    "/usr/lib/ipsec/charon": "strongswan-charon",
    "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so": "libcharon-extra-plugins",
    "dot": "graphviz",
}

START_OPEN_VSWITCH = "/usr/share/openvswitch/scripts/ovs-ctl"

#: Seconds that Open vSwitch may take to start, and to answer; one that does not run is seen at once.
START_TIMEOUT, ANSWER_TIMEOUT = 60, 30


def missing_packages() -> list[str]:
    """The Debian packages to install for the programs that the lab needs and does not find."""
    return sorted({package for program, package in PROGRAMS.items() if not _is_there(program)})


def _is_there(program: str) -> bool:
    return shutil.which(program) is not None or (Path(program).is_absolute() and Path(program).exists())


def check_machine() -> None:
    """Start Open vSwitch if it is down. Raises: LabError unless this process may and can run a lab."""
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and switches and needs root; try again with sudo")
    if missing := missing_packages():
        raise LabError(f"not installed: {', '.join(missing)}; try: make machine")
    if subprocess.run(["mnexec", "-n", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise LabError("cannot make network namespaces; run a container with --privileged")
    if not _answers():
        _start_open_vswitch()


def check_names(switches: list[str]) -> None:
    """Raises: LabError if a bridge or interface that is not the lab's has one of the lab's names."""
    bridges = _output("ovs-vsctl", f"--timeout={ANSWER_TIMEOUT}", "list-br").split()
    names = sorted(path.name for path in Path("/sys/class/net").iterdir())
    for switch in switches:
        if switch in bridges:
            raise LabError(f"a bridge {switch} exists that is not the lab's; remove it: ovs-vsctl del-br {switch}")
        for name in names:
            if name == switch or name.startswith(f"{switch}-"):
                raise LabError(f"an interface {name} exists that is not the lab's; remove it: ip link delete {name}")


def _start_open_vswitch() -> None:
    try:
        started = subprocess.run(
            [START_OPEN_VSWITCH, "start"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_TIMEOUT,
            start_new_session=True,
            check=False,
        )
        said = (started.stderr or started.stdout).decode(errors="replace").strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = [str(error)]
    if not _answers():
        reason = said[-1] if said else "it gives no reason"
        raise LabError(f"Open vSwitch does not start ({reason}); see /var/log/openvswitch, then try: ovs-ctl start")


def _answers() -> bool:
    """Whether both daemons answer: the database, and the switch with its user space datapath."""
    database = _output("ovs-vsctl", f"--timeout={ANSWER_TIMEOUT}", "get", "Open_vSwitch", ".", "datapath_types")
    return "netdev" in database and bool(_output("ovs-appctl", f"--timeout={ANSWER_TIMEOUT}", "version"))


def _output(*command: str) -> str:
    """What a command prints; an empty text when it fails."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode()


if __name__ == "__main__":
    print(*missing_packages(), sep="\n")
