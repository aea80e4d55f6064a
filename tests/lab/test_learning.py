"""A switch that does not forward by itself: Open vSwitch, forced to the balancer's learning table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest
from bench import MACS, PDSN, REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import CLIENT_MAC, arp_request, registration
from open_vswitch import forget_fast_path
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.capture import interface
from haslb_lab.runner.flows import Flow
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.learning.table import MAX_ADDRESSES

pytestmark = pytest.mark.lab

LEARN, REAL_SERVERS = "ip slb datapath 1 switching learn\n", [(address, 1) for address in REALS.values()]
CONFIGURATION = LEARN + farm(REAL_SERVERS) + virtual_server()
DIRECT = LEARN + farm(REAL_SERVERS, "nat server") + virtual_server()
BROADCAST = "ff:ff:ff:ff:ff:ff"


@pytest.fixture(scope="module", params=[CONFIGURATION, DIRECT], ids=["dispatched", "direct"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), request.param)) as running:
        yield running


def learned(bench: Bench, purpose: Purpose = Purpose.FORWARD_LEARNED) -> list[Flow]:
    """The rules of the learning table that are there for addresses."""
    return [flow for flow in bench.lab.flows() if flow.cookie & 0xFF000000FFFFFFFF == purpose.cookie]


def to(mac: str, source: str = CLIENT_MAC, payload: bytes = b"x") -> bytes:
    return bytes(Ether(src=source, dst=mac) / IP(src="10.1.1.101", dst="10.1.1.51") / UDP(dport=9) / payload)


def learn(bench: Bench, node: str) -> None:
    """Have the switch learn a home agent's address: it answers ARP."""
    bench.send(arp_request(REALS[node]))
    wait_until(lambda: is_learned(bench, MACS[node]), "its address is learned")
    forget_fast_path()


def learn_client(bench: Bench) -> None:
    """Have the switch learn the client's address, or what home agents send to it is flooded, also to the others. Behind
    a flood its port is not listened to for a while."""

    def is_learned_now() -> bool:
        bench.send(to(BROADCAST))
        return is_learned(bench, CLIENT_MAC)

    wait_until(is_learned_now, "the client is learned")


def is_learned(bench: Bench, mac: str) -> bool:
    return any(mac in str(flow) for flow in learned(bench))


def port_of(bench: Bench, mac: str) -> str:
    """Where frames to an address go; empty if it is not learned."""
    return next((flow.actions for flow in learned(bench) if mac in str(flow)), "")


def is_at(bench: Bench, mac: str, place: str) -> bool:
    return port_of(bench, mac) == place


def test_no_rule_outputs_to_normal(bench: Bench) -> None:
    assert not [flow for flow in bench.lab.flows() if "NORMAL" in str(flow)]


def test_mobiles_are_dispatched(bench: Bench) -> None:
    learn_client(bench)
    assert {bench.deliver(registration(f"learn-{number}@isp.com")) for number in range(6)} == set(REALS)


def test_frames_to_a_learned_address_reach_its_host_only_and_others_are_flooded(bench: Bench) -> None:
    learn(bench, "sami1")
    sent = to(MACS["sami1"])
    assert bench.exchange(sent) == bench.only("sami1", sent)
    unknown = to("02:00:00:00:0f:01", payload=b"unknown")
    assert all(unknown in frames for node, frames in bench.exchange(unknown).items() if node in REALS)


def test_what_is_learned_is_forwarded_without_the_controller(bench: Bench) -> None:
    learn(bench, "sami2")
    sent, marker = to(MACS["sami2"], payload=b"alone"), to(BROADCAST, payload=b"behind it")
    bench.kill_controller()
    try:
        with bench.lab.capture("sami2") as at_its_host, bench.lab.capture("sami1") as elsewhere:
            bench.send(sent, marker)
            at_its_host.wait_for(lambda each: each == sent)
            elsewhere.wait_for(lambda each: each == marker)
            assert sent not in elsewhere.frames
    finally:
        bench.start()


def test_a_host_that_moves_is_followed(bench: Bench) -> None:
    """Its first frame at the new port is enough, and nothing reaches the old one any more."""
    moving = "02:00:00:00:0f:02"
    for node in ("sami1", "sami3"):
        learn(bench, node)
        bench.send(to(BROADCAST, moving), node=node)
        place = port_of(bench, MACS[node])
        wait_until(partial(is_at, bench, moving, place), "it is learned there")
        forget_fast_path()
        sent = to(moving, payload=node.encode())
        assert bench.exchange(sent) == bench.only(node, sent)


