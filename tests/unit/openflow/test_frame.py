"""The request path finds the Registration Request in a frame, or the reason to drop the frame."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from farm_builder import VIRTUAL
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, IPOption_NOP, fragment
from scapy.layers.l2 import Dot1Q, Ether

from ryu_haslb.configuration.model import Configuration, ServerFarm
from ryu_haslb.configuration.model import VirtualServer as VirtualServerConfiguration
from ryu_haslb.openflow.frame import read_request, without_vlan_tag
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.statistics import DropReason

BALANCER = Balancer(
    Configuration(
        farms={"HAFARM": ServerFarm("HAFARM")},
        virtual_servers={"MIPSLB": VirtualServerConfiguration("MIPSLB", VIRTUAL, "HAFARM", in_service=True)},
    )
)
SERVER = BALANCER.virtual_servers["MIPSLB"]
SERVERS = {SERVER.packed_address: SERVER}

HEAD = struct.pack("!BBH4s4s4sQ", 1, 0, 600, b"\x0a\xc8\x00\x07", b"\0\0\0\0", b"\x0f\x01\x01\x33", 1)
NAI = b"\x83\x04anna"


def frame_of(payload: bytes, **ip: Any) -> bytes:
    return bytes(Ether() / IP(src="15.1.1.51", dst=str(VIRTUAL), **ip) / UDP(sport=5434, dport=434) / payload)


def read(frame: bytes) -> Request | DropReason:
    return read_request(frame, SERVERS, 1)


def test_every_field_of_a_request() -> None:
    assert read(frame_of(HEAD + NAI)) == Request(SERVER, b"\x01anna", b"\x0f\x01\x01\x33", 5434, b"\0\0\0\0", 600, 1, 1)


def test_ip_options_are_skipped() -> None:
    request = read(frame_of(HEAD + NAI, options=[IPOption_NOP()] * 4))
    assert isinstance(request, Request)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (frame_of(b""), DropReason.TRUNCATED),
        (frame_of(HEAD[:23]), DropReason.TRUNCATED),
        (frame_of(HEAD + NAI)[:60], DropReason.TRUNCATED),
        (frame_of(HEAD + NAI)[:36], DropReason.TRUNCATED),
        (frame_of(HEAD + NAI)[:20], DropReason.TRUNCATED),
        (frame_of(b"\x03" + HEAD[1:] + NAI), DropReason.NOT_REGISTRATION_REQUEST),
        (frame_of(b"\x00"), DropReason.NOT_REGISTRATION_REQUEST),
        (frame_of(HEAD + b"\x83"), DropReason.MALFORMED_EXTENSION),
        (frame_of(HEAD + b"\x83\x00"), DropReason.MALFORMED_EXTENSION),
        (frame_of(HEAD + b"\x83\x05anna"), DropReason.MALFORMED_EXTENSION),
        (frame_of(HEAD + b"\x24\x01\xff\xff" + NAI), DropReason.MALFORMED_EXTENSION),
        (frame_of(HEAD + b"\x26\x00\x00"), DropReason.MALFORMED_EXTENSION),
        (frame_of(HEAD + b"\x26\x00\x00\x03\x01\x02\x03" + NAI), DropReason.MALFORMED_EXTENSION),
        (frame_of(HEAD[:4] + bytes(4) + HEAD[8:]), DropReason.NO_IDENTITY),
        (bytes(fragment(Ether() / IP(dst=str(VIRTUAL)) / UDP(dport=434) / bytes(2000))[0]), DropReason.FRAGMENT),
        (bytes(fragment(Ether() / IP(dst=str(VIRTUAL)) / UDP(dport=434) / bytes(2000))[1]), DropReason.FRAGMENT),
    ],
)
def test_each_frame_without_a_request_has_a_drop_reason(frame: bytes, reason: DropReason) -> None:
    assert read(frame) is reason


def test_ethernet_padding_is_not_read() -> None:
    """Bytes behind the end of the datagram are no extensions."""
    request = read(frame_of(HEAD) + NAI)
    assert isinstance(request, Request)
    assert request.identity == b"\0\x0a\xc8\x00\x07"


@pytest.mark.parametrize(("tag", "vlan"), [(None, None), (15, 15), (0, 0)])
def test_a_vlan_tag_is_removed_and_its_vlan_returned(tag: int | None, vlan: int | None) -> None:
    inner = IP(dst=str(VIRTUAL)) / UDP(dport=434) / (HEAD + NAI)
    frame = Ether() / Dot1Q(vlan=tag) / inner if tag is not None else Ether() / inner
    assert without_vlan_tag(bytes(frame)) == (bytes(Ether() / inner), vlan)


@given(st.binary(max_size=120))
def test_no_frame_raises_an_error(frame: bytes) -> None:
    for each in (without_vlan_tag(frame)[0], frame_of(HEAD + NAI)[:14] + frame):
        assert isinstance(read(each), (Request, DropReason))
