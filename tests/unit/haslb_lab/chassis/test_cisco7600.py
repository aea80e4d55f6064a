"""What a chassis description becomes: Mininet nodes, links with VLANs, routes, programs, and a drawing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Union

import pytest
from chassis_example import write_chassis

from haslb_lab.chassis.cisco7600 import Cisco7600
from haslb_lab.chassis.description import Description, HomeAgent, Host, Pdsn
from haslb_lab.chassis.drawing import draw
from haslb_lab.chassis.reader import read_description
from haslb_lab.chassis.routing import Routing
from haslb_lab.chassis.segments import Place, segments_of
from haslb_lab.chassis.values import MAX_INTERFACE_NAME

TOPOLOGIES = Path(__file__).parents[4] / "topologies"
SHAPES = TOPOLOGIES / "shapes"
ALL_SHAPES = sorted(SHAPES.glob("*.yaml"))


@pytest.fixture
def ipsec(tmp_path: Path) -> Description:
    """The chapter's fifth example."""
    return read_description(write_chassis(tmp_path))


def links(topology: Cisco7600) -> dict[str, dict[str, Any]]:
    """The links by the name of their second interface: the switch's."""
    found = [link for _, _, link in topology.links(withInfo=True)]
    return {str(link["intfName2"]): link for link in found if "intfName2" in link}


def routes(topology: Cisco7600, node: str) -> dict[str, str]:
    """A node's routes, as text."""
    return dict(topology.nodeInfo(node)["routes"])


def test_ports_have_the_names_and_vlans_of_the_chassis(ipsec: Description) -> None:
    """Access ports by ``tag``, trunks by ``trunks``; names are IOS' in short."""
    vlans = {
        name: link["params2"]
        for name, link in links(Cisco7600(ipsec)).items()
        if name.startswith("haslb1-") and link["node1"] != "haslb1"
    }
    assert vlans == {
        "haslb1-vlan15": {"tag": 15},
        "haslb1-vlan20": {"tag": 20},
        "haslb1-vlan99": {"tag": 99},
        "haslb1-gi6-1": {"trunks": (1, 15, 1002, 1003, 1004, 1005)},
        "haslb1-gi6-2": {"trunks": (1, 16, 1002, 1003, 1004, 1005)},
        "haslb1-sami5-1": {"tag": 99},
        "haslb1-sami5-2": {"tag": 99},
        "haslb1-fa3-15": {"tag": 16},
        "haslb1-fa3-20": {"tag": 20},
        "haslb1-sup": {"tag": 99},
    }


def test_programs_get_what_the_description_says_of_them(ipsec: Description) -> None:
    """Home agent, PDSN, IPsec module and mobiles are programs of the lab; the MSFC is the kernel."""
    topology = Cisco7600(ipsec)
    folder = ipsec.source.parent.resolve()
    networks = [word for network in Routing(ipsec).networks() for word in ("--network", str(network))]
    assert networks
    program = {node: topology.nodeInfo(node).get("program") for node in topology.hosts()}
    assert program == {
        **dict.fromkeys(["controller", "msfc1", "msfc2", "host1"]),
        "HA5-2": [
            *("home_agent.py", "--address", "10.99.11.11", "--home-network", "10.201.0.0/16"),
            *("--config", f"{folder}/ha.ios", "--tunnels"),
        ],
        "HA5-3": ["home_agent.py", "--address", "10.99.11.12", "--home-network", "10.77.0.0/16", "--tunnels"],
        "PDSN-7600": [
            *("pdsn.py", "--address", "15.1.1.51", "--home-agent", "15.1.1.10"),
            *("--config", f"{folder}/pdsn.ios", "--interface", "FastEthernet1/0"),
            *("--tunnels", "--mobile", "1=PDSN-7600-eth1"),
        ],
        "ipsec1": [
            *("ipsec_module.py", "--config", f"{folder}/slb.ios", "--interface", "Vlan15"),
            *(
                "--inside",
                "ipsec1-inside",
                "--outside",
                "ipsec1-outside",
                "--inside-vlan",
                "15",
                "--outside-vlan",
                "16",
            ),
        ],
        "mobile1": [*("mobile_node.py", "--interface", "mobile1-eth0"), *networks],
    }


