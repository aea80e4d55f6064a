"""The IPsec module's decisions, against frames that Scapy builds."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, LLC, SNAP, STP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from haslb_lab.ipsec.bump import Bump, Port, Reason
from haslb_lab.ipsec.protected_traffic import ProtectedTraffic
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec.translation import translate

PDSN, ROUTER, OTHER = "02:00:00:00:00:51", "02:00:00:00:00:15", "02:00:00:00:00:99"
CLIENT, GATEWAY, VIRTUAL = "15.1.1.51", "15.1.1.15", "15.1.1.10"
INSIDE, OUTSIDE = 15, 16
ASSOCIATION = "l2tpmap-10-1"
TEXT = """\
crypto isakmp policy 1
  authentication pre-share
crypto isakmp key cisco address 15.1.1.51
crypto isakmp key cisco address 15.1.1.52
crypto ipsec transform-set SET esp-aes esp-sha-hmac
crypto map l2tpmap 10 ipsec-isakmp
  set peer 15.1.1.51
  set transform-set SET
  match address 101
crypto map l2tpmap 20 ipsec-isakmp
  set peer 15.1.1.52
  set transform-set SET
  match address 102
interface GigabitEthernet6/1
  switchport trunk allowed vlan 15
interface GigabitEthernet6/2
  switchport trunk allowed vlan 16
interface FastEthernet3/15
  crypto connect vlan 15
interface Vlan15
  ip address 15.1.1.15 255.0.0.0
  crypto map l2tpmap
