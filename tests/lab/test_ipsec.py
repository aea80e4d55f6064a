"""Registrations through the IPsec module: which traffic is protected, which passes, and which is dropped.

The chapter's fifth example. Each test that looks for a leak waits for something that came later, never for a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from bench import wait_until
from ipsec_chassis import (
    CLIENT,
    GATEWAY,
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
    is_clear,
    is_esp,
    is_marker,
    outside,
    udp_payload,
)
from mobile import nai, request
from scapy.layers.inet import ICMP, IP, UDP, fragment
from scapy.layers.l2 import ARP, LLC, SNAP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from haslb_lab.chassis.description import CONTROLLER

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def chassis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IpsecLab]:
    with IpsecLab(tmp_path_factory.mktemp("chassis")) as lab:
        lab.secure()
        yield lab


@pytest.fixture
def lab(chassis: IpsecLab) -> IpsecLab:
    """The chassis with its security association up and counters at 0."""
    chassis.secure()
    chassis.clear_counters()
    return chassis


def is_request(packet: Packet) -> bool:
    """Whether it is a registration request to the virtual address."""
    return is_clear(packet) and UDP in packet and packet[UDP].dport == 434


def clear_request(source: str = CLIENT, name: str = "intruder@isp.com") -> Packet:
    """A request in clear."""
    return IP(src=source, dst=VIRTUAL) / UDP(sport=434, dport=434) / request(nai(name))


def decrypted(lab: IpsecLab) -> int:
    """The packets that the module has decrypted, when these are all that the PDSN has encrypted."""
    wait_until(lambda: lab.security(MODULE)["decaps"] == lab.security(PDSN)["encaps"], "all are decrypted")
    return int(lab.security(MODULE)["decaps"])


def nothing_leaks(lab: IpsecLab, *frames: Packet) -> None:
    """Send frames in the outside VLAN: nothing that they carry reaches the inside, and no mobile is registered."""
    before, sessions = lab.bound(), lab.sessions()
    with lab.tap("inside") as inside:
        marker = lab.marker()
        lab.inject(*frames, outside(marker))
        inside.wait_for(is_marker(marker))
        assert inside.which(lambda packet: IPv4Address(VIRTUAL).packed in bytes(packet)) == []
    assert lab.bound() == before
    assert lab.sessions() <= sessions  # those of earlier tests may end meanwhile


# Requests


def test_requests_cross_the_outside_vlan_encrypted_and_reach_the_inside_decrypted(lab: IpsecLab) -> None:
    """The chapter: "packets sent out of PDSN are encrypted", "packets received by HA-SLB are decrypted"."""
    spi = lab.security(PDSN)["outbound_spi"].to_bytes(4, "big")
    with lab.tap("outside") as out, lab.tap("inside") as inside:
        outcome = lab.register(1, 4)
        assert outcome["registered"] == 4
        sent = 4 + outcome["retransmissions"]
        requests = inside.wait_for(is_request, sent)
        out.wait_for(lambda packet: IP in packet and packet[IP].src in HOME_AGENTS.values(), 4)
        assert len(requests) == len(out.which(is_esp)) == sent
        assert {udp_payload(packet)[:4] for packet in out.which(is_esp)} == {spi}
        assert out.which(is_clear) == []
        assert {packet[Dot1Q].vlan for packet in requests} == {INSIDE_VLAN}
        assert {packet[Dot1Q].vlan for packet in out.packets if Dot1Q in packet} == {OUTSIDE_VLAN}
        macs = {node: lab.node(node).defaultIntf().MAC() for node in (PDSN, ROUTER)}
        assert {(packet.src, packet.dst) for packet in requests} == {(macs[PDSN], macs[ROUTER])}


def test_the_counters_are_those_of_the_chapter(lab: IpsecLab) -> None:
    """Four sessions: ``#pkts encaps: 4`` at the PDSN, ``#pkts decaps: 4`` at the SLB; replies are not protected."""
    lab.command(PDSN, "clear crypto sa")
    lab.command(PDSN, "clear crypto isakmp")
    lab.secure()
    lab.command(MODULE, "clear crypto counters")
    sent = 4 + lab.register(11, 4)["retransmissions"]
    wait_until(lambda: lab.security(MODULE)["decaps"] == sent, "all are decrypted")
    counters = {node: lab.security(node) for node in (PDSN, MODULE)}
    expected = {PDSN: (sent, 0), MODULE: (0, sent)}
    assert {node: (row["encaps"], row["decaps"]) for node, row in counters.items()} == expected
    assert [row["send_errors"] + row["recv_errors"] for row in counters.values()] == [0, 0]