def test_the_balancer_reaches_its_switch_and_its_vlan(ipsec: Description) -> None:
    """OpenFlow goes by a link that is no port of the switch, DFP through the VLAN."""
    topology = Cisco7600(ipsec)
    (management,) = [
        link for _, _, link in topology.links(withInfo=True) if link["node1"] == "controller" and link["port1"] == 0
    ]
    assert (management["port2"], management["params2"]) == (0, {"ip": "169.254.219.1/30"})
    assert links(topology)["haslb1-sup"]["params1"] == {"ip": "10.99.11.2/24"}
    assert routes(topology, "controller")["15.0.0.0/8"] == "10.99.11.1"


def test_the_outside_vlan_is_joined_to_the_inside_vlan_by_the_module(ipsec: Description) -> None:
    """So the PDSN's router is the interface of the VLAN inside."""
    segments = segments_of(ipsec)
    assert segments.of(Place("SLB1-7600", 16)) == segments.of(Place("SLB1-7600", 15))
    assert Routing(ipsec).gateway(Place("SLB1-7600", 16)) == IPv4Address("15.1.1.15")


def test_a_virtual_address_in_no_network_is_routed_to_the_supervisor(tmp_path: Path) -> None:
    """On a 7600 it need not belong to any interface. The PDSN sends such requests to its router, and the routers of
    other chassis to the supervisor's."""
    for file in SHAPES.glob("remote-sami.*"):
        (tmp_path / file.name).write_text(file.read_text().replace("15.1.1.10", "192.0.2.10"))
    text = (tmp_path / "remote-sami.yaml").read_text()
    second = "  PDSN2: {port: HA-7600 Fa3/21, address: 10.30.1.51/24, home_agent: 192.0.2.10}\nhosts:"
    text = text.replace("hosts:", second).replace(
        "FastEthernet3/20: {vlan: 30}", "Fa3/20: {vlan: 30}\n      Fa3/21: {vlan: 30}"
    )
    (tmp_path / "remote-sami.yaml").write_text(text)
    topology = Cisco7600(tmp_path / "remote-sami.yaml")
    assert {node: routes(topology, node).get("192.0.2.10/32") for node in ("PDSN-7600", "PDSN2", "msfc1", "msfc2")} == {
        "PDSN-7600": "15.1.1.15",
        "PDSN2": "10.30.1.1",
        "msfc1": None,
        "msfc2": "10.20.1.1",
    }


def test_routes_lead_through_the_other_chassis() -> None:
    """The SAMI behind a router: each MSFC has routes to the other's networks and to the home networks."""
    topology = Cisco7600(SHAPES / "remote-sami.yaml")
    assert routes(topology, "msfc1") == {
        "10.99.11.0/24": "10.20.1.2",
        "10.30.1.0/24": "10.20.1.2",
        "10.201.0.0/16": "10.20.1.2",
        "10.202.0.0/16": "10.20.1.2",
    }
    assert routes(topology, "msfc2") == {
        "15.0.0.0/8": "10.20.1.1",
        "10.201.0.0/16": "10.99.11.11",
        "10.202.0.0/16": "10.99.11.12",
    }
    assert topology.nodeInfo("ha7600")["failMode"] == "standalone"


def test_a_host_of_a_shared_vlan_uses_the_router_of_its_own_chassis() -> None:
    """Two supervisors share the home agents' VLAN."""
    topology = Cisco7600(SHAPES / "two-supervisors.yaml")
    assert set(routes(topology, "HA1-7600").values()) == {"10.1.1.1"}
    assert set(routes(topology, "HA2-7600").values()) == {"10.1.1.2"}
    assert routes(topology, "msfc1")["16.0.0.0/8"] == "10.1.1.2"


