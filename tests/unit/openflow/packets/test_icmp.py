"""The reply to a ping (RFC 792, RFC 1122 section 3.2.2.6), held against Scapy's packets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

from ryu_haslb.openflow.packets.icmp import checksum, echo_reply

CHASSIS = bytes.fromhex("0251b7000001")
VIRTUAL = bytes((10, 1, 1, 10))


def ping(data: bytes = b"abcd", **fields: Any) -> bytes:
    """A ping of the virtual address; ``ip_dst="10.1.1.11"`` gives a field another value."""
    values: dict[str, dict[str, Any]] = {
        "ether": {"src": "02:00:00:00:00:99", "dst": CHASSIS.hex(":")},
        "ip": {"src": "10.1.1.101", "dst": "10.1.1.10"},
        "icmp": {"id": 7, "seq": 9},
    }
    for name, value in fields.items():
        layer, _, field = name.partition("_")
        values[layer][field] = value
    return bytes(Ether(**values["ether"]) / IP(**values["ip"]) / ICMP(**values["icmp"]) / data)


@given(st.binary(max_size=1480), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_ping_is_answered_with_its_data_and_right_checksums(data: bytes, identifier: int, sequence: int) -> None:
    frame = ping(data, ip_tos=0x20, icmp_id=identifier, icmp_seq=sequence)
    reply = echo_reply(frame + bytes(max(0, 60 - len(frame))), CHASSIS, VIRTUAL)  # with the padding of Ethernet
    assert reply is not None
    received = Ether(reply)
    assert (received.src, received.dst) == (CHASSIS.hex(":"), "02:00:00:00:00:99")
    assert (received[IP].src, received[IP].dst, received[IP].tos) == ("10.1.1.10", "10.1.1.101", 0x20)
    assert (received[ICMP].type, received[ICMP].code, received[ICMP].id, received[ICMP].seq) == (
        *(0, 0, identifier, sequence),
    )
    assert bytes(received[ICMP].payload) == data
    received[IP].chksum = received[ICMP].chksum = None  # Scapy computes both anew
    assert bytes(received) == reply


@pytest.mark.parametrize(
    "frame",
    [
        ping(ip_dst="10.1.1.11"),
        ping(ip_flags="MF"),
        ping(ip_frag=3),
        ping(ip_src="224.0.0.1"),
        ping(ip_src="255.255.255.255"),
        ping(ip_src="127.0.0.1"),
        ping(ip_src="0.0.0.0"),
        ping(ip_src="10.1.1.10"),
        ping(ip_chksum=1),
        ping(ip_len=29),
        ping(ip_len=200),
        ping(ip_options=[b"\x01\x01\x01\x00"]),
        ping(icmp_type=0),
        ping(icmp_type=3),
        ping(icmp_code=1),
        ping(icmp_chksum=1),
        ping(ether_src="01:00:5e:00:00:01"),
        ping(ether_dst="ff:ff:ff:ff:ff:ff"),
        ping(bytes(65_400)),  # no packet-out can carry the reply
        ping()[:40],
        ping()[:20],
        b"",
        bytes(Ether(dst=CHASSIS.hex(":")) / IP(dst="10.1.1.10") / UDP()),
    ],
)
def test_what_is_no_valid_ping_of_one_host_gets_no_reply(frame: bytes) -> None:
    """RFC 1122 section 3.2.2: no reply to broadcasts, to replies, and to what no single host sends."""
    assert echo_reply(frame, CHASSIS, VIRTUAL) is None


@given(st.binary(max_size=120) | st.integers(0, 60).map(lambda size: ping()[:size]))
def test_hostile_frames_get_no_reply_or_a_valid_one(frame: bytes) -> None:
    reply = echo_reply(frame, CHASSIS, VIRTUAL)
    assert reply is None or len(reply) >= 42


@given(st.binary(max_size=64))
def test_the_checksum_verifies_itself(data: bytes) -> None:
    """RFC 1071: the sum over data and its checksum is zero."""
    even = data + bytes(len(data) % 2)
    assert checksum(even + checksum(even).to_bytes(2, "big")) == 0
