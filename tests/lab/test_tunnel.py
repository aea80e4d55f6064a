"""IP-in-IP tunnels between home agents and a PDSN (RFC 2003, RFC 3024, RFC 5944 section 4; the chapter's steps 3 to 6):
mobiles and a correspondent host talk through them, and the balancer has no part in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from bench import wait_until
from described import mac
from open_vswitch import count_fast_path
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet
from tunnelled import (
    CARE_OF,
    CORRESPONDENT,
    HOME_AGENTS,
    HOST,
    MOBILES,
    PDSN,
    ROUTER_OF_HOSTS,
    VIRTUAL,
    Tunnelled,
    tunnelled,
)

from haslb_lab.runner.flows import Flow
from haslb_lab.runner.lab import Lab
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK

pytestmark = pytest.mark.lab

#: How the group addresses begin that our rules match which match no packet.
NO_SOURCE = "01:51:b7:"


@pytest.fixture(scope="module")
def reverse_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tunnelled]:
    with tunnelled(tmp_path_factory.mktemp("chassis"), reverse=True) as running:
        yield running


@pytest.fixture
def reverse(reverse_lab: Tunnelled) -> Tunnelled:
    reverse_lab.register()
    return reverse_lab


def inner_of(frame: bytes) -> Packet:
    """What a tunnel carries; the checksums of both headers are right, says Scapy."""
    outer = Ether(frame)[IP]
    for packet in (outer, outer.payload):
        made_anew = packet.copy()
        del made_anew.chksum
        assert IP(bytes(made_anew)).chksum == packet.chksum
    inner: Packet = outer.payload
    return inner


def is_tunnelled(source: str, destination: str) -> Callable[[bytes], bool]:
    def matches(frame: bytes) -> bool:
        packet = Ether(frame)
        return IP in packet and (packet.proto, packet[IP].src, packet[IP].dst) == (4, source, destination)

    return matches


def is_fragment(offset: int) -> Callable[[bytes], bool]:
    """Offsets count eight bytes."""
    return lambda frame: IP in Ether(frame) and (Ether(frame).proto, Ether(frame).frag) == (4, offset)


def matching(lab: Lab) -> list[Flow]:
    """Our rules that match what others send: neither those for ARP, nor the table-miss rule, which switches as usual,
    nor leases and keys, which no packet matches, nor the rule of the balancer's own questions to the switch."""
    count_fast_path()
    ours = [
        flow
        for flow in lab.flows()
        if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK
        and not {"arp", "metadata"} & flow.match.keys()
        and not flow.match.get("dl_src", "").startswith(NO_SOURCE)
        and flow.match.get("in_port") != "CONTROLLER"
    ]
    return sorted(ours, key=lambda flow: (flow.table, flow.priority, flow.cookie, str(flow.match)))


def test_a_mobile_and_a_correspondent_reach_each_other(reverse: Tunnelled) -> None:
    """Chapter: step 4. Each mobile has a home address of the home agent that it was balanced to."""
    assert {reverse.home_agent(mobile) for mobile in MOBILES} == set(HOME_AGENTS)
    for mobile in MOBILES:
        assert "3 received" in reverse.ping(mobile, CORRESPONDENT)
        assert "3 received" in reverse.ping(HOST, reverse.home_address(mobile))
    assert "3 received" in reverse.ping("mobile1", reverse.home_address("mobile2"))
    assert reverse.dropped(PDSN) == {}


def test_both_ways_are_encapsulated_between_care_of_and_real_home_agent(reverse: Tunnelled) -> None:
    """RFC 2003 section 3.1, RFC 3024: captured at both ends of the tunnel."""
    node, home = reverse.home_agent("mobile1"), reverse.home_address("mobile1")
    real = HOME_AGENTS[node]
    with reverse.lab.capture(node) as at_home_agent, reverse.lab.capture(PDSN) as at_pdsn:
        reverse.ping("mobile1", CORRESPONDENT)
        there = inner_of(at_home_agent.wait_for(is_tunnelled(CARE_OF, real)))
        back = inner_of(at_pdsn.wait_for(is_tunnelled(real, CARE_OF)))
    assert (there.src, there.dst, there[ICMP].type) == (home, CORRESPONDENT, 8)
    assert (back.src, back.dst, back[ICMP].type) == (CORRESPONDENT, home, 0)
    assert (there.ttl, back.ttl) == (63, 62), "past the PDSN; past the MSFC and the home agent"


