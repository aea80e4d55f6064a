"""The smallest chassis, in the vocabulary of all lab topologies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from haslb_lab.chassis.one_switch import OneSwitch

TOPOLOGIES = Path(__file__).parents[4] / "topologies"

_AS_MN_DOES = """
import sys
path = sys.argv[1]
customs = {}
exec(compile(open(path).read(), path, "exec"), customs, customs)
print(*customs["topos"]["chassis"]().hosts())
"""


def test_home_agents_hold_the_virtual_address_in_dispatched_mode_only() -> None:
    """Dispatched mode: on the loopback, and accepted in the home agent field."""
    dispatched, direct = OneSwitch().nodeInfo("sami1"), OneSwitch(dispatched=False).nodeInfo("sami1")
    assert dispatched["loopback"] == "10.1.1.10"
    assert dispatched["program"][-2:] == ["--virtual-address", "10.1.1.10"]
    assert "loopback" not in direct
    assert "--virtual-address" not in direct["program"]


def test_ports_of_the_switch_are_numbered_from_the_pdsn_on() -> None:
    """The management link is not a port of the switch; it has number 0, which is none in OpenFlow."""
    links = [link for _, _, link in OneSwitch(home_agents=3).links(withInfo=True)]
    assert {link["node1"]: link["port2"] for link in links} == {
        "pdsn1": 1,
        "sami1": 2,
        "sami2": 3,
        "sami3": 4,
        "controller": 0,
    }


def test_a_test_may_start_the_home_agents_itself() -> None:
    topology = OneSwitch(home_agent_programs=False, pdsn_options=("--retries", "0"))
    assert "program" not in topology.nodeInfo("sami1")
    assert topology.nodeInfo("pdsn1")["program"][-2:] == ["--retries", "0"]


def test_stock_mininet_loads_the_topology(tmp_path: Path) -> None:
    """``mn --custom FILE --topo chassis`` executes the file and does not have the checkout on its path."""
    argv = [sys.executable, "-c", _AS_MN_DOES, str(TOPOLOGIES / "chassis.py")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("controller pdsn1 sami1 sami2\n", "")
