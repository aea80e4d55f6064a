"""The contenders, each in a lab of its own: the same generator on one side, the same home agents on the other."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Interface
from typing import Any, NamedTuple, Optional

from benchmarks.programs import HERE, program
from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import PDSN, PDSN_ADDRESS, SWITCH, VIRTUAL_SERVER, OneSwitch, in_network
from haslb_lab.chassis.topology import LabTopology, NodePort
from haslb_lab.runner import janitor
from haslb_lab.runner.lab import OPENFLOW_PORT, Lab
from haslb_lab.runner.network import OPENFLOW

CONFIGURATION = HERE.parent / "topologies" / "chassis.ios"
HOME_AGENTS = ("sami1", "sami2")
CHASSIS_MAC = "02:51:b7:00:00:01"
PROXY = "proxy"


class BareChassis(OneSwitch):
    """The chassis with hosts that run no programs."""

    def build(self, *arguments: Any, **parameters: Any) -> None:
        """Describe the nodes and links of the chassis, and remove the programs of its nodes."""
        super().build(*arguments, **parameters)
        for host in self.hosts():
            self.nodeInfo(host).pop("program", None)


class ProxyPath(LabTopology):
    """The generator, a proxy and the home agents behind it, joined by links without a switch."""

    def build(self, **_: Any) -> None:
        """Describe the nodes and links."""
        self.add_node(PDSN)
        self.add_node(PROXY)
        self.link_nodes(NodePort(PDSN, 0, in_network(PDSN_ADDRESS)), NodePort(PROXY, 0, in_network(VIRTUAL_SERVER)))
        for number, name in enumerate(HOME_AGENTS, 1):
            own, proxys = (IPv4Interface(f"10.1.{50 + number}.{host}/24") for host in (2, 1))
            self.add_node(name)
            self.link_nodes(NodePort(name, 0, own), NodePort(PROXY, number, proxys))


class ProductLab(Lab):
    """The product through Open vSwitch."""

    def __init__(self) -> None:
        super().__init__(BareChassis(), CONFIGURATION.read_text())

    def session_rules(self) -> Optional[int]:
        """The number of rules in the session table, its table-miss rule included; None if the contender has none."""
        listed = subprocess.run(
            ["ovs-ofctl", "-O", OPENFLOW, "dump-aggregate", SWITCH, "table=1"],
            capture_output=True,
            text=True,
            check=True,
        )
        found = re.search(r"flow_count=(\d+)", listed.stdout)
        return int(found.group(1)) if found else None


class TutorialLab(ProductLab):
    """The balancer in the manner of Ryu's tutorials, through Open vSwitch."""

    def __init__(self) -> None:
        Lab.__init__(self, BareChassis(), "", application=str(HERE / "contenders" / "tutorial_app.py"))

    def wait_until_balancing(self) -> None:
        """Do not wait: this contender has no status to read. The first requests of the storm show when it serves."""


class NullLab(TutorialLab):
    """A controller in C that returns every packet."""

    def start_controller(self) -> None:
        """Start it, and give the generator a static ARP entry for the virtual server: it does not reply to ARP."""
        address = self.node(CONTROLLER).IP()
        served = [address, str(OPENFLOW_PORT), str(VIRTUAL_SERVER), *(self.node(name).MAC() for name in HOME_AGENTS)]
        self._controller = self.run(CONTROLLER, [program("null_controller"), *served])
        self.node(PDSN).cmd(f"ip neigh replace {VIRTUAL_SERVER} lladdr {CHASSIS_MAC} dev {PDSN}-eth0")

    def session_rules(self) -> Optional[int]:
        """None: it installs no session rules."""
        return None


class NginxLab(NullLab):
    """nginx between generator and home agents, without a switch."""

    def __init__(self) -> None:
        Lab.__init__(self, ProxyPath(), "")
        self._nginx: Optional[subprocess.Popen[bytes]] = None

    def start_controller(self) -> None:
        """Start nginx in the proxy's namespace."""
        own_pid_file = f"pid {janitor.DIRECTORY}/nginx.pid;"  # nginx removes its pid file when it ends
        words = ["nginx", "-p", str(HERE / "contenders"), "-c", "nginx.conf", "-e", "stderr", "-g", own_pid_file]
        with self._log(PROXY).open("ab") as log:
            self._nginx = self.run(PROXY, ["setpriv", "--pdeathsig", "TERM", *words], stdout=log, stderr=log)

    def close(self) -> None:
        """End nginx. The janitor does not find it: nginx overwrites the mark in its environment with its title."""
        if self._nginx is not None:
            self._nginx.terminate()
            self._nginx.wait()
        super().close()

    def connect_switch(self, switch: Optional[str] = None) -> None:
        """Do nothing: there is no switch."""


class Contender(NamedTuple):
    """One way to balance requests. ``even``: home agents of equal weight must get equal shares."""

    name: str
    title: str
    lab: Callable[[], ProductLab]
    first_rate: int
    even: bool = True


PRODUCT, TUTORIAL, NULL, NGINX = CONTENDERS = (
    Contender("product", "this product, through Open vSwitch", ProductLab, 6000),
    Contender("tutorial", "the same as Ryu's tutorials do it", TutorialLab, 1500),
    Contender("null", "null controller in C: no decision, no rule", NullLab, 12000),
    Contender("nginx", "nginx stream with njs: a hash, no session", NginxLab, 8000, even=False),
)
