"""Neighbours: ARP for the virtual address, and real servers that are found and followed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, Optional

import pytest
from bench import MACS, PDSN, REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from described import ping
from mobile import (
    CHASSIS_MAC,
    CLIENT,
    CLIENT_MAC,
    VIRTUAL,
    arp_reply,
    arp_request,
    frame,
    nai,
    registration,
    request,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether

from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

CONFIGURATION = farm((address, 1) for address in REALS.values()) + virtual_server()
BROADCAST = "ff:ff:ff:ff:ff:ff"
NEW_MAC = "00:00:5e:00:53:aa"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


def to(node: str, name: str) -> bytes:
    """A request that names a home agent."""
    return frame(request(nai(name), home_agent=REALS[node]))


def is_arp(operation: int, address: str) -> Callable[[bytes], bool]:
    def wanted(each: bytes) -> bool:
        received = Ether(each)
        return ARP in received and (received[ARP].op, received[ARP].psrc) == (operation, address)

    return wanted


@contextmanager
def learnt(bench: Bench, node: str, mac: str) -> Iterator[None]:
    """Run the block, then wait until the balancer has found a home agent at this MAC."""
    yield
    line = f"real server {REALS[node]} (HAFARM) is at {mac}"
    wait_until(lambda: line in last_word(bench, node), f"{node} is found at {mac}")


def last_word(bench: Bench, node: str) -> str:
    """The balancer's last log line about the location of a home agent."""
    lines = [line for line in bench.lab.log("controller").splitlines() if REALS[node] in line]
    return lines[-1]


@pytest.mark.parametrize("vlan", [None, 20])
@pytest.mark.parametrize("sender", [CLIENT, "0.0.0.0", "15.1.1.51"])
def test_an_arp_request_for_the_virtual_address_is_answered_for_any_sender(
    bench: Bench, sender: str, vlan: Optional[int]
) -> None:
    """RFC 826. A sender 0.0.0.0 probes whether the address is in use (RFC 5227). The reply has the request's VLAN."""
    with bench.lab.capture(PDSN) as capture:
        bench.send(arp_request(VIRTUAL, sender=sender, vlan=vlan))
        answer = Ether(capture.wait_for(is_arp(2, VIRTUAL)))
    assert (answer.src, answer.dst) == (CHASSIS_MAC, CLIENT_MAC)
    assert (answer[ARP].hwsrc, answer[ARP].hwdst, answer[ARP].pdst) == (CHASSIS_MAC, CLIENT_MAC, sender)
    assert (answer[Dot1Q].vlan if Dot1Q in answer else None) == vlan


def test_a_ping_of_the_virtual_address_is_answered_and_counted_nowhere(bench: Bench) -> None:
    """RFC 1122 section 3.2.2.6: every host answers; an operator's first question to an address is a ping."""
    before = bench.statistics()
    assert ", 0% packet loss" in ping(bench.lab, PDSN, VIRTUAL)
    assert bench.moved_since(before) == {}


def test_an_arp_request_for_the_virtual_address_reaches_no_home_agent(bench: Bench) -> None:
    """Home agents hold it on their loopbacks in dispatched mode, and one that is set up wrongly would answer."""
    with bench.lab.capture("sami1") as capture:
        bench.send(arp_request(VIRTUAL))
        bench.settle()
        heard = [Ether(each) for each in capture.listen(0)]
    assert [each for each in heard if ARP in each and each.pdst == VIRTUAL] == []


def test_the_balancers_own_probes_leave_no_arp_cache_entry(bench: Bench) -> None:
    """Sender 0.0.0.0 (RFC 5227): no cache entry, and a home agent that holds the virtual address answers."""
    with bench.lab.capture("sami1") as capture:
        bench.disconnect()
        bench.connect()
        probed = is_arp(1, "0.0.0.0")  # by broadcast after the connection; before it, and later, by unicast
        asked = Ether(capture.wait_for(lambda each: probed(each) and Ether(each).dst == BROADCAST))
    assert (asked.src, asked[ARP].hwsrc) == (CHASSIS_MAC, CHASSIS_MAC)
    assert asked[ARP].pdst in REALS.values()


def test_a_home_agent_with_another_mac_is_followed(bench: Bench) -> None:
    """A blade was exchanged and sends no ARP: its old address answers no probe, and the new one does."""
    name = "exchange@isp.com"
    assert bench.deliver(to("sami2", name)) == "sami2"
    bench.rule(name)
    host = bench.lab.node("sami2")
    try:
        with learnt(bench, "sami2", NEW_MAC):
            host.cmd(f"ip link set sami2-eth0 address {NEW_MAC}")
        wait_until(lambda: NEW_MAC in bench.rule(name).actions, "its session's rule is placed anew")
        (received,) = bench.exchange(registration(name))["sami2"]
        assert Ether(received).dst == NEW_MAC
    finally:
        with learnt(bench, "sami2", MACS["sami2"]):
            host.cmd(f"ip link set sami2-eth0 address {MACS['sami2']}")
            bench.send(arp_reply(MACS["sami2"], REALS["sami2"], to=BROADCAST), node="sami2")