def test_the_balancer_shows_what_the_module_shows(lab: IpsecLab) -> None:
    """``SLB1-7600#sh crypto ipsec sa``: the supervisor asks the module."""
    lab.register(15, 3)
    lab.inject(outside(clear_request()))
    wait_until(lambda: lab.security(MODULE)["recv_errors"] == 1, "clear text is not counted")
    decrypted(lab)
    (shown,), module = lab.query(CONTROLLER, "show crypto ipsec sa"), lab.security(MODULE)
    for row in (shown, module):
        for association in row["associations"]:
            del association["seconds"]
    assert shown == module
    assert lab.query(CONTROLLER, "show crypto isakmp sa") == lab.query(MODULE, "show crypto isakmp sa")
    lab.command(CONTROLLER, "clear crypto sa")
    cleared = lab.security(MODULE)
    assert (cleared["associations"], cleared["decaps"], cleared["recv_errors"]) == ([], 0, 0)


def test_what_is_sent_before_there_is_an_association_is_lost_and_counted(lab: IpsecLab) -> None:
    """The chapter's PDSN after ``clear crypto isakmp`` and ``clear crypto sa``: ``#pkts encaps: 4``, ``#send errors
    4``. The first request of each mobile finds no association, its retransmission does, or one of the next if the
    negotiation takes longer."""
    for node in (PDSN, MODULE):
        lab.command(node, "clear crypto isakmp")
        lab.command(node, "clear crypto sa")
    with lab.tap("outside") as out:
        outcome = lab.register(21, 4)
        assert outcome["registered"] == 4
        out.wait_for(is_esp, 4)
        assert out.which(is_clear) == []
    row = lab.security(PDSN)
    assert row["send_errors"] >= 4
    assert row["encaps"] + row["send_errors"] == 4 + outcome["retransmissions"]
    wait_until(lambda: lab.security(MODULE)["decaps"] == row["encaps"], "all are decrypted")


def test_replies_come_back_unprotected(lab: IpsecLab) -> None:
    """The home agents answer from their own addresses, which the access list does not name."""
    with lab.tap("outside") as out:
        lab.register(31, 2)
        replies = out.wait_for(lambda packet: UDP in packet and packet[UDP].sport == 434, 2)
        assert {packet[IP].src for packet in replies} <= set(HOME_AGENTS.values())


def test_other_traffic_passes_as_it_is(lab: IpsecLab) -> None:
    """A bump in the wire: ARP and everything that no access list names, both ways."""
    passed = lab.query(MODULE, "show interfaces counters")["passed_inward"]
    for node, target in ((PDSN, GATEWAY), (PDSN, HOME_AGENTS["HA5-2"]), (INTRUDER, "15.1.1.77"), (INSIDE_HOST, CLIENT)):
        assert lab.run(node, ["ping", "-c1", "-W20", target]).wait() == 0, f"{node} to {target}"
    assert lab.query(MODULE, "show interfaces counters")["passed_inward"] > passed


def test_frames_keep_their_priority(lab: IpsecLab) -> None:
    """IEEE 802.1Q: the module changes the VLAN and nothing else of a tag."""
    marker = lab.marker()
    frame = outside(marker)
    frame[Dot1Q].prio = 5
    with lab.tap("inside") as inside:
        lab.inject(frame)
        (passed,) = inside.wait_for(is_marker(marker))
    frame[Dot1Q].vlan = INSIDE_VLAN
    assert bytes(passed)[: len(frame)] == bytes(frame)


# Clear text


def test_clear_text_is_dropped_and_counted(lab: IpsecLab) -> None:
    """IOS: RECVD_PKT_NOT_IPSEC, ``#recv errors``."""
    nothing_leaks(lab, *(outside(clear_request(name=f"{number}@isp.com")) for number in range(5)))
    assert lab.security(MODULE)["recv_errors"] == 5


def test_clear_text_from_another_port_of_the_outside_vlan_is_dropped(lab: IpsecLab) -> None:
    """Neither the balancer nor a home agent sees what an intruder sends in the PDSN's name."""
    addresses = {"src": lab.node(INTRUDER).defaultIntf().MAC(), "dst": lab.node(ROUTER).defaultIntf().MAC()}
    marker, before = lab.marker(), lab.bound()
    with lab.tap("inside") as inside:
        lab.send(INTRUDER, [bytes(Ether(**addresses) / packet) for packet in (*[clear_request()] * 3, marker)])
        inside.wait_for(is_marker(marker))
        assert inside.which(is_clear) == []
    assert (lab.security(MODULE)["recv_errors"], lab.bound()) == (3, before)


