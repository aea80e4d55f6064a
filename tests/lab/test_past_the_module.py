"""Nothing gets past the IPsec module: a virtual address that a crypto map protects lives inside.

A stranger connects a host to a port that no configuration names. The chassis also has a PDSN without IPsec in another
VLAN, whose requests the MSFC routes to the protected address.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bench import wait_until
from described import statistics
from ipsec_chassis import (
    CLIENT,
    DESCRIPTION,
    HOME_AGENTS,
    INSIDE_HOST,
    INSIDE_VLAN,
    INTRUDER,
    MODULE,
    OUTSIDE_VLAN,
    PDSN,
    ROUTER,
    VIRTUAL,
    IpsecLab,
    is_marker,
)
from mobile import CHASSIS_MAC, nai, request
from open_vswitch import count_fast_path, forget_fast_path
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner import janitor
from haslb_lab.runner.flows import Flow
from ryu_haslb.cli.client import ControlClient
from ryu_haslb.control.protocol import SEPARATOR, is_error
from ryu_haslb.openflow.flow_tables.pipeline import Purpose

pytestmark = pytest.mark.lab

STRANGER, STRANGERS_ADDRESS = "stranger", "15.1.1.88"
TRUNK = "trunk"
ROUTED, ROUTED_ADDRESS = "PDSN-20", "20.1.1.51"
CHASSIS = (
    DESCRIPTION.replace("      99: {interface", "      20: {interface: 20.1.1.1/24}\n      99: {interface")
    .replace("    ipsec_module:", "      FastEthernet3/30: {vlan: 20}\n    ipsec_module:")
    .replace("pdsns:\n", f"pdsns:\n  {ROUTED}: {{port: SLB-7600 FastEthernet3/30, address: {ROUTED_ADDRESS}/24, "
             f"home_agent: {VIRTUAL}}}\n")
)  # fmt: skip

SEND = (
    "import socket, sys; sender = socket.socket(type=socket.SOCK_DGRAM);"
    "[sender.sendto(bytes.fromhex(each), (sys.argv[1], 434)) for each in sys.argv[2:]]"
)
"""A program that sends datagrams as any host does: with ARP and routes of its own."""


@pytest.fixture(scope="module")
def chassis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IpsecLab]:
    with IpsecLab(tmp_path_factory.mktemp("chassis"), description=CHASSIS) as lab:
        lab.secure()
        lab.plug_in(STRANGER, f"{STRANGERS_ADDRESS}/8", vlan=OUTSIDE_VLAN)
        lab.plug_in(TRUNK, "15.1.1.89/8")
        yield lab


@pytest.fixture
def lab(chassis: IpsecLab) -> IpsecLab:
    """The chassis with its security association up and counters at 0."""
    chassis.secure()
    chassis.command(MODULE, "clear crypto counters")
    return chassis


def mac(lab: IpsecLab, node: str) -> str:
    return str(lab.node(node).intf(f"{node}-eth0").MAC())


def clear_request(name: str, source: str = CLIENT) -> Packet:
    """A request in clear."""
    return IP(src=source, dst=VIRTUAL) / UDP(sport=434, dport=434) / request(nai(name))


@contextmanager
def no_request_is_served(lab: IpsecLab) -> Iterator[None]:
    """Check that packets sent in the block cause no request, no session and no binding."""
    bound, requests, sessions = lab.bound(), statistics(lab)["requests"], lab.sessions()
    yield
    outcome = lab.register(7000, 1)
    assert outcome["registered"] == 1, "the balancer is well, and has dealt with all that came before"
    requests += 1 + outcome["retransmissions"]
    wait_until(lambda: statistics(lab)["requests"] >= requests, "the balancer has counted this request")
    assert (lab.bound(), statistics(lab)["requests"]) == (bound + 1, requests)
    assert len(lab.sessions() - sessions) <= 1
    lab.deregister(7000, 1)


@contextmanager
def nothing_leaks(lab: IpsecLab) -> Iterator[None]:
    """Check that no packet sent in the block reaches the virtual address in the inside VLAN."""
    with lab.tap("inside") as inside:
        yield
        marker = lab.marker()
        lab.send(INTRUDER, [bytes(Ether(src=mac(lab, INTRUDER), dst="ff:ff:ff:ff:ff:ff") / marker)])
        inside.wait_for(is_marker(marker))
        assert inside.which(lambda packet: IP in packet and packet[IP].dst == VIRTUAL) == []


def unprotected_rules(lab: IpsecLab) -> list[Flow]:
    """The rules for what the MSFC routes although it had to be encrypted."""
    return [flow for flow in lab.flows() if flow.cookie == Purpose.DROP_UNPROTECTED.cookie]


def unprotected(lab: IpsecLab) -> int:
    """How many packets the MSFC has routed that had to be encrypted."""
    count_fast_path()
    return sum(flow.packets for flow in unprotected_rules(lab))


# A stranger on the outside VLAN


def test_a_strangers_own_requests_are_dropped_and_counted(lab: IpsecLab) -> None:
    """It acts as a PDSN would, without a key: ARP for the virtual address, then requests to the address in the reply.
    IOS would let them pass, because no access list names the sender; here no client is served in clear."""
    datagrams = [request(nai(f"stranger-{number}@isp.com")).hex() for number in range(8)]
    with no_request_is_served(lab), nothing_leaks(lab):
        assert lab.run(STRANGER, [sys.executable, "-c", SEND, VIRTUAL, *datagrams]).wait() == 0
        wait_until(lambda: lab.security(MODULE)["recv_errors"] == 8, "the module counts them")
    assert CHASSIS_MAC in lab.output(STRANGER, "ip", "neigh", "show", VIRTUAL)


def test_neither_is_anything_else_that_it_sends_to_a_protected_address(lab: IpsecLab) -> None:
    with no_request_is_served(lab), nothing_leaks(lab):
        lab.run(STRANGER, ["ping", "-c3", "-i0.2", "-W1", VIRTUAL], stdout=subprocess.DEVNULL).wait()
        wait_until(lambda: lab.security(MODULE)["recv_errors"] == 3, "the module counts them")
    assert lab.dropped()["clear_text"] >= 3


@pytest.mark.parametrize("to", ["the chassis", "the router", "broadcast", "the balancer's other switches"])
@pytest.mark.parametrize("source", [CLIENT, STRANGERS_ADDRESS, VIRTUAL])
def test_nor_does_it_help_to_take_another_name(lab: IpsecLab, to: str, source: str) -> None:
    """The PDSN's address or the virtual one, and every Ethernet address by which one might get in."""
    router = lab.node(ROUTER).intf(f"{ROUTER}-vlan{INSIDE_VLAN}").MAC()
    addresses = {
        "the chassis": (mac(lab, STRANGER), CHASSIS_MAC),
        "the router": (mac(lab, STRANGER), router),
        "broadcast": (mac(lab, STRANGER), "ff:ff:ff:ff:ff:ff"),
        "the balancer's other switches": ("02:51:b7:00:00:09", router),
    }
    ethernet = Ether(**dict(zip(("src", "dst"), addresses[to])))
    with no_request_is_served(lab), nothing_leaks(lab):
        lab.send(STRANGER, [bytes(ethernet / clear_request("named@isp.com", source))] * 4)
        wait_until(lambda: lab.security(MODULE)["recv_errors"] == 4, "the module counts them")


