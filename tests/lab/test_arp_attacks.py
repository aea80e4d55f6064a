"""Forged ARP from every port, in every VLAN: no home agent moves, and none that is nowhere appears (RFC 826).

The switch is set up as a 7600 is: home agents on access ports of VLAN 15, subscribers in VLAN 16, a stranger on an
access port of VLAN 20, and a trunk to an ordinary switch with a host in VLAN 15 and one in VLAN 30. The balancer sees
the frames of access ports without a tag.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Optional

import pytest
from bench import MACS, PDSN, SECOND_SWITCH, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import CHASSIS_MAC, VIRTUAL, arp_request, nai, registration, request
from mobile import frame as frame_of
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet

from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

#: sami3 has the third address, in another VLAN than the one that holds it.
REALS = {"sami1": "10.1.1.51", "sami2": "10.1.1.52"}
ABSENT = "10.1.1.53"
HOME_AGENTS, SUBSCRIBERS, STRANGERS, ELSEWHERE = 15, 16, 20, 30
PORTS = {
    f"{SWITCH}-eth1": SUBSCRIBERS,
    f"{SWITCH}-eth2": HOME_AGENTS,
    f"{SWITCH}-eth3": HOME_AGENTS,
    f"{SWITCH}-eth4": STRANGERS,
    f"{SECOND_SWITCH}-eth1": HOME_AGENTS,
    f"{SECOND_SWITCH}-eth2": ELSEWHERE,
}
BROADCAST = "ff:ff:ff:ff:ff:ff"
CONFIGURATION = (
    f"interface Vlan{HOME_AGENTS}\n ip address 10.1.1.1 255.255.255.0\n!\n"
    + farm([(address, 1) for address in REALS.values()])
    + f"ip slb serverfarm HAFARM\n real {ABSENT}\n!\n"
    + virtual_server(300, f"client vlan {SUBSCRIBERS}")
)


class VlanLab(Lab):
    """The second switch is an ordinary one that is not balanced, behind a trunk."""

    def connect_switch(self, switch: Optional[str] = None) -> None:
        """Set the VLANs of all ports before the balancer comes."""
        for port, vlan in PORTS.items():
            subprocess.run(["ovs-vsctl", "set", "Port", port, f"tag={vlan}"], check=True)
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flow", SECOND_SWITCH, "actions=NORMAL"], check=True)
        super().connect_switch(SWITCH)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    topology = PlainChassis(second=("pdsn2", "router"))
    with Bench(VlanLab(topology, CONFIGURATION), reals=REALS) as running:
        yield running


def forged(mac: str, address: str) -> Iterator[Packet]:
    """ARP packets that claim an address, without Ethernet header and tags; the destination in ``overload_fields``."""
    yield ARP(op=1, hwsrc=mac, psrc=address, pdst=address)
    yield ARP(op=2, hwsrc=mac, psrc=address, hwdst=BROADCAST, pdst=address)
    yield ARP(op=2, hwsrc=mac, psrc=address, hwdst=CHASSIS_MAC, pdst="0.0.0.0")
    yield ARP(op=1, hwsrc=mac, psrc=address, pdst=VIRTUAL)
    yield ARP(op=1, hwsrc=mac, psrc=address, pdst="10.1.1.1")
    yield ARP(op=1, hwsrc=mac, psrc="0.0.0.0", pdst=address)  # as a host that is about to take it (RFC 5227)
    for operation in (1, 2):
        yield ARP(op=operation, hwsrc=mac, psrc=VIRTUAL, pdst=address)
        yield ARP(op=operation, hwsrc=mac, psrc=VIRTUAL, pdst=VIRTUAL)
    for operation in (0, 3, 4, 8, 9, 65535):
        yield ARP(op=operation, hwsrc=mac, psrc=address, hwdst=CHASSIS_MAC, pdst=address)
    for sender in (BROADCAST, "01:00:5e:00:00:01", "00:00:00:00:00:00", CHASSIS_MAC, "02:66:66:66:66:66"):
        yield ARP(op=2, hwsrc=sender, psrc=address, hwdst=CHASSIS_MAC, pdst="0.0.0.0")
    yield ARP(op=2, hwtype=6, hwsrc=mac, psrc=address, hwdst=CHASSIS_MAC)


def tags() -> Iterator[tuple[Packet, ...]]:
    """No tag, one of each VLAN, of priority only, two tags, a provider's."""
    yield ()
    for vlan in (0, HOME_AGENTS, SUBSCRIBERS, STRANGERS, ELSEWHERE, 4094):
        yield (Dot1Q(vlan=vlan),)
    for outer in (HOME_AGENTS, STRANGERS, ELSEWHERE):
        yield Dot1Q(vlan=outer), Dot1Q(vlan=HOME_AGENTS)
        yield Dot1AD(vlan=outer), Dot1Q(vlan=HOME_AGENTS)
    yield (Dot1AD(vlan=HOME_AGENTS),)