@pytest.mark.parametrize(
    "hidden",
    [
        pytest.param(Dot1Q(vlan=INSIDE_VLAN) / clear_request(), id="behind a second tag"),
        pytest.param(Dot1AD(vlan=INSIDE_VLAN) / clear_request(), id="behind a tag of IEEE 802.1ad"),
        pytest.param(LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=0x800) / clear_request(), id="in SNAP"),
        pytest.param(IP(src=CLIENT, dst=VIRTUAL, ihl=15) / b"short", id="cut off in its options"),
        pytest.param(Raw(bytes(clear_request())[:19]), id="shorter than a header"),
        pytest.param(IP(version=6, src=CLIENT, dst=VIRTUAL) / b"x", id="of another version"),
        *(
            pytest.param(piece, id=f"fragment {number}")
            for number, piece in enumerate(fragment(IP(src=CLIENT, dst=VIRTUAL) / UDP(dport=434) / bytes(64), 32))
        ),
    ],
)
def test_hidden_clear_text_is_dropped(lab: IpsecLab, hidden: Packet) -> None:
    """No encapsulation lets clear text pass that a switch or a host inside could still read as protected traffic."""
    frame = (
        Ether(src="00:00:5e:00:53:66", dst="02:51:b7:00:00:0f") / Dot1Q(vlan=OUTSIDE_VLAN, type=_type(hidden)) / hidden
    )
    before = _dropped_of_outside(lab)
    nothing_leaks(lab, frame)
    assert _dropped_of_outside(lab) == before + 1


def _dropped_of_outside(lab: IpsecLab) -> int:
    """Without the frames of other VLANs: the balancer looks for its home agents there all the time."""
    return sum(count for reason, count in lab.dropped().items() if reason != "other_vlan")


def _type(payload: Packet) -> int:
    """The EtherType, or length, in front of a payload."""
    if isinstance(payload, LLC):
        return len(payload)
    types: dict[type[Packet], int] = {Dot1Q: 0x8100, Dot1AD: 0x88A8}
    return types.get(type(payload), 0x0800)


@pytest.mark.parametrize("vlan", [0, 1, INSIDE_VLAN, 99, 1002, 4095])
def test_frames_of_other_vlans_do_not_pass(lab: IpsecLab, vlan: int) -> None:
    """The trunk's other VLANs are not the module's, the inside VLAN least of all."""
    before = lab.dropped()["other_vlan"]
    nothing_leaks(lab, outside(clear_request(), vlan=vlan), Ether(dst="ff:ff:ff:ff:ff:ff") / clear_request())
    assert lab.dropped()["other_vlan"] >= before + 2


def test_an_untagged_packet_for_the_module_itself_is_not_routed(lab: IpsecLab) -> None:
    """The module's kernel forwards between charon and the program, and must not forward for hosts on a trunk."""
    mac = lab.node(MODULE).intf("ipsec1-outside").MAC()
    nothing_leaks(lab, Ether(dst=mac) / clear_request(), Ether(dst=mac) / Dot1Q(vlan=0) / clear_request())


def test_a_pdsn_takes_no_clear_text_that_had_to_be_encrypted(lab: IpsecLab) -> None:
    """The access list holds both ways: IOS drops such packets at the PDSN as well."""
    macs = {name: lab.node(name).defaultIntf().MAC() for name in (PDSN, INTRUDER)}
    received = lab.query(PDSN, "show ip mobile traffic")["received"]
    reply = IP(src=VIRTUAL, dst=CLIENT) / UDP(sport=434, dport=434) / b"\3"
    lab.send(INTRUDER, [bytes(Ether(src=macs[INTRUDER], dst=macs[PDSN]) / reply)])
    assert lab.run(INTRUDER, ["ping", "-c1", "-W20", CLIENT]).wait() == 0
    assert lab.security(PDSN)["recv_errors"] == 1
    assert lab.query(PDSN, "show ip mobile traffic")["received"] == received


# Hostile ESP and IKE


def test_a_replayed_packet_is_refused_and_counted(lab: IpsecLab) -> None:
    """RFC 4303 section 3.4.3."""
    with lab.tap("outside") as out:
        lab.register(41, 1)
        esp, *_ = out.wait_for(is_esp)
    decaps = decrypted(lab)
    nothing_leaks(lab, esp, esp)
    with lab.tap("inside") as inside:
        sent = 1 + lab.register(42, 1)["retransmissions"]
        assert len(inside.wait_for(is_request, sent)) == sent
    row = lab.security(MODULE)
    assert (row["decaps"], row["recv_errors"]) == (decaps + sent, 2)


