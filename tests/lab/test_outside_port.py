"""Outside of the IPsec module (examples 5 and 6 of the chapter): what comes in there in clear is not the balancer's.

The PDSN's port is FastEthernet3/15, `crypto connect vlan 15`: the balancer sees its requests when the module has
decrypted them, and not before. No crypto map protects the virtual address of these tests, so every other port leads to
it; `test_past_the_module.py` has one that is protected.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Interface
from typing import Any, Optional

import pytest
from bench import MACS, PDSN, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import CHASSIS_MAC, CLIENT_MAC, VIRTUAL, arp_request, as_dispatched, registration
from open_vswitch import forget_fast_path
from scapy.layers.l2 import ARP, Ether

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.chassis.topology import NodePort, SwitchPort
from haslb_lab.runner import janitor
from haslb_lab.runner.lab import Lab
from ryu_haslb.cli.client import ControlClient
from ryu_haslb.control.protocol import SEPARATOR, is_error
from ryu_haslb.openflow.flow_tables.pipeline import Purpose

pytestmark = pytest.mark.lab

OUTSIDE, PORT_NAME = "pdsn2", "fa3-15"
PORT = f"{SWITCH}-{PORT_NAME}"
CONNECT = ("interface FastEthernet3/15", "crypto connect vlan 15")
MODULE = """\
interface GigabitEthernet6/1
 switchport trunk allowed vlan 1,15,1002-1005
interface GigabitEthernet6/2
 switchport trunk allowed vlan 1,16,1002-1005
interface FastEthernet3/15
 crypto connect vlan 15
interface Vlan15
 ip address 15.1.1.15 255.0.0.0
