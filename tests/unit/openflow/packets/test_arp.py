"""ARP frames are what Scapy builds and reads (RFC 826; probes: RFC 5227)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP, Ether

from ryu_haslb.openflow.packets import arp

OURS = bytes.fromhex("0251b7000001")
THEIRS = bytes.fromhex("0a0000000051")


def test_a_probe_has_no_sender_address() -> None:
    expected = Ether(src=OURS, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=OURS, psrc="0.0.0.0", hwdst="00:00:00:00:00:00", pdst="10.1.1.51"
    )
    assert arp.probe(OURS, bytes([10, 1, 1, 51])) == bytes(expected)


def test_a_reply_goes_to_the_sender_of_the_request() -> None:
    question = Ether(src=THEIRS, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=THEIRS, psrc="10.1.1.101", pdst="10.1.1.10")
    packet = arp.read_arp(bytes(question))
    assert packet is not None
    expected = Ether(src=OURS, dst=THEIRS) / ARP(op=2, hwsrc=OURS, psrc="10.1.1.10", hwdst=THEIRS, pdst="10.1.1.101")
    assert arp.reply_to(packet, OURS) == bytes(expected)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda rest: bytes(12) + b"\x08\x06\0\1\x08\0\6\4" + rest))
def test_any_bytes_are_a_packet_of_42_bytes_or_none(data: bytes) -> None:
    packet = arp.read_arp(data)
    assert packet is None or (len(data) >= 42 and data[20:22] == packet.operation.to_bytes(2, "big"))


@pytest.mark.parametrize("mac", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00"])
def test_arp_from_a_group_address_is_ignored(mac: str) -> None:
    """RFC 1812, section 3.3.2."""
    forged = Ether(src=THEIRS) / ARP(op=2, hwsrc=mac, psrc="10.1.1.51", hwdst=OURS, pdst="0.0.0.0")
    assert arp.read_arp(bytes(forged)) is None


def test_other_protocols_are_ignored() -> None:
    frame = bytes(Ether() / ARP(op=1, hwsrc=THEIRS))
    assert arp.read_arp(frame[:12] + b"\x86\xdd" + frame[14:]) is None
    assert arp.read_arp(frame[:14] + b"\x00\x06" + frame[16:]) is None
    assert arp.read_arp(frame[:41]) is None