def test_arp_for_the_virtual_address_is_answered_through_the_module_alone(lab: IpsecLab) -> None:
    """Once, and from inside."""
    question = ARP(op=1, hwsrc=mac(lab, STRANGER), psrc=STRANGERS_ADDRESS, pdst=VIRTUAL)
    with lab.tap("inside") as inside, lab.capture(STRANGER) as capture:
        lab.send(STRANGER, [bytes(Ether(src=mac(lab, STRANGER), dst="ff:ff:ff:ff:ff:ff") / question)])
        (answer,) = inside.wait_for(is_answer)
        assert (answer[Dot1Q].vlan, answer[ARP].hwsrc) == (INSIDE_VLAN, CHASSIS_MAC)
        capture.wait_for(lambda frame: is_answer(Ether(frame)))
        assert len([frame for frame in capture.listen(0.2) if is_answer(Ether(frame))]) == 1


def is_answer(packet: Packet) -> bool:
    """Whether it is an ARP reply for the virtual address."""
    return ARP in packet and packet[ARP].op == 2 and packet[ARP].psrc == VIRTUAL


# At other ports


@pytest.mark.parametrize("vlan", [None, INSIDE_VLAN, OUTSIDE_VLAN])
def test_a_stranger_with_all_vlans_at_once_is_not_served(lab: IpsecLab, vlan: int) -> None:
    """A port without a VLAN of its own, as `ovs-vsctl add-port` makes it."""
    ethernet = Ether(src=mac(lab, TRUNK), dst=CHASSIS_MAC)
    packet = clear_request("trunk@isp.com")
    with no_request_is_served(lab):
        lab.send(TRUNK, [bytes(ethernet / Dot1Q(vlan=vlan) / packet if vlan else ethernet / packet)] * 3)