def attack(*addresses: str) -> list[bytes]:
    """Every forged packet under every tag, to everybody, to the chassis and to an address as probes have it.

    The claimant changes its Ethernet address, so that it is not muted for sending too much.
    """
    frames: list[bytes] = []
    for address in addresses:
        for tag in tags():
            mac = f"02:66:66:66:{len(frames) >> 8:02x}:{len(frames) & 255:02x}"
            for packet in forged(mac, address):
                for to in (BROADCAST, CHASSIS_MAC, "06:51:b7:00:00:00"):
                    ethernet = Ether(src=mac, dst=to)
                    for each in tag:
                        ethernet /= each
                    frames.append(bytes(ethernet / packet))
    return frames


def moves(bench: Bench, address: str) -> list[str]:
    """The balancer's log lines about where a home agent is."""
    text = f"real server {address} (HAFARM) is at"
    return [line for line in bench.lab.log("controller").splitlines() if text in line]


STRANGERS_MAC = "02:66:66:66:66:66"


@pytest.mark.parametrize("node", ["sami3", "pdsn2", "router"])
def test_a_host_that_claims_the_virtual_address_gets_no_request(bench: Bench, node: str) -> None:
    """A client may believe it. Requests go by the virtual address, and not by the Ethernet address that they bear."""
    claims = [
        bytes(
            Ether(src=STRANGERS_MAC, dst=BROADCAST) / ARP(op=operation, hwsrc=STRANGERS_MAC, psrc=VIRTUAL, pdst=VIRTUAL)
        )
        for operation in (1, 2)
    ]
    with bench.lab.capture(node) as capture:
        bench.send(*claims, node=node)
        misled = frame_of(request(nai(f"misled-{node}@isp.com")), to=STRANGERS_MAC)
        assert bench.deliver(misled) in REALS
        bench.settle()
        assert not any(b"misled" in each for each in capture.listen(0.1))
    assert "Traceback" not in bench.lab.log("controller")


@pytest.mark.parametrize("node", [PDSN, "sami2", "sami3", "pdsn2", "router"])
def test_forged_arp_from_any_port_moves_no_home_agent_that_lives(bench: Bench, node: str) -> None:
    """Every claimant is refused: those of the home agents' own VLAN too, which see the probes."""
    name = f"victim-{node}@isp.com"
    sent = frame_of(request(nai(name), home_agent=REALS["sami1"]))
    assert bench.deliver(sent) == "sami1"
    before = moves(bench, REALS["sami1"])
    frames = attack(REALS["sami1"], ABSENT)
    for start in range(0, len(frames), 25):
        bench.send(*frames[start : start + 25], node=node)
        named = request(nai(f"{start}-{name}"), home_agent=REALS["sami1"])  # one mobile's would be retransmissions
        assert bench.deliver(frame_of(named)) == "sami1"
    bench.settle()
    assert moves(bench, REALS["sami1"]) == before
    assert bench.reals()[REALS["sami1"]]["reachable"]
    assert not bench.reals()[ABSENT]["reachable"], "it is in no VLAN that holds its address"
    assert "Traceback" not in bench.lab.log("controller")


