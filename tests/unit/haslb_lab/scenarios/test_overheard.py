"""What captured frames say of the call flow."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from haslb_lab.scenarios.overheard import Message, encrypted, messages
from ryu_haslb.mobile_ip.extensions import nai_extension
from ryu_haslb.mobile_ip.registration import RegistrationReply, RegistrationRequest, ReplyCode

PDSN, VIRTUAL, HOME_AGENT = (IPv4Address(text) for text in ("15.1.1.51", "10.1.1.10", "10.1.1.51"))
REQUEST = RegistrationRequest(
    IPv4Address(0), IPv4Address(0), PDSN, 1, lifetime=600, extensions=(nai_extension(b"user1@isp"),)
).encode()
REPLY = RegistrationReply(ReplyCode.ACCEPTED, IPv4Address("10.201.0.1"), HOME_AGENT, 1, lifetime=600).encode()


def frame(payload: bytes, source: IPv4Address = PDSN, destination: IPv4Address = VIRTUAL, port: int = 434) -> Packet:
    return Ether() / IP(src=str(source), dst=str(destination)) / UDP(sport=port, dport=port) / Raw(payload)


def test_requests_and_replies_are_told_with_who_sent_them() -> None:
    """RFC 5944 sections 3.3 and 3.4."""
    frames = [bytes(frame(REQUEST)), bytes(Ether() / ARP()), bytes(frame(REPLY, HOME_AGENT, PDSN))]
    assert messages(frames) == [
        Message(PDSN, VIRTUAL, True, 600, b"user1@isp"),
        Message(HOME_AGENT, PDSN, False, 600, None),
    ]


def test_a_tag_does_not_hide_a_message() -> None:
    """On the IPsec module's trunks every frame has one."""
    packet = frame(REQUEST)
    assert len(messages([bytes(Ether() / Dot1Q(vlan=16) / packet[IP])])) == 1


@pytest.mark.parametrize(
    ("packet", "is_esp"),
    [
        (IP(proto=50) / Raw(bytes(40)), True),
        (IP() / UDP(sport=4500, dport=4500) / Raw(b"\0\0\1\1" + bytes(40)), True),
        (IP() / UDP(sport=4500, dport=4500) / Raw(bytes(4) + bytes(40)), False),
        (IP() / UDP(sport=4500, dport=4500) / Raw(b"\xff"), False),
        (IP() / UDP(sport=500, dport=500) / Raw(b"\0\0\1\1" + bytes(40)), False),
        (frame(REQUEST)[IP], False),
    ],
    ids=["ESP", "ESP in UDP", "IKE", "keep-alive", "IKE alone", "in clear"],
)
def test_what_is_encrypted(packet: Packet, is_esp: bool) -> None:
    """RFC 4303; RFC 3948 section 2: ESP, IKE and keep-alives share a port."""
    assert len(encrypted([bytes(Ether() / packet)])) == is_esp


@given(st.lists(st.binary(max_size=120) | st.binary(max_size=60).map(lambda end: bytes(frame(REQUEST + end))[:-3])))
def test_frames_of_any_content_are_read_without_harm(frames: list[bytes]) -> None:
    assert len(messages(frames)) <= len(frames)
    assert len(encrypted(frames)) <= len(frames)