def test_the_inside_vlan_itself_is_no_way_in(lab: IpsecLab) -> None:
    """A host there has no key either. As the crypto map has it, only the module and the VLAN interface lead in."""
    ethernet = Ether(src=mac(lab, INSIDE_HOST), dst=CHASSIS_MAC)
    with no_request_is_served(lab):
        lab.send(INSIDE_HOST, [bytes(ethernet / clear_request("inside@isp.com", "15.1.1.77"))])


def test_no_host_outside_of_the_module_is_taken_for_a_home_agent(lab: IpsecLab) -> None:
    """A host that claims to be one would get in clear what the module has decrypted."""
    with lab.tap("outside") as out, lab.tap("inside") as inside:
        for address in HOME_AGENTS.values():
            claim = ARP(op=2, hwsrc=mac(lab, INTRUDER), psrc=address, hwdst=CHASSIS_MAC, pdst=VIRTUAL)
            for to in (CHASSIS_MAC, "ff:ff:ff:ff:ff:ff"):
                lab.send(INTRUDER, [bytes(Ether(src=mac(lab, INTRUDER), dst=to) / claim)])
        inside.wait_for(lambda packet: ARP in packet and packet[ARP].psrc in HOME_AGENTS.values(), 4)
        assert lab.register(7100, 4)["registered"] == 4
        clear = out.which(lambda packet: UDP in packet and packet[UDP].dport == 434 and packet[IP].src == CLIENT)
        assert clear == []
    assert f"is at {mac(lab, INTRUDER)}" not in lab.log(CONTROLLER), "not even until the home agents are asked again"
    lab.deregister(7100, 4)


# From another VLAN


def test_a_pdsn_in_another_vlan_is_served_as_on_ios(lab: IpsecLab) -> None:
    """The MSFC routes its requests to the VLAN interface: they never were outside, and no access list names it."""
    before = lab.dropped()["clear_text"]
    with lab.tap("inside") as inside:
        assert lab.register(7200, 4, ROUTED)["registered"] == 4
        assert inside.which(lambda packet: IP in packet and ROUTED_ADDRESS in (packet[IP].src, packet[IP].dst)) == []
    clients = {row["client"] for row in lab.query(CONTROLLER, "show ip slb sessions")}
    assert ROUTED_ADDRESS in clients
    assert lab.dropped()["clear_text"] == before
    lab.deregister(7200, 4, ROUTED)


def test_unless_the_access_list_says_that_it_had_to_be_encrypted(lab: IpsecLab) -> None:
    """The rules follow the configuration: with the PDSN in the access list the same requests are dropped."""
    rule = f"access-list 101 permit ip host {VIRTUAL} host {ROUTED_ADDRESS}"
    rules = len(unprotected_rules(lab))
    config(rule)
    try:
        wait_until(lambda: len(unprotected_rules(lab)) > rules, "the rules follow")
        forget_fast_path()
        before, bound = unprotected(lab), lab.bound()
        datagram = request(nai("routed@isp.com")).hex()
        assert lab.run(ROUTED, [sys.executable, "-c", SEND, VIRTUAL, datagram]).wait() == 0
        wait_until(lambda: unprotected(lab) == before + 1, "the rule counts it")
        assert lab.bound() == bound
    finally:
        config("no access-list 101", f"access-list 101 permit ip host {VIRTUAL} host {CLIENT}")
    assert lab.register(7200, 1, ROUTED)["registered"] == 1
    lab.deregister(7200, 1, ROUTED)


def test_requests_from_the_pdsns_address_in_another_vlan_are_dropped(lab: IpsecLab) -> None:
    """The MSFC routes it; what the access list names has to come from the module."""
    ethernet = Ether(src=mac(lab, ROUTED), dst=lab.node(ROUTER).intf(f"{ROUTER}-vlan20").MAC())
    before = unprotected(lab)
    with no_request_is_served(lab), nothing_leaks(lab):
        lab.send(ROUTED, [bytes(ethernet / clear_request("spoofed@isp.com"))] * 3)
        wait_until(lambda: unprotected(lab) == before + 3, "the rule counts them")


def config(*commands: str) -> None:
    client = ControlClient(str(janitor.DIRECTORY / f"{CONTROLLER}.control"))
    answer = b"".join(client.ask(["config", SEPARATOR.join(commands)]))
    assert not is_error(answer), answer


def test_the_pdsn_with_the_key_is_served_all_along(lab: IpsecLab) -> None:
    assert lab.register(7300, 4, PDSN)["registered"] == 4
    assert lab.security(MODULE)["recv_errors"] == 0