def test_forged_arp_from_every_port_at_once_moves_no_mobile(bench: Bench) -> None:
    """About home agents, the virtual address and the chassis, the home agents' own ports among them."""
    names = [f"street-{number}@isp.com" for number in range(6)]
    homes = {name: bench.deliver(registration(name)) for name in names}
    before = {address: moves(bench, address) for address in REALS.values()}
    frames = attack(*REALS.values(), VIRTUAL, "10.1.1.1")
    nodes = [PDSN, *REALS, "sami3", "pdsn2", "router"]
    for begin, (name, home) in zip(range(0, len(frames), len(frames) // len(homes) + 1), homes.items()):
        for node in nodes:
            bench.send(*frames[begin : begin + len(frames) // len(homes) + 1], node=node)
        assert bench.retransmit(registration(name)) == home
    for node in nodes[1:]:
        bench.finish_sending(node)
    bench.settle()
    assert {name: row["real"] for name, row in bench.sessions().items() if name in names} == {
        name: REALS[home] for name, home in homes.items()
    }
    assert {address: moves(bench, address) for address in REALS.values()} == before
    assert "Traceback" not in bench.lab.log("controller")


def test_a_host_of_another_vlan_that_has_the_address_is_never_found(bench: Bench) -> None:
    """sami3 answers every ARP request for its address that it sees; it sees none."""
    assert not bench.reals()[ABSENT]["reachable"]
    assert moves(bench, ABSENT) == []


def test_the_address_of_a_dead_home_agent_does_not_go_to_another_vlan(bench: Bench) -> None:
    """Hosts of three other VLANs have its address and announce it. When it lives again, it is where it was."""
    address = REALS["sami2"]
    host, others = bench.lab.node("sami2"), [bench.lab.node(name) for name in (PDSN, "sami3", "router")]
    before = moves(bench, address)
    with bench.without("sami2"):
        host.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=8")
        for other in others:
            other.cmd(f"ip addr add {address}/32 dev {other.name}-eth0")
        try:
            wait_until(lambda: not bench.reals()[address]["reachable"], "it is unreachable")
            for other in others:
                bench.send(*attack(address), node=other.name)
            bench.settle()
            assert not bench.reals()[address]["reachable"]
        finally:
            for other in others:
                other.cmd(f"ip addr del {address}/32 dev {other.name}-eth0")
            host.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
        wait_until(lambda: bench.reals()[address]["reachable"], "it is found again")
    assert moves(bench, address) == [*before, moves(bench, address)[-1]]
    assert MACS["sami2"] in moves(bench, address)[-1]


def test_a_standby_in_the_right_vlan_takes_over_from_a_silent_home_agent(bench: Bench) -> None:
    """pdsn2 is in the home agents' VLAN behind the trunk; it has the address, answers, and announces itself."""
    address = REALS["sami2"]
    active, standby = bench.lab.node("sami2"), bench.lab.node("pdsn2")
    active.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=8")
    standby.cmd(f"ip addr add {address}/32 dev pdsn2-eth0")
    claim = bytes(Ether(src=MACS["pdsn2"], dst=BROADCAST) / ARP(op=1, hwsrc=MACS["pdsn2"], psrc=address, pdst=address))
    try:
        bench.send(claim, node="pdsn2")
        wait_until(lambda: MACS["pdsn2"] in moves(bench, address)[-1], "it has moved")
        assert moves(bench, address)[-1].endswith(f"port 5, VLAN {HOME_AGENTS}")
    finally:
        standby.cmd(f"ip addr del {address}/32 dev pdsn2-eth0")
        active.cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
    wait_until(lambda: MACS["sami2"] in moves(bench, address)[-1], "it is back, by the probes alone")


def storm(count: int) -> list[bytes]:
    """ARP requests for the virtual address, claims and unasked answers, each from another address."""
    frames = []
    for number in range(count):
        mac = f"02:66:66:00:{number >> 8 & 255:02x}:{number & 255:02x}"
        kinds = (
            (BROADCAST, ARP(op=1, hwsrc=mac, psrc="10.1.1.99", pdst=VIRTUAL)),
            (BROADCAST, ARP(op=1, hwsrc=mac, psrc=REALS["sami1"], pdst=REALS["sami1"])),
            (CHASSIS_MAC, ARP(op=2, hwsrc=mac, psrc=REALS["sami1"], hwdst=CHASSIS_MAC)),
            ("06:51:b7:00:00:00", ARP(op=2, hwsrc=mac, psrc=REALS["sami1"])),
        )
        to, packet = kinds[number % len(kinds)]
        frames.append(bytes(Ether(src=mac, dst=to) / packet))
    return frames


def test_an_arp_storm_from_one_port_keeps_nobody_from_being_served(bench: Bench) -> None:
    """Requests are served, home agents stay found, and hosts at other ports get their ARP replies meanwhile."""
    before = {address: moves(bench, address) for address in REALS.values()}
    frames = storm(2000)
    for number in range(10):
        bench.send(*frames, node="sami3")
        for _ in range(3):
            assert bench.deliver(registration(f"storm-{number}@isp.com")) in REALS
        with bench.lab.capture(PDSN) as capture:
            bench.send(arp_request(VIRTUAL))
            assert Ether(capture.wait_for(is_arp_reply))[ARP].psrc == VIRTUAL
    bench.finish_sending("sami3")
    bench.settle()
    assert {address: moves(bench, address) for address in REALS.values()} == before
    log = bench.lab.log("controller")
    lines = log.count("hosts at port 4 sent more than 500 ARP packets in a second")
    assert 1 <= lines < 5, "once a minute while it goes on, not once a storm"
    assert "Traceback" not in log


def is_arp_reply(each: bytes) -> bool:
    packet = Ether(each)
    return ARP in packet and packet[ARP].op == 2


@pytest.mark.parametrize("node", [PDSN, "sami1", "sami3", "pdsn2", "router"])
def test_an_arp_request_for_the_virtual_address_is_answered_in_its_vlan_only(bench: Bench, node: str) -> None:
    """pdsn1 is in its VLAN; the others are on access ports of other VLANs, here and behind the trunk."""
    with bench.lab.capture(node) as capture:
        bench.send(arp_request(VIRTUAL, mac=MACS[node]), node=node)
        bench.send(arp_request(VIRTUAL, mac=MACS[node], vlan=SUBSCRIBERS + 1), node=node)
        bench.settle()
        heard = [Ether(each) for each in capture.listen(0.3)]
    answers = [each for each in heard if ARP in each and (each[ARP].op, each[ARP].psrc) == (2, VIRTUAL)]
    assert {each.dst for each in answers} == ({MACS[node]} if node == PDSN else set())


def test_a_request_with_the_tag_of_another_vlan_is_dropped_by_name(bench: Bench) -> None:
    tagged = [frame_of(request(nai("tagged@isp.com")), vlan=vlan) for vlan in (SUBSCRIBERS, HOME_AGENTS, STRANGERS)]
    assert len([each for came in bench.exchange(tagged[0]).values() for each in came]) == 1
    assert bench.counted(*tagged[1:]) == {"requests": 2, "dropped": 2, "dropped_wrong_vlan": 2}


def test_a_home_agent_that_flaps_between_two_places_is_held_down_by_name(bench: Bench) -> None:
    """Two machines of its VLAN have its address, and one of them is silent at any time, in turn."""
    address = REALS["sami2"]
    places = ("pdsn2", "sami2")
    bench.lab.node("pdsn2").cmd(f"ip addr add {address}/32 dev pdsn2-eth0")
    try:
        for turn in range(6):
            here, there = places[turn % 2], places[1 - turn % 2]
            bench.lab.node(there).cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=8")
            bench.lab.node(here).cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
            claim = ARP(op=1, hwsrc=MACS[here], psrc=address, pdst=address)
            bench.send(bytes(Ether(src=MACS[here], dst=BROADCAST) / claim), node=here)
            wait_until(lambda: is_held_down(bench) or MACS[here] in moves(bench, address)[-1], "it moves")  # noqa: B023
            if is_held_down(bench):
                break
        assert is_held_down(bench)
        log = bench.lab.log("controller")
        assert log.count(f"{address}, a real server or the router to it, flaps between") == 1
        assert "place = held_down" in bench.lab.command("controller", "show ip slb reals detail")
    finally:
        bench.lab.node("pdsn2").cmd(f"ip addr del {address}/32 dev pdsn2-eth0")
        bench.lab.node("sami2").cmd("sysctl -qw net.ipv4.conf.all.arp_ignore=1")


def is_held_down(bench: Bench) -> bool:
    return bool(bench.reals()[REALS["sami2"]]["place"] == "held_down")