def test_neither_tunnel_nor_deregistration_meets_the_balancer(reverse: Tunnelled) -> None:
    """Chapter: steps 4 to 6: no rule of ours counts a packet of them."""
    before = matching(reverse.lab)
    assert any(flow.table == 1 and flow.cookie >> COOKIE_MARK_BITS > 0xFF for flow in before), (
        "no session's rule is there"
    )
    assert "3 received" in reverse.ping("mobile1", CORRESPONDENT)
    assert "3 received" in reverse.ping(HOST, reverse.home_address("mobile2"))
    reverse.run("deregister 1 2")
    assert before == [replace(flow, duration=was.duration) for flow, was in zip(matching(reverse.lab), before)]


def test_both_ends_show_the_tunnel_and_count_alike(reverse: Tunnelled) -> None:
    node = reverse.home_agent("mobile2")
    home_agent = HOME_AGENTS[node]
    reverse.ping(HOST, reverse.home_address("mobile2"))
    (there,) = reverse.tunnels(node)["tunnels"]
    (here,) = (each for each in reverse.tunnels(PDSN)["tunnels"] if each["destination"] == home_agent)
    assert (there["source"], there["destination"], there["users"]) == (home_agent, CARE_OF, 1)
    assert (here["source"], here["destination"], here["users"]) == (CARE_OF, home_agent, 1)
    assert here["mode"] == there["mode"] == "reverse-allowed"
    assert (here["packets_in"], here["bytes_in"]) == (there["packets_out"], there["bytes_out"])
    assert (there["packets_in"], there["bytes_in"]) == (here["packets_out"], here["bytes_out"])
    assert here["packets_in"] >= 3
    text = reverse.lab.command(node, "show ip mobile tunnel")
    assert f"    src {home_agent}, dest {CARE_OF}\n    encap IP/IP, mode reverse-allowed, tunnel-users 1\n" in text


@pytest.mark.parametrize("end", ["deregister", "clear"])
def test_tunnels_end_with_the_registration_at_both_ends(reverse: Tunnelled, end: str) -> None:
    """Chapter: steps 5 and 6."""
    home = reverse.home_address("mobile1")
    if end == "deregister":
        reverse.run("deregister 1 2")
    else:
        for node in HOME_AGENTS:
            reverse.lab.command(node, "clear ip mobile binding")
        reverse.lab.command(PDSN, "clear ip mobile visitor")
    assert [reverse.tunnels(node)["total"] for node in (PDSN, *HOME_AGENTS)] == [0, 0, 0]
    wait_until(lambda: reverse.home_address("mobile1") is None, "the mobile has no address")
    assert home not in reverse.lab.node("mobile1").cmd("ip address show")
    assert home not in reverse.lab.node(PDSN).cmd("ip route show")
    assert "0 received" in reverse.ping(HOST, home, "-c1", "-W1")


def test_a_mobile_that_comes_up_later_asks_for_its_address(reverse: Tunnelled) -> None:
    """RFC 903: a station that does not know its address asks for it."""
    home = reverse.home_address("mobile1")
    with reverse.lab.capture("mobile1") as capture:
        request = Ether(src=mac(reverse.lab, "mobile1", "mobile1-eth0"), dst="ff:ff:ff:ff:ff:ff", type=0x8035)
        reverse.lab.send("mobile1", [bytes(request / ARP(op=3))])
        answer = capture.wait_for(lambda frame: Ether(frame).type == 0x8035)
    reply = ARP(answer[14:])
    assert (reply.op, reply.psrc, reply.pdst) == (4, CARE_OF, home)


def test_each_router_on_the_way_takes_its_share_of_the_inner_ttl(reverse: Tunnelled) -> None:
    """RFC 2003 section 3.1: the tunnel is one hop. PDSN and home agent answer for themselves, the latter through the
    tunnel."""
    home_agent = HOME_AGENTS[reverse.home_agent("mobile1")]
    assert f"From {CARE_OF} " in reverse.ping("mobile1", CORRESPONDENT, "-t1")
    assert f"From {home_agent} " in reverse.ping("mobile1", CORRESPONDENT, "-t2")
    assert "From 10.1.1.1 " in reverse.ping("mobile1", CORRESPONDENT, "-t3")
    assert "3 received" in reverse.ping("mobile1", CORRESPONDENT, "-t4")