access-list 101 permit ip host 15.1.1.10 host 15.1.1.51
access-list 102 deny   ip host 15.1.1.10 host 16.0.0.1
access-list 102 permit ip host 15.1.1.10 16.0.0.0 0.255.255.255
"""


def configuration() -> Configuration:
    return read_configuration(TEXT, "slb.ios")[0]


def bump(*established: str) -> Bump:
    """A module between VLAN 16 and VLAN 15 with these associations up."""
    translation = translate(configuration(), "Vlan15")
    made = Bump(translation.local, ProtectedTraffic(translation), INSIDE, OUTSIDE)
    made.establish(frozenset(established))
    return made


def from_outside(payload: Packet, vlan: int = OUTSIDE, priority: int = 0) -> bytes:
    return bytes(Ether(src=PDSN, dst=ROUTER) / Dot1Q(vlan=vlan, prio=priority) / payload)


def from_inside(payload: Packet, vlan: int = INSIDE) -> bytes:
    return bytes(Ether(src=ROUTER, dst=PDSN) / Dot1Q(vlan=vlan) / payload)


def esp(source: str = CLIENT, destination: str = GATEWAY) -> Packet:
    return IP(src=source, dst=destination) / UDP(sport=4500, dport=4500) / Raw(bytes(range(1, 60)))


def request(source: str = CLIENT, destination: str = VIRTUAL) -> Packet:
    return IP(src=source, dst=destination) / UDP(sport=434, dport=434) / Raw(b"request")


def dropped(module: Bump) -> dict[Reason, int]:
    return {reason: number for reason, number in module.traffic.dropped.items() if number}


# What passes

UNPROTECTED = [
    pytest.param(ARP(psrc=CLIENT, pdst=VIRTUAL), id="ARP"),
    pytest.param(IPv6(src="::1", dst="::2"), id="IPv6"),
    pytest.param(LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP(), id="spanning tree"),
    pytest.param(request(CLIENT, "10.99.11.11"), id="another destination"),
    pytest.param(IP(src=CLIENT, dst=GATEWAY) / ICMP(), id="ping of the router"),
    pytest.param(request(VIRTUAL, "15.1.1.66"), id="from a protected address to no peer"),
    pytest.param(IP(src=CLIENT, dst="10.99.11.11") / UDP(sport=500, dport=500), id="IKE with another peer"),
]


@pytest.mark.parametrize("payload", UNPROTECTED)
def test_what_no_access_list_names_passes_both_ways(payload: Packet) -> None:
    """Only the VLAN changes: hosts on both sides see one wire."""
    module = bump(ASSOCIATION)
    inward = module.forward(Port.OUTSIDE, from_outside(payload, priority=5))
    assert (inward.port, inward.data) == (Port.INSIDE, from_outside(payload, vlan=INSIDE, priority=5))
    outward = module.forward(Port.INSIDE, from_inside(payload))
    assert (outward.port, outward.data) == (Port.OUTSIDE, from_inside(payload, vlan=OUTSIDE))
    assert (module.traffic.inward, module.traffic.outward, dropped(module)) == (1, 1, {})


def test_ethernet_padding_stays_with_the_frame_and_not_with_the_packet() -> None:
    """A switch may count on 60 bytes; charon must not see them."""
    module = bump(ASSOCIATION)
    passing = from_outside(request(CLIENT, "10.99.11.11")) + bytes(7)
    assert module.forward(Port.OUTSIDE, passing).data[18:] == passing[18:]
    assert module.forward(Port.OUTSIDE, from_outside(esp()) + bytes(7)).data == bytes(esp())


# What is encrypted


@pytest.mark.parametrize(
    "packet",
    [
        esp(),
        IP(src=CLIENT, dst=GATEWAY) / UDP(sport=500, dport=500) / b"IKE",
        IP(src=CLIENT, dst=GATEWAY, proto=50) / b"ESP",
        IP(src=CLIENT, dst=GATEWAY, proto=51) / b"AH",
        *fragment(IP(src=CLIENT, dst=GATEWAY) / UDP(sport=4500, dport=4500) / bytes(2000), 800),
    ],
)
def test_ike_and_esp_of_a_peer_go_to_the_keys(packet: Packet) -> None:
    """Those to the address of the interface with the crypto map: the module answers in its place."""
    module = bump()
    sent = module.forward(Port.OUTSIDE, from_outside(packet))
    assert (sent.port, sent.data, module.traffic.received) == (Port.CRYPTO, bytes(packet), 1)


def test_what_was_decrypted_reaches_the_inside_with_the_addresses_of_the_peers_frame() -> None:
    """As if it had passed: no ARP is needed, and the switch learns the PDSN on the inside VLAN."""
    module = bump(ASSOCIATION)
    module.forward(Port.OUTSIDE, from_outside(esp()))
    sent = module.forward(Port.CRYPTO, bytes(request()))
    assert (sent.port, sent.data) == (Port.INSIDE, from_outside(request(), vlan=INSIDE))
    assert module.traffic.decrypted == 1


def test_what_was_encrypted_reaches_the_peer_with_the_routers_address() -> None:
    """The peer's answer then goes where its requests go."""
    module = bump(ASSOCIATION)
    module.forward(Port.OUTSIDE, from_outside(esp()))
    answer = esp(GATEWAY, CLIENT)
    sent = module.forward(Port.CRYPTO, bytes(answer))
    assert (sent.port, sent.data) == (Port.OUTSIDE, from_inside(answer, vlan=OUTSIDE))
    assert module.traffic.sent == 1


def test_the_last_frame_of_a_peer_says_where_it_is() -> None:
    """A PDSN may get a new interface card."""
    module = bump(ASSOCIATION)
    module.forward(Port.OUTSIDE, from_outside(esp()))
    moved = Ether(src=OTHER, dst=ROUTER) / Dot1Q(vlan=OUTSIDE) / esp()
    module.forward(Port.OUTSIDE, bytes(moved))
    assert Ether(module.forward(Port.CRYPTO, bytes(esp(GATEWAY, CLIENT))).data).dst == OTHER


def test_protected_traffic_from_the_inside_goes_to_be_encrypted() -> None:
    """The access list of the crypto map, as it is written."""
    module = bump(ASSOCIATION)
    sent = module.forward(Port.INSIDE, from_inside(request(VIRTUAL, CLIENT)))
    assert (sent.port, sent.data, module.traffic.encrypted) == (Port.CRYPTO, bytes(request(VIRTUAL, CLIENT)), 1)


# What is dropped


def drops(module: Bump, port: Port, data: bytes, reason: Reason, wanted: Optional[str] = None) -> None:
    """Nothing comes of it but one count and perhaps a wish."""
    before = module.traffic.dropped[reason]
    sent = module.forward(port, data)
    assert (sent.port, sent.wanted, module.traffic.dropped[reason]) == (None, wanted, before + 1)