"""


class OutsideChassis(PlainChassis):
    """A chassis with a second PDSN at FastEthernet3/15."""

    def _add(self, switch: str, name: str, port: int, loopback: Optional[str]) -> None:
        if name != OUTSIDE:
            super()._add(switch, name, port, loopback)
            return
        self.add_node(name, mac=MACS[name])
        address = IPv4Interface(f"10.1.1.{200 + port}/24")
        self.attach(NodePort(name, address=address), SwitchPort(switch, PORT_NAME, number=port))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    topology = OutsideChassis(reals=("sami1", OUTSIDE), loopback=None)
    text = farm([("10.1.1.51", 1)]) + virtual_server() + MODULE
    with Bench(Lab(topology, text), reals={"sami1": "10.1.1.51"}) as running:
        yield running


def clear_text(name: str, **fields: Any) -> bytes:
    """A mobile's registration in clear, from outside; unless told otherwise the home agent's port is where it goes."""
    return registration(name, mac=MACS[OUTSIDE], **{"to": MACS["sami1"], **fields})


def require_only_switched(bench: Bench, name: str) -> None:
    """Send a request in clear from outside: it leaves the switch unchanged, and the balancer does not count it."""
    before = bench.statistics()["requests"]
    sent = clear_text(name)
    with bench.lab.capture("sami1") as capture:
        bench.send(sent, node=OUTSIDE)
        capture.wait_for(lambda each: name.encode() in each)
        bench.settle()  # the balancer has done its part, if it had any
        (received,) = [each for each in capture.frames if name.encode() in each]
    assert received == sent
    assert (bench.statistics()["requests"], name in bench.sessions()) == (before, False)


def answers(bench: Bench, node: str) -> list[str]:
    """Who answers a node that asks for the virtual address."""
    with bench.lab.capture("sami1") as flood, bench.lab.capture(node) as capture:
        bench.send(arp_request(VIRTUAL, mac=MACS[node], sender="10.1.1.250"), node=node)
        if node == OUTSIDE:
            flood.wait_for(lambda each: is_question(each, MACS[node]))
        else:
            capture.wait_for(is_answer)
        bench.settle()
        return [str(Ether(each)[ARP].hwsrc) for each in capture.listen(0.2) if is_answer(each)]


def is_question(each: bytes, mac: str) -> bool:
    """Whether a frame asks for the virtual address, on behalf of that sender."""
    packet = Ether(each)
    return ARP in packet and (packet[ARP].op, packet[ARP].pdst, packet[ARP].hwsrc) == (1, VIRTUAL, mac)


def is_answer(each: bytes) -> bool:
    """Whether a frame is an ARP reply for the virtual address."""
    packet = Ether(each)
    return ARP in packet and (packet[ARP].op, packet[ARP].psrc) == (2, VIRTUAL)


def outside_rules(bench: Bench) -> list[str]:
    """The ports of the rules that pass what comes in outside."""
    return [flow.match["in_port"] for flow in bench.rules(Purpose.PASS_OUTSIDE.cookie)]


def await_outside_rules(bench: Bench, *ports: str) -> None:
    """Wait until there are such rules for these ports, and frames go by them."""
    wait_until(lambda: outside_rules(bench) == list(ports), f"rules pass what comes in at {ports or 'no port'}")
    forget_fast_path()


def config(*commands: str) -> None:
    client = ControlClient(str(janitor.DIRECTORY / f"{CONTROLLER}.control"))
    answer = b"".join(client.ask(["config", SEPARATOR.join(commands)]))
    assert not is_error(answer), answer


def test_a_request_in_clear_from_outside_is_not_intercepted(bench: Bench) -> None:
    require_only_switched(bench, "outside@isp.com")


def test_not_even_one_to_the_chassis_itself_is(bench: Bench) -> None:
    """Otherwise a host without a key could be balanced: it would only have to learn the chassis address."""
    before = bench.statistics()["requests"]
    with bench.lab.capture("sami1") as capture:
        bench.send(clear_text("chassis@isp.com", to=CHASSIS_MAC), clear_text("behind@isp.com"), node=OUTSIDE)
        capture.wait_for(lambda each: b"behind@isp.com" in each)
    bench.settle()
    assert (bench.statistics()["requests"], "chassis@isp.com" in bench.sessions()) == (before, False)


def test_the_same_request_from_another_port_is(bench: Bench) -> None:
    sent = registration("inside@isp.com", mac=CLIENT_MAC)
    assert bench.exchange(sent) == bench.only("sami1", as_dispatched(sent, MACS["sami1"], bench.source()))


def test_arp_for_the_virtual_address_is_answered_inside_and_not_outside(bench: Bench) -> None:
    assert answers(bench, PDSN) == [CHASSIS_MAC]
    assert answers(bench, OUTSIDE) == []


def test_a_configured_port_that_the_switch_lacks_is_in_the_log(bench: Bench) -> None:
    """The module's outside port is not there in this chassis."""
    assert "has no port GigabitEthernet6/2 (gi6-2)" in bench.lab.log(CONTROLLER)


def test_the_rule_follows_the_configuration(bench: Bench) -> None:
    """`no crypto connect vlan 15`: then the port is one like any other."""
    config(CONNECT[0], f"no {CONNECT[1]}")
    await_outside_rules(bench)
    sent = clear_text("connected@isp.com", to=CHASSIS_MAC)
    assert bench.deliver(sent, node=OUTSIDE) == "sami1"
    assert "connected@isp.com" in bench.sessions()
    config(*CONNECT)
    await_outside_rules(bench, "3")
    require_only_switched(bench, "unconnected@isp.com")


def test_the_rule_follows_the_port_to_another_number(bench: Bench) -> None:
    subprocess.run(["ovs-vsctl", "set", "Interface", PORT, "ofport_request=77"], check=True)
    await_outside_rules(bench, "77")
    require_only_switched(bench, "renumbered@isp.com")


def test_the_rule_comes_back_with_the_switch(bench: Bench) -> None:
    bench.restart()
    await_outside_rules(bench, "77")
    require_only_switched(bench, "restarted@isp.com")