@pytest.mark.parametrize("size", [1452, 1472, 4000, 20000])
def test_packets_of_any_size_that_may_be_fragmented_arrive(reverse: Tunnelled, size: int) -> None:
    """RFC 2003 section 5.1."""
    assert "3 received" in reverse.ping("mobile1", CORRESPONDENT, "-Mdont", f"-s{size}")
    assert "3 received" in reverse.ping(HOST, reverse.home_address("mobile1"), "-Mdont", f"-s{size}")


def test_the_sender_of_a_packet_too_big_for_the_tunnel_gets_an_icmp_error_with_the_mtu(reverse: Tunnelled) -> None:
    """RFC 2003 section 5.1: 1500 bytes less the outer header."""
    home = reverse.home_address("mobile1")
    assert "3 received" in reverse.ping(HOST, home, "-Mdo", "-s1452")
    assert "mtu = 1480" in reverse.ping(HOST, home, "-Mdo", "-s1472")
    assert "mtu = 1480" in reverse.ping("mobile1", CORRESPONDENT, "-Mdo", "-s1472")


@pytest.fixture
def narrow(reverse: Tunnelled) -> Iterator[Tunnelled]:
    """The PDSN's way to the home agents takes less than an Ethernet."""
    reverse.lab.node(PDSN).cmd(f"ip link set {PDSN}-eth0 mtu 1300")
    yield reverse
    reverse.lab.node(PDSN).cmd(f"ip link set {PDSN}-eth0 mtu 1500")


def test_a_path_narrower_than_ethernet_causes_an_icmp_error_or_fragments(narrow: Tunnelled) -> None:
    """RFC 2003 section 5.1: Don't Fragment inside causes an ICMP error; without it the outer packet is fragmented."""
    home = narrow.home_address("mobile1")
    datagram = (
        f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(0, 10, 0); "
        f"s.sendto(bytes(1400), ('{CORRESPONDENT}', 9999))"
    )
    with narrow.lab.capture(HOST) as capture, narrow.lab.capture(narrow.home_agent("mobile1")) as outside:
        assert narrow.lab.run("mobile1", [sys.executable, "-c", datagram]).wait() == 0
        arrived = Ether(capture.wait_for(lambda frame: UDP in Ether(frame) and Ether(frame)[IP].src == home))
        pieces = [Ether(outside.wait_for(is_piece)) for is_piece in (is_fragment(0), is_fragment(160))]
    assert len(arrived[UDP].payload) == 1400
    assert [bool(piece[IP].flags.MF) for piece in pieces] == [True, False]
    before = narrow.dropped(PDSN).get("too_big", 0)
    assert "mtu = 1280" in narrow.ping("mobile1", CORRESPONDENT, "-Mdo", "-s1400", "-c1")
    assert narrow.dropped(PDSN)["too_big"] == before + 1


def test_a_mobile_cannot_use_another_ones_address(reverse: Tunnelled) -> None:
    """RFC 3024 and RFC 2827: only packets from the mobile's home address go from its link into the tunnel."""
    stolen = reverse.home_address("mobile2")
    before = [each["packets_out"] for each in reverse.tunnels(PDSN)["tunnels"]]
    spoofed = [IP(src=source, dst=CORRESPONDENT) / UDP() for source in (stolen, CARE_OF, "10.9.9.9")]
    reverse.send("mobile1", (PDSN, f"{PDSN}-eth1"), *spoofed)
    assert "3 received" in reverse.ping("mobile1", CORRESPONDENT)
    after = [each["packets_out"] for each in reverse.tunnels(PDSN)["tunnels"]]
    assert sum(after) - sum(before) == 3


def hostile_to_home_agent(home: str, real: str) -> dict[str, list[Packet]]:
    """Packets of a stranger, by the reason for which the home agent drops them."""
    inner = IP(src=home, dst=CORRESPONDENT) / UDP(dport=9999)
    return {
        "wrong_peer": [
            IP(src=CORRESPONDENT, dst=real) / inner,
            IP(src=CARE_OF, dst=VIRTUAL) / inner,
        ],
        "unknown_mobile": [
            IP(src=CARE_OF, dst=real) / IP(src="10.201.77.7", dst=CORRESPONDENT) / UDP(),
            IP(src=CARE_OF, dst=real) / IP(src=CARE_OF, dst=real) / inner,
            IP(src=CORRESPONDENT, dst=home[: home.rindex(".")] + ".99") / UDP(),
        ],
        "malformed": [
            IP(src=CARE_OF, dst=real, proto=4),
            IP(src=CARE_OF, dst=real, proto=4) / bytes(inner)[:-3],
            IP(src=CARE_OF, dst=real, proto=4) / b"\x4f" / bytes(inner)[1:],
            IP(src=CARE_OF, dst=real, proto=4) / (b"\x60" + bytes(60)),
        ],
        "ttl_expired": [IP(src=CARE_OF, dst=real) / IP(src=home, dst=CORRESPONDENT, ttl=0) / UDP()],
        "loop": [IP(src=CARE_OF, dst=home) / UDP(), IP(src=CARE_OF, dst=home) / IP(src=home, dst=home) / UDP()],
    }