@pytest.mark.parametrize("established", [(), (ASSOCIATION,)])
@pytest.mark.parametrize(
    "packet",
    [
        request(),
        request("15.1.1.66"),
        request(VIRTUAL),
        IP(src=CLIENT, dst=VIRTUAL) / TCP(),
        IP(src="16.0.0.1", dst=VIRTUAL) / TCP(),
        IP(src=CLIENT, dst=VIRTUAL, options=[b"\x07\x07\x04\0\0\0\0"]) / ICMP(),
        IP(src="16.2.3.4", dst=VIRTUAL) / UDP(dport=434),
        IP(src=CLIENT, dst=VIRTUAL) / UDP(dport=4500),
        *fragment(IP(src=CLIENT, dst=VIRTUAL) / UDP(dport=434) / bytes(100), 32),
    ],
)
def test_clear_text_that_had_to_be_encrypted_is_dropped(packet: Packet, established: tuple[str, ...]) -> None:
    """IOS: RECVD_PKT_NOT_IPSEC, with an association or without. Unlike on IOS it need not be a peer's: neither who the
    access list does not name may send it, nor who it denies."""
    drops(bump(*established), Port.OUTSIDE, from_outside(packet), Reason.CLEAR_TEXT)


def test_protected_traffic_without_an_association_is_dropped_and_asks_for_one() -> None:
    """Each crypto map entry for itself."""
    module = bump(ASSOCIATION)
    drops(module, Port.INSIDE, from_inside(request(VIRTUAL, "16.0.0.2")), Reason.NO_ASSOCIATION, wanted="l2tpmap-20-2")


def test_protected_traffic_that_comes_back_from_the_keys_is_dropped() -> None:
    """The kernel had no way to encrypt it: an association that has just gone."""
    drops(bump(ASSOCIATION), Port.CRYPTO, bytes(request(VIRTUAL, CLIENT)), Reason.NO_ASSOCIATION, wanted=ASSOCIATION)


def test_ike_of_a_stranger_is_dropped() -> None:
    """The crypto map names its peers."""
    drops(bump(), Port.OUTSIDE, from_outside(esp(source="15.1.1.66")), Reason.NO_PEER)


def test_nothing_is_sent_to_a_peer_that_never_was_heard_of() -> None:
    """There is no ARP at the crypto port."""
    drops(bump(ASSOCIATION), Port.CRYPTO, bytes(esp(GATEWAY, CLIENT)), Reason.NO_NEIGHBOUR)
    drops(bump(ASSOCIATION), Port.CRYPTO, bytes(request()), Reason.NO_NEIGHBOUR)


def test_what_the_modules_kernel_says_on_its_own_stays_there() -> None:
    """ICMP errors to peers, IPv6, and anything else that is neither encrypted nor decrypted."""
    module = bump(ASSOCIATION)
    module.forward(Port.OUTSIDE, from_outside(esp()))
    for packet in (
        IP(src=GATEWAY, dst=CLIENT) / ICMP(type=3, code=3),
        IPv6(),
        IP(src=GATEWAY, dst="15.1.1.66") / UDP(sport=500, dport=500),
        IP(src="1.2.3.4", dst="5.6.7.8"),
    ):
        drops(module, Port.CRYPTO, bytes(packet), Reason.OWN)


@pytest.mark.parametrize("vlan", [0, 1, INSIDE, 1002, 4095])
def test_only_the_outside_vlan_comes_in_from_the_outside(vlan: int) -> None:
    """The trunk allows more VLANs than the module joins."""
    drops(bump(), Port.OUTSIDE, from_outside(request(CLIENT, "10.99.11.11"), vlan=vlan), Reason.OTHER_VLAN)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        bytes(14),
        bytes(Ether(src=PDSN, dst=ROUTER) / request(CLIENT, "10.99.11.11")),
        bytes(Ether(src=PDSN, dst=ROUTER) / Dot1AD(vlan=OUTSIDE) / request(CLIENT, "10.99.11.11")),
        from_outside(request())[:17],
    ],
)
def test_a_frame_without_a_tag_is_of_no_vlan(frame: bytes) -> None:
    """Trunks carry the native VLAN untagged; it is not joined."""
    drops(bump(), Port.OUTSIDE, frame, Reason.OTHER_VLAN)