def hostile(lab: IpsecLab) -> dict[str, list[Packet]]:
    """What an intruder might send to the module's own address."""
    spi = lab.security(MODULE)["associations"][0]["spi"].to_bytes(4, "big")

    def encapsulated(payload: bytes, source: str = CLIENT) -> Packet:
        return IP(src=source, dst=GATEWAY) / UDP(sport=4500, dport=4500) / payload

    return {
        "a forged ESP packet": [encapsulated(spi + b"\0\0\xff\0" + bytes(64))],
        "an ESP packet that is cut off": [encapsulated(spi + b"\0\0\1")],
        "an ESP packet of an unknown SPI": [encapsulated(b"\xaa\xbb\xcc\xdd" + b"\0\0\0\1" + bytes(64))],
        "ESP from no peer": [encapsulated(spi + b"\0\0\xff\1" + bytes(64), source="15.1.1.66")],
        "ESP without UDP": [IP(src=CLIENT, dst=GATEWAY, proto=50) / Raw(spi + bytes(64))],
        "AH": [IP(src=CLIENT, dst=GATEWAY, proto=51) / Raw(bytes(24))],
        "an empty UDP packet": [encapsulated(b"")],
        "a NAT keepalive": [encapsulated(b"\xff")],
        "IKE that is none": [IP(src=CLIENT, dst=GATEWAY) / UDP(sport=500, dport=500) / bytes(range(200))],
        "fragments without an end": [
            piece for number in range(20) for piece in fragment(encapsulated(bytes(3000)) / bytes([number]), 1000)[:-1]
        ],
        "a UDP packet that is cut off": [IP(src=CLIENT, dst=GATEWAY, proto=17) / Raw(b"\x11\x94")],
    }


@pytest.mark.parametrize(
    "kind",
    [
        "a forged ESP packet",
        "an ESP packet that is cut off",
        "an ESP packet of an unknown SPI",
        "ESP from no peer",
        "ESP without UDP",
        "AH",
        "an empty UDP packet",
        "a NAT keepalive",
        "IKE that is none",
        "fragments without an end",
        "a UDP packet that is cut off",
    ],
)
def test_hostile_packets_for_the_module_disturb_nothing(lab: IpsecLab, kind: str) -> None:
    """They are ignored or counted; registrations go on."""
    charon = lab.charon(MODULE)
    nothing_leaks(lab, *(outside(packet) for packet in hostile(lab)[kind]))
    assert lab.register(51, 1)["registered"] == 1
    assert lab.charon(MODULE) == charon


def test_arp_for_the_virtual_address_is_answered_inside_only(lab: IpsecLab) -> None:
    """The question passes the module as any ARP does; the supervisor answers it from the inside VLAN, once."""
    question = Ether(src="00:00:5e:00:53:66", dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=OUTSIDE_VLAN)
    question /= ARP(op=1, hwsrc="00:00:5e:00:53:66", psrc="15.1.1.66", pdst=VIRTUAL)
    with lab.tap("outside") as out:
        lab.inject(question)
        answers = out.wait_for(lambda packet: ARP in packet and packet[ARP].op == 2 and packet[ARP].psrc == VIRTUAL)
    assert [packet[Dot1Q].vlan for packet in answers] == [OUTSIDE_VLAN]


def test_what_the_inside_sends_to_a_peer_is_encrypted(lab: IpsecLab) -> None:
    """The access list at the supervisor permits from the virtual address to the PDSN; ping from there."""
    macs = {name: lab.node(name).defaultIntf().MAC() for name in (PDSN, INSIDE_HOST)}
    ping = Ether(src=macs[INSIDE_HOST], dst=macs[PDSN]) / IP(src=VIRTUAL, dst=CLIENT) / ICMP() / b"within"
    with lab.tap("outside") as out, lab.tap("inside") as inside:
        lab.send(INSIDE_HOST, [bytes(ping)])
        (answer,) = inside.wait_for(lambda packet: is_clear(packet) and ICMP in packet and packet[ICMP].type == 0)
        assert (answer[IP].src, answer[IP].dst) == (CLIENT, VIRTUAL)
        assert out.which(is_clear) == []
    row = lab.security(MODULE)
    assert (row["encaps"], row["decaps"]) >= (1, 1)