def test_a_home_agent_that_moves_is_followed_when_its_old_place_is_silent(bench: Bench) -> None:
    """A standby at another port takes over the address, announces itself, and answers; the active one does not."""
    name = "failover@isp.com"
    bench.deliver(to("sami1", name))
    active, standby = bench.lab.node("sami1"), bench.lab.node("sami3")
    active.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=8")
    standby.cmd(f"ip addr add {REALS['sami1']}/32 dev sami3-eth0")
    try:
        with learnt(bench, "sami1", MACS["sami3"]):
            bench.send(arp_reply(MACS["sami3"], REALS["sami1"], to=BROADCAST), node="sami3")
        with bench.lab.capture("sami3") as capture:
            sent = registration(name)
            bench.send(sent)
            assert Ether(capture.wait_for(lambda each: each[14:] == sent[14:])).dst == MACS["sami3"]
    finally:
        standby.cmd(f"ip addr del {REALS['sami1']}/32 dev sami3-eth0")
        active.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
        with learnt(bench, "sami1", MACS["sami1"]):
            bench.send(arp_reply(MACS["sami1"], REALS["sami1"], to=BROADCAST), node="sami1")
    assert bench.deliver(registration(name)) == "sami1"


def test_a_home_agent_that_is_plugged_into_another_port_is_found(bench: Bench) -> None:
    """Its old port disappears, a new one comes up, and the home agent itself sends no ARP."""
    name = "replugged@isp.com"
    bench.deliver(to("sami2", name))
    bench.rule(name)
    for number in (12, 3):
        subprocess.run(["ovs-vsctl", "del-port", SWITCH, f"{SWITCH}-eth3"], check=True)
        wait_until(lambda: not bench.reals()[REALS["sami2"]]["reachable"], "the loss is noticed")
        add = ["ovs-vsctl", "add-port", SWITCH, f"{SWITCH}-eth3", "--", "set", "Interface", f"{SWITCH}-eth3"]
        subprocess.run([*add, f"ofport_request={number}"], check=True)
        wait_until(lambda: bench.reals()[REALS["sami2"]]["reachable"], "it is found again")
        assert bench.deliver(registration(name)) == "sami2"
        end = f"output:{number}"
        wait_until(lambda: bench.rule(name).actions.endswith(end), "its rule leads to the new port")  # noqa: B023


def test_while_a_home_agents_link_is_down_others_take_the_new_sessions(bench: Bench) -> None:
    """A port change is an event, not something to find out by missing answers; the link's return is one too."""
    assert bench.deliver(to("sami2", "cut-off@isp.com")) == "sami2"
    with bench.without("sami2"):
        subprocess.run(["ip", "link", "set", f"{SWITCH}-eth3", "down"], check=True)
        wait_until(lambda: not bench.reals()[REALS["sami2"]]["reachable"], "the loss is noticed")
        nodes = {bench.deliver(registration(f"meanwhile-{number}@isp.com")) for number in range(6)}
        assert nodes == {"sami1", "sami3"}
        moved = bench.deliver(registration("cut-off@isp.com"))
        assert moved in nodes, "a session whose home agent is out of reach moves with its next request"
        subprocess.run(["ip", "link", "set", f"{SWITCH}-eth3", "up"], check=True)
        wait_until(lambda: bench.reals()[REALS["sami2"]]["reachable"], "it is found again")
    assert bench.deliver(registration("cut-off@isp.com")) == moved
    assert "sami2" in {bench.deliver(registration(f"after-{number}@isp.com")) for number in range(3)}


def test_a_home_agent_that_no_longer_answers_gets_no_new_sessions(bench: Bench) -> None:
    """Its link is up, but it does not reply: unreachable after three unanswered probes, found again when it replies."""
    host = bench.lab.node("sami3")
    with bench.without("sami3"):
        host.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=8")
        wait_until(lambda: not bench.reals()[REALS["sami3"]]["reachable"], "the loss is noticed")
        nodes = {bench.deliver(registration(f"silence-{number}@isp.com")) for number in range(6)}
        assert nodes == {"sami1", "sami2"}
        host.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
        wait_until(lambda: bench.reals()[REALS["sami3"]]["reachable"], "it is found again")


@pytest.mark.parametrize("mac", [BROADCAST, "01:00:5e:00:00:01", "00:00:00:00:00:00"])
def test_an_arp_reply_with_a_group_or_null_address_as_mac_is_ignored(bench: Bench, mac: str) -> None:
    """RFC 1812, section 3.3.2: a router must not believe such a reply. Requests would be broadcast, or lost."""
    before = last_word(bench, "sami1")
    bench.send(arp_reply(mac, REALS["sami1"]))
    bench.settle()
    assert last_word(bench, "sami1") == before