@pytest.mark.parametrize(
    "wrapped",
    [
        Dot1Q(vlan=INSIDE) / request(CLIENT, "10.99.11.11"),
        Dot1AD(vlan=INSIDE) / request(CLIENT, "10.99.11.11"),
        LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=0x0800) / request(CLIENT, "10.99.11.11"),
    ],
)
def test_ip_in_a_second_tag_or_in_snap_does_not_pass(wrapped: Packet) -> None:
    """A switch further in may read it as plain IP; nothing here does."""
    kind = {Dot1Q: 0x8100, Dot1AD: 0x88A8, LLC: len(wrapped)}[type(wrapped)]
    for port, vlan in ((Port.OUTSIDE, OUTSIDE), (Port.INSIDE, INSIDE)):
        frame = Ether(src=PDSN, dst=ROUTER) / Dot1Q(vlan=vlan, type=kind) / wrapped
        drops(bump(), port, bytes(frame), Reason.NESTED)


@pytest.mark.parametrize(
    "packet",
    [
        bytes(request())[:19],
        bytes(request())[:30],
        bytes(IP(version=6, src=CLIENT, dst=VIRTUAL)),
        bytes(IP(ihl=4, src=CLIENT, dst=VIRTUAL)),
        bytes(IP(ihl=15, src=CLIENT, dst=VIRTUAL)),
        bytes(IP(len=19, src=CLIENT, dst=VIRTUAL)),
        bytes(IP(len=4000, src=CLIENT, dst=VIRTUAL)),
    ],
)
def test_a_header_that_is_none_does_not_pass(packet: bytes) -> None:
    """It cannot be decided whether it is protected."""
    drops(bump(), Port.OUTSIDE, from_outside(Raw(packet))[:16] + b"\x08\x00" + packet, Reason.MALFORMED)


# Any frame

FRAMES = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda vlan, kind, payload: bytes(Ether(src=PDSN, dst=ROUTER) / Dot1Q(vlan=vlan, type=kind)) + payload,
        st.sampled_from([INSIDE, OUTSIDE, 7]),
        st.sampled_from([0x0800, 0x0806, 0x8100, 40]),
        st.binary(max_size=80),
    ),
    st.builds(
        lambda source, destination, protocol, payload: from_outside(
            IP(src=source, dst=destination, proto=protocol) / Raw(payload)
        ),
        st.sampled_from([CLIENT, "15.1.1.52", "16.0.0.1", "16.9.9.9", "15.1.1.66"]),
        st.sampled_from([VIRTUAL, GATEWAY, CLIENT]),
        st.sampled_from([1, 17, 50, 51]),
        st.binary(max_size=40),
    ),
)


@given(port=st.sampled_from([Port.INSIDE, Port.OUTSIDE]), frames=st.lists(FRAMES, max_size=5))
def test_no_frame_makes_protected_clear_text_pass(port: Port, frames: list[bytes]) -> None:
    """Each frame is handled in one way, and none carries protected traffic from one trunk to the other."""
    module = bump(ASSOCIATION)
    for frame in frames:
        sent = module.forward(port, frame)
        if sent.port in (Port.INSIDE, Port.OUTSIDE):
            packet = Ether(sent.data)
            assert packet[Dot1Q].vlan in (INSIDE, OUTSIDE)
            if IP in packet and port is Port.OUTSIDE:
                assert packet[IP].dst != VIRTUAL
    counted = module.traffic
    assert len(frames) == sum(
        (counted.inward, counted.outward, counted.received, counted.encrypted, sum(counted.dropped.values()))
    )


@given(st.binary(max_size=60))
def test_no_packet_from_the_keys_makes_it_stumble(packet: bytes) -> None:
    """It comes from the kernel, but what is inside came from a peer."""
    module = bump(ASSOCIATION)
    module.forward(Port.OUTSIDE, from_outside(esp()))
    module.forward(Port.CRYPTO, packet)
    assert module.traffic.sent + module.traffic.decrypted + sum(module.traffic.dropped.values()) == 1
