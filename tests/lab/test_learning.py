"""A switch that does not forward by itself: Open vSwitch, forced to the balancer's learning table."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from bench import MACS, REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import CLIENT_MAC, arp_request, registration
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from haslb_lab.runner.flows import Flow
from haslb_lab.runner.lab import Lab
from ryu_haslb.openflow.learning import MAX_ADDRESSES_OF_PORT
from ryu_haslb.openflow.pipeline import Purpose

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


def learn_client(bench: Bench) -> None:
    """Have the switch learn the client's address, or what home agents send to it is flooded, also to the others. Behind
    a flood its port is not listened to for a while."""

    def is_learned_now() -> bool:
        bench.send(to(BROADCAST))
        return is_learned(bench, CLIENT_MAC)

    wait_until(is_learned_now, "the client is learned")


def made_up(number: int) -> str:
    return (0x060000000000 | number).to_bytes(6, "big").hex(":")


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
        sent = to(moving, payload=node.encode())
        assert bench.exchange(sent) == bench.only(node, sent)


def test_made_up_addresses_fill_no_more_than_the_share_of_their_port(bench: Bench) -> None:
    """10,000 addresses from one port; those of others are still learned, and mobiles served.

    The frames are for the host that sends them, so that no other gets them.
    """
    learn(bench, "sami1")
    wait_until(lambda: is_learned(bench, CLIENT_MAC), "the sender is learned")
    for first in range(0, 10_000, 5_000):
        bench.send(*(to(CLIENT_MAC, made_up(number)) for number in range(first, first + 5_000)))
    bench.finish_sending()
    assert len(learned(bench)) <= MAX_ADDRESSES_OF_PORT + 16
    learn(bench, "sami3")
    learn_client(bench)
    assert bench.deliver(registration("after-the-flood@isp.com")) in REALS


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