@pytest.mark.parametrize("path", ALL_SHAPES, ids=lambda path: path.stem)
def test_nothing_leaves_the_networks_of_a_description(path: Path) -> None:
    """No default route anywhere, and every next hop is in a network of the node."""
    topology = Cisco7600(path)
    addresses: dict[str, list[IPv4Network]] = {}
    for _, _, link in topology.links(withInfo=True):
        if "ip" in link.get("params1", {}):
            addresses.setdefault(link["node1"], []).append(IPv4Network(link["params1"]["ip"], strict=False))
    for node in topology.hosts():
        for network, next_hop in topology.nodeInfo(node)["routes"]:
            assert IPv4Network(network).prefixlen > 0
            assert any(IPv4Address(next_hop) in own for own in addresses[node]), (node, network, next_hop)


@pytest.mark.parametrize("path", ALL_SHAPES, ids=lambda path: path.stem)
def test_interfaces_have_names_that_linux_takes(path: Path) -> None:
    """At most 15 characters, and each once in the namespace of the switches."""
    topology = Cisco7600(path)
    found = [
        link[key] for _, _, link in topology.links(withInfo=True) for key in ("intfName1", "intfName2") if key in link
    ]
    assert len(set(found)) == len(found)
    assert max(map(len, found)) <= MAX_INTERFACE_NAME


@pytest.mark.parametrize("path", ALL_SHAPES, ids=lambda path: path.stem)
def test_a_drawing_shows_everything_that_has_a_name(path: Path) -> None:
    """Every part of the chassis is in the drawing."""
    description = read_description(path)
    source = draw(description).source
    for chassis in description.chassis.values():
        assert all(name in source for name in (f"{chassis.name}  ·", f"</b>  {chassis.switch}<br", chassis.msfc))
        assert all(f"VLAN {vlan}" in source for vlan in chassis.vlans)
        assert all(str(port) in source for port in chassis.line_cards)
    nodes: tuple[Union[HomeAgent, Pdsn, Host], ...] = (*description.home_agents, *description.pdsns, *description.hosts)
    for node in nodes:
        assert f"<b>{node.name}</b>" in source
        assert str(node.address) in source
    assert all(f"virtual {pdsn.home_agent}" in source for pdsn in description.pdsns)


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_a_drawing_becomes_svg(ipsec: Description) -> None:
    """Graphviz takes it without complaint."""
    svg = draw(ipsec).pipe(format="svg", encoding="utf-8", quiet=False)
    assert "crypto connect vlan 15" in svg
    assert "GigabitEthernet6/2" in svg


_AS_MN_DOES = """
import sys
from mininet.node import Host, OVSSwitch
path, description = sys.argv[1:]
customs = {}
exec(compile(open(path).read(), path, "exec"), customs, customs)
topology = customs["topos"]["cisco7600"](description)
assert topology.switches() == ["haslb1"]
kinds = {name: topology.nodeInfo(name)["cls"] for name in topology.nodes()}
assert issubclass(kinds.pop("haslb1"), OVSSwitch), kinds
assert kinds and all(issubclass(kind, Host) and kind is not Host for kind in kinds.values()), kinds
assert topology.nodeInfo("haslb1")["failMode"] == "standalone"
"""


def test_stock_mininet_loads_the_topology(tmp_path: Path) -> None:
    """``mn --custom FILE --topo cisco7600,DESCRIPTION`` executes the file without the checkout on its path, and takes
    what ``topos`` names; hosts with routes and switches with VLANs come without a further option."""
    argv = [sys.executable, "-c", _AS_MN_DOES, str(TOPOLOGIES / "cisco7600.py"), str(SHAPES / "two-pdsns.yaml")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_documents_example_can_be_read(tmp_path: Path) -> None:
    """The example of docs/lab/chassis.md has no errors."""
    document = (TOPOLOGIES.parent / "docs" / "lab" / "chassis.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    path = write_chassis(tmp_path, example)
    (tmp_path / "ha5-2.ios").write_text("! direct mode, static weights: nothing to say\n")
    assert [chassis.name for chassis in read_description(path).supervisors] == ["SLB1-7600"]