def test_strangers_get_nothing_out_of_a_tunnel_at_the_home_agent(reverse: Tunnelled) -> None:
    """RFC 3024: each is dropped and counted, nothing arrives, and the tunnel works on. The stranger is as near as can
    be: in the home agents' own VLAN."""
    node, home = reverse.home_agent("mobile1"), reverse.home_address("mobile1")
    (neighbour,) = set(HOME_AGENTS) - {node}
    before = reverse.dropped(node)
    hostile = hostile_to_home_agent(home, HOME_AGENTS[node])
    with reverse.lab.capture(HOST) as capture:
        for packets in hostile.values():
            reverse.send(neighbour, (node, f"{node}-eth0"), *packets)
        expected = {reason: before.get(reason, 0) + len(packets) for reason, packets in hostile.items()}
        wait_until(lambda: {**before, **expected} == reverse.dropped(node), f"{expected} at {node}")
        assert not [frame for frame in capture.listen(0.2) if UDP in Ether(frame)]
    assert "3 received" in reverse.ping("mobile1", CORRESPONDENT)


def test_strangers_get_nothing_out_of_a_tunnel_at_the_pdsn(reverse: Tunnelled) -> None:
    """RFC 5944 section 4.2.2: only a visitor's own home agent is believed; what is for no visitor goes no further."""
    home, real = reverse.home_address("mobile1"), HOME_AGENTS[reverse.home_agent("mobile1")]
    inner = IP(src=CORRESPONDENT, dst=home) / UDP(dport=9999)
    hostile = {
        "wrong_peer": [IP(src=CORRESPONDENT, dst=CARE_OF) / inner],
        "unknown_mobile": [
            IP(src=real, dst=CARE_OF) / IP(src=home, dst=CORRESPONDENT) / UDP(),
            IP(src=real, dst=CARE_OF) / IP(src=CORRESPONDENT, dst=CARE_OF) / UDP(),
        ],
        "malformed": [IP(src=real, dst=CARE_OF, proto=4) / bytes(inner)[:20], IP(src=real, dst=CARE_OF, proto=4)],
    }
    before = reverse.dropped(PDSN)
    with reverse.lab.capture("mobile1") as capture:
        for packets in hostile.values():
            reverse.send(HOST, ROUTER_OF_HOSTS, *packets)
        expected = {reason: before.get(reason, 0) + len(packets) for reason, packets in hostile.items()}
        wait_until(lambda: {**before, **expected} == reverse.dropped(PDSN), f"{expected} at {PDSN}")
        assert not [frame for frame in capture.listen(0.2) if UDP in Ether(frame)]
    assert "3 received" in reverse.ping("mobile1", CORRESPONDENT)


def test_fragments_of_a_tunnelled_packet_are_put_together_before_they_are_judged(reverse: Tunnelled) -> None:
    """RFC 2003 section 3: the exit reassembles; a fragment of an incomplete packet is delivered to no host."""
    home, real = reverse.home_address("mobile1"), HOME_AGENTS[reverse.home_agent("mobile1")]
    inner = IP(src=CORRESPONDENT, dst=home) / UDP(dport=9999) / bytes(64)
    outer = IP(src=real, dst=CARE_OF, id=77, proto=4)
    whole = bytes(inner)
    first = outer.copy() / whole[:48]
    first.flags = "MF"
    rest = outer.copy() / whole[48:]
    rest.frag = 6
    lone = outer.copy() / whole[:48]
    lone.flags, lone.id = "MF", 78
    with reverse.lab.capture("mobile1") as capture:
        reverse.send(HOST, ROUTER_OF_HOSTS, lone, rest, first)
        arrived = Ether(capture.wait_for(lambda frame: UDP in Ether(frame)))
    assert len(arrived[UDP].payload) == 64
