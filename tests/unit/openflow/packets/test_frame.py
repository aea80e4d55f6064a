"""The request path finds the Registration Request in a frame, or the reason to drop the frame."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from farm_builder import VIRTUAL
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, IPOption_LSRR, IPOption_NOP, fragment
from scapy.layers.l2 import Dot1Q, Ether

from ryu_haslb.configuration.model import Configuration, ServerFarm
from ryu_haslb.configuration.model import VirtualServer as VirtualServerConfiguration
from ryu_haslb.openflow.packets.frame import read_request, without_vlan_tag
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.request import Request
from ryu_haslb.slb.session import UNKNOWN_IDENTIFICATION

BALANCER = Balancer(
    Configuration(
        farms={"HAFARM": ServerFarm("HAFARM")},
        virtual_servers={"MIPSLB": VirtualServerConfiguration("MIPSLB", VIRTUAL, "HAFARM", in_service=True)},
    )
)
SERVER = BALANCER.virtual_servers["MIPSLB"]
SERVERS = {SERVER.packed_address: SERVER}
OWN_ADDRESSES = frozenset({VIRTUAL.packed, bytes([10, 1, 1, 255])})

HEAD = struct.pack("!BBH4s4s4sQ", 1, 0, 600, b"\x0a\xc8\x00\x07", b"\0\0\0\0", b"\x0f\x01\x01\x33", 1)
NAI = b"\x83\x04anna"


def frame_of(payload: bytes, udp: dict[str, Any] | None = None, mac: str = "02:00:00:00:00:99", **ip: Any) -> bytes:
    """A frame with right checksums, unless ``ip`` or ``udp`` (fields as Scapy names them) give others."""
    ip = {"src": "15.1.1.51", "dst": str(VIRTUAL), **ip}
    return bytes(Ether(src=mac) / IP(**ip) / UDP(**{"sport": 5434, "dport": 434, **(udp or {})}) / payload)


def read(frame: bytes) -> Request | DropReason:
    request = Request()
    request.client_port = 0
    return read_request(request, frame, SERVERS, OWN_ADDRESSES) or request


def test_every_field_of_a_request() -> None:
    request = read(frame_of(HEAD + NAI))
    assert isinstance(request, Request)
    assert (request.virtual_server, request.identity) == (SERVER, b"\x01anna")
    assert (request.client, request.client_port) == (b"\x0f\x01\x01\x33", 5434)
    assert (request.home_agent, request.lifetime, request.identification) == (b"\0\0\0\0", 600, 1)


@given(st.integers(0, 2**64 - 1))
def test_the_identification_is_a_signed_number_and_never_the_unknown_one(identification: int) -> None:
    """RFC 5944 section 5.7: a home agent may choose its high half, so all 64 bits may be set."""
    request = read(frame_of(HEAD[:-8] + identification.to_bytes(8, "big") + NAI))
    assert isinstance(request, Request)
    assert request.identification.to_bytes(8, "big", signed=True) == identification.to_bytes(8, "big")
    assert request.identification != UNKNOWN_IDENTIFICATION


@given(st.binary(min_size=1, max_size=80), st.sampled_from(["15.1.1.51", "1.0.0.1", "126.1.1.1", "223.255.255.254"]))
def test_right_checksums_are_right_whatever_the_length(nai: bytes, client: str) -> None:
    """RFC 1071: an odd datagram is summed up as if a byte of zero followed. Scapy makes the checksums here."""
    frame = frame_of(HEAD + b"\x83" + bytes([len(nai)]) + nai, src=client)
    assert isinstance(read(frame), Request)
    assert isinstance(read(frame + bytes(9)), Request), "Ethernet's padding is no part of the datagram"


@given(st.integers(16, 41), st.integers(1, 0xFF))
def test_no_damaged_byte_of_the_headers_goes_unnoticed(offset: int, change: int) -> None:
    """Both checksums together cover all bytes; only a UDP checksum of 0 is allowed (RFC 768)."""
    frame = bytearray(frame_of(HEAD + NAI))
    frame[offset] ^= change
    assert frame[40:42] == bytes(2) or isinstance(read(bytes(frame)), DropReason)


@given(st.integers(0, 0xFFFF))
def test_a_checksum_is_right_or_wrong(checksum: int) -> None:
    right = frame_of(HEAD + NAI)
    for field, reason in ((24, DropReason.BAD_IP_CHECKSUM), (40, DropReason.BAD_UDP_CHECKSUM)):
        frame = right[:field] + checksum.to_bytes(2, "big") + right[field + 2 :]
        is_accepted = frame == right or (field == 40 and checksum == 0)
        assert isinstance(read(frame), Request) if is_accepted else read(frame) is reason


def test_a_request_with_its_last_hop_behind_it_is_for_us() -> None:
    """RFC 1122 section 3.2.1.7: a host takes a datagram with TTL 1. The virtual address is its destination."""
    assert isinstance(read(frame_of(HEAD + NAI, ttl=1)), Request)


def test_bytes_behind_the_datagram_are_not_read() -> None:
    """UDP's length may be shorter than IP's (RFC 9868): both we and the home agents read the datagram."""
    frame = frame_of(HEAD + NAI + b"surplus", udp={"len": 8 + len(HEAD + NAI), "chksum": 0})
    assert isinstance(read(frame), Request)


IMPOSSIBLE_SOURCES = ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.11", "239.1.1.1", "240.0.0.1", "255.255.255.255")


@pytest.mark.parametrize("source", [*IMPOSSIBLE_SOURCES, str(VIRTUAL), "10.1.1.255"])
def test_a_source_that_no_client_has_is_dropped(source: str) -> None:
    """RFC 1122 section 3.2.1.3; the virtual address itself; the broadcast address of one of our networks."""
    assert read(frame_of(HEAD + NAI, src=source)) is DropReason.MARTIAN_SOURCE


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (frame_of(b""), DropReason.TRUNCATED),
        (frame_of(HEAD[:23]), DropReason.TRUNCATED),
        (frame_of(HEAD + NAI)[:60], DropReason.TRUNCATED),
        (frame_of(HEAD + NAI)[:36], DropReason.TRUNCATED),
        (frame_of(HEAD + NAI)[:20], DropReason.TRUNCATED),
        (frame_of(HEAD + NAI, len=200), DropReason.TRUNCATED),
        (frame_of(HEAD + NAI, len=40), DropReason.TRUNCATED),
        (frame_of(HEAD + NAI, udp={"len": 200}), DropReason.TRUNCATED),
        (frame_of(HEAD + NAI, udp={"len": 8}), DropReason.TRUNCATED),
        (frame_of(HEAD + NAI, ihl=4), DropReason.TRUNCATED),
        (frame_of(HEAD + NAI, version=6), DropReason.TRUNCATED),
        (frame_of(HEAD + NAI, options=[IPOption_NOP()] * 4), DropReason.IP_OPTIONS),
        (frame_of(HEAD + NAI, options=[IPOption_LSRR(routers=["15.1.1.1"])]), DropReason.IP_OPTIONS),
        (frame_of(HEAD + NAI, ttl=0), DropReason.TTL_EXPIRED),
        (frame_of(HEAD + NAI, udp={"sport": 0}), DropReason.SOURCE_PORT_ZERO),
        (frame_of(HEAD + NAI, mac="01:00:5e:00:00:01"), DropReason.MARTIAN_SOURCE),
        (frame_of(HEAD + NAI, proto=1), DropReason.NOT_REGISTRATION_REQUEST),
        (frame_of(HEAD + NAI, udp={"dport": 435}), DropReason.NOT_REGISTRATION_REQUEST),
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


@pytest.mark.parametrize("size", [576, 1400, 9000])
def test_a_request_may_be_long(size: int) -> None:
    """Many extensions make it longer than the 576 bytes that every host takes (RFC 791); it must come in one piece."""
    before = b"\x26\0" + (size - 4).to_bytes(2, "big") + bytes(size - 4)  # a vendor's extension (RFC 3115)
    request = read(frame_of(HEAD + before + NAI))
    assert isinstance(request, Request)
    assert request.identity == b"\x01anna"


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


class Counted(bytes):
    """Bytes that count how many are copied of them, unless compiled code reads them."""

    copied = 0

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        if isinstance(found, int):
            return found
        Counted.copied += len(found)
        return Counted(found)

    def __add__(self, other: Any) -> Counted:
        return Counted(super().__add__(other))


def test_many_vlan_tags_cost_little() -> None:
    """One copy of the frame for each tag took 50 ms of the event loop."""
    inner = frame_of(HEAD + NAI)
    frame = Counted(inner[:12] + b"\x81\0\0\7" + b"\x88\xa8\0\1" * 16_000 + inner[12:])
    assert without_vlan_tag(frame) == (inner, 7)
    assert Counted.copied < 2 * len(frame)


@given(st.binary(max_size=120))
def test_no_frame_raises_an_error(frame: bytes) -> None:
    for each in (without_vlan_tag(frame)[0], frame_of(HEAD + NAI)[:14] + frame):
        assert isinstance(read(each), (Request, DropReason))