def test_a_home_agent_that_is_plugged_into_another_port_is_followed(bench: Bench) -> None:
    """Its old port disappears and its address is forgotten; a new port comes up, where it is found and learned."""
    learn(bench, "sami2")
    learn_client(bench)
    for number in (12, 3):
        subprocess.run(["ovs-vsctl", "del-port", SWITCH, f"{SWITCH}-eth3"], check=True)
        wait_until(lambda: not is_learned(bench, MACS["sami2"]), "its address is forgotten")
        add = ["ovs-vsctl", "add-port", SWITCH, f"{SWITCH}-eth3", "--", "set", "Interface", f"{SWITCH}-eth3"]
        subprocess.run([*add, f"ofport_request={number}"], check=True)
        wait_until(lambda: bench.reals()[REALS["sami2"]]["reachable"], "it is found again")
        learn(bench, "sami2")
        assert f"output:{number}," in f"{port_of(bench, MACS['sami2'])},"
        sent = to(MACS["sami2"], payload=b"at port %d" % number)
        assert bench.exchange(sent) == bench.only("sami2", sent)
        assert "sami2" in {bench.deliver(registration(f"port-{number}-{each}@isp.com")) for each in range(3)}


#: Sends frames from made-up addresses to its own address, so that no other host gets them: interface, frames a burst,
#: bursts a second, and the number of frames.
FLOOD = """
import socket, struct, sys, time
interface, burst, rate, count, first = sys.argv[1], *map(int, sys.argv[2:])
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind((interface, 0))
own, begin = sender.getsockname()[4], time.monotonic()
for number in range(count):
    sender.send(own + b"\\6" + struct.pack("!xI", first + number) + b"\\x88\\xb6" + bytes(46))
    if not number % burst:
        time.sleep(max(0.0, begin + number / burst / rate - time.monotonic()))
"""
#: Made-up addresses. The switch drops most of the frames of a flood that is faster.
FLOODED, BURST, RATE = 100_000, 100, 200


def pings(bench: Bench, node: str, address: str) -> bool:
    argv = ["ping", "-c", "1", "-W", "5", address]
    return bench.lab.run(node, argv, stdout=subprocess.DEVNULL).wait() == 0


def test_a_hundred_thousand_made_up_addresses_take_nothing_from_bystanders_and_known_hosts(bench: Bench) -> None:
    """docs/switches.md: made-up addresses displace no addresses of other ports, and fill no more than their share."""
    for node in ("sami1", "sami3"):
        learn(bench, node)
    assert pings(bench, "sami1", REALS["sami3"])
    argv = [sys.executable, "-c", FLOOD, interface(PDSN), str(BURST), str(RATE), str(FLOODED), "0"]
    flood = bench.lab.run(PDSN, argv)
    answered = []
    while flood.poll() is None:
        answered.append(pings(bench, "sami1", REALS["sami3"]))
    assert flood.returncode == 0
    assert any(answered)
    assert len(learned(bench)) <= MAX_ADDRESSES // 2 + 16
    assert all(is_learned(bench, MACS[node]) for node in ("sami1", "sami3"))
    forget_fast_path()
    sent = to(MACS["sami1"], payload=b"behind the flood")
    assert bench.exchange(sent) == bench.only("sami1", sent)
    learn(bench, "sami2")
    learn_client(bench)
    assert bench.deliver(registration("behind-the-flood@isp.com")) in REALS


def test_many_addresses_of_a_port_that_goes_down_are_forgotten_and_no_others(bench: Bench) -> None:
    """They are deleted by port and cookie, in slices (docs/switches.md)."""
    for node, count, first in (("sami3", 30, FLOODED), ("sami2", 150, 2 * FLOODED)):
        argv = [sys.executable, "-c", FLOOD, interface(node), "10", "12", str(count), str(first)]
        assert bench.lab.run(node, argv).wait() == 0
        learn(bench, node)
    of_port, elsewhere = port_of(bench, MACS["sami2"]), port_of(bench, MACS["sami3"])
    wait_until(lambda: len(learned_at(bench, elsewhere)) > 20, "the made-up addresses of another port are learned")
    wait_until(lambda: len(learned_at(bench, of_port)) > 100, "those of this port are learned")
    others = learned_at(bench, elsewhere)
    for state in ("down", "up"):
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "mod-port", SWITCH, f"{SWITCH}-eth3", state], check=True)
        wait_until(lambda: len(learned_at(bench, of_port)) < 10, "they are forgotten")
    assert others <= learned_at(bench, elsewhere)
    wait_until(lambda: bench.reals()[REALS["sami2"]]["reachable"], "the home agent is found again")
    learn(bench, "sami2")


def learned_at(bench: Bench, place: str) -> set[str]:
    """The addresses that are learned at a port."""
    return {flow.match["dl_dst"] for flow in learned(bench) if flow.actions == place}


def test_a_restart_recovers_sessions_and_retiring_leaves_a_hub(bench: Bench) -> None:
    learn_client(bench)
    home = bench.deliver(registration("stays@isp.com"))
    bench.rule("stays@isp.com")
    bench.kill_controller()
    bench.start()
    learn_client(bench)
    assert bench.deliver(registration("stays@isp.com")) == home
    bench.lab.retire()
    wait_until(lambda: not learned(bench), "the rules are gone")
    ours = {flow.cookie for flow in bench.lab.flows() if flow.cookie & 0xFFFF == 0x51B7}
    assert ours == {each.cookie for each in (Purpose.PASS_OTHER, Purpose.FLOOD_UNKNOWN, Purpose.DROP_RESERVED)}
    sent = to(MACS["sami1"], payload=b"retired")
    assert sent in bench.exchange(sent)["sami1"]
