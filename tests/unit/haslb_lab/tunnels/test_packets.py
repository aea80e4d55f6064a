"""IP in IP on the wire (RFC 2003), against Scapy, which shares no code with ours."""

from __future__ import annotations

import random
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP, IPOption_Router_Alert
from scapy.packet import Packet, Raw

from haslb_lab.tunnels.packets import (
    FRAGMENTATION_NEEDED,
    HOST_UNREACHABLE,
    MalformedPacketError,
    checksum,
    deserves_an_error,
    encapsulate,
    fragments,
    read_header,
    unreachable,
)

HOME_AGENT, CARE_OF = IPv4Address("10.1.1.51"), IPv4Address("15.1.1.51")
MOBILE, CORRESPONDENT = "10.201.0.1", "10.1.1.200"
IDENTIFICATION = 4711


def to_mobile(payload: bytes = b"hello", **fields: Any) -> bytes:
    return bytes(IP(src=CORRESPONDENT, dst=MOBILE, **fields) / UDP() / payload)


def put(packet: bytes) -> bytes:
    return encapsulate(packet, read_header(packet), HOME_AGENT, CARE_OF, IDENTIFICATION)


def remade(packet: Packet) -> bytes:
    """The packet with length and checksum made anew by Scapy."""
    del packet.len, packet.chksum
    return bytes(packet)


def test_the_outer_header_has_the_tunnels_ends_and_the_inner_packet_stays_as_it_is() -> None:
    """RFC 2003 section 3.1."""
    inner = to_mobile(ttl=9, options=[IPOption_Router_Alert()])
    outer = IP(put(inner))
    assert (outer.version, outer.ihl, outer.proto, outer.ttl, outer.id) == (4, 5, 4, 64, IDENTIFICATION)
    assert (outer.src, outer.dst) == (str(HOME_AGENT), str(CARE_OF))
    assert bytes(outer.payload) == inner
    assert remade(outer.copy()) == bytes(outer)


@pytest.mark.parametrize("flags", [0, "DF"])
def test_dont_fragment_is_the_inner_packets(flags: Any) -> None:
    """RFC 2003 section 3.1: what must not be fragmented inside must not be outside."""
    assert IP(put(to_mobile(flags=flags))).flags == (flags or 0)


def test_an_inner_fragment_does_not_make_the_outer_packet_one() -> None:
    outer = IP(put(to_mobile(frag=3, flags="MF")))
    assert (outer.frag, outer.flags) == (0, 0)


@pytest.mark.parametrize(("inside", "outside"), [(0xB8, 0xB8), (0xBB, 0xB8), (0x03, 0x00)])
def test_the_type_of_service_is_copied_without_the_congestion_bits(inside: int, outside: int) -> None:
    """RFC 3168 section 9.1, limited functionality: no router may set marks that the exit does not read."""
    assert IP(put(to_mobile(tos=inside))).tos == outside


def test_what_follows_the_packet_is_left_behind() -> None:
    """Ethernet pads short packets."""
    inner = to_mobile()
    assert put(inner + bytes(20)) == put(inner)


@pytest.mark.parametrize("mtu", [68, 100, 576, 1400])
@pytest.mark.parametrize("size", [0, 48, 1000, 1452])
def test_fragments_are_what_scapy_puts_together_again(mtu: int, size: int) -> None:
    """RFC 791 section 2.3."""
    outer = put(to_mobile(random.Random(size).randbytes(size)))
    pieces = [IP(piece) for piece in fragments(outer, mtu)]
    assert all(len(piece) <= mtu and remade(piece.copy()) == bytes(piece) for piece in pieces)
    assert {(piece.id, piece.proto, piece.src, piece.dst) for piece in pieces} == {
        (IDENTIFICATION, 4, str(HOME_AGENT), str(CARE_OF))
    }
    assert [bool(piece.flags.MF) for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    together = bytearray()
    for piece in pieces:
        assert piece.frag * 8 == len(together)
        together += bytes(piece.payload)
    assert bytes(together) == outer[20:]


BROKEN = {
    "nothing": b"",
    "half a header": to_mobile()[:19],
    "truncated": to_mobile()[:-1],
    "IPv6": b"\x60" + bytes(39),
    "header length too small": b"\x44" + to_mobile()[1:],
    "header length beyond the packet": bytes(IP(src=MOBILE, dst=CORRESPONDENT, ihl=15, len=20, chksum=0))[:20],
    "total length below the header's": bytes(IP(src=MOBILE, dst=CORRESPONDENT, len=19)),
    "wrong checksum": to_mobile(chksum=0x1234),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_packet_is_refused_with_a_reason(what: str) -> None:
    with pytest.raises(MalformedPacketError, match=r"\w"):
        read_header(BROKEN[what])


@given(st.binary(max_size=80))
@example(to_mobile())
def test_any_bytes_are_a_packet_or_refused(data: bytes) -> None:
    try:
        header = read_header(data)
    except MalformedPacketError:
        return
    seen = IP(data)
    assert (str(header.source), str(header.destination), header.ttl) == (seen.src, seen.dst, seen.ttl)
    assert header.length <= header.total_length <= len(data)


@given(st.binary(max_size=100))
def test_the_checksum_is_that_of_the_internet(data: bytes) -> None:
    """RFC 1071: over data that end with their own checksum it is 0."""
    even = data + bytes(len(data) % 2)
    assert checksum(even + checksum(even).to_bytes(2, "big")) == 0


@pytest.mark.parametrize(("code", "mtu"), [(FRAGMENTATION_NEEDED, 1380), (HOST_UNREACHABLE, 0)])
def test_an_icmp_error_quotes_the_packet(code: int, mtu: int) -> None:
    """RFC 792, and RFC 1191 section 4 for the MTU."""
    packet = to_mobile(bytes(1000))
    assert unreachable(code, packet, mtu) == bytes(ICMP(type=3, code=code, nexthopmtu=mtu) / Raw(packet[:548]))


@pytest.mark.parametrize(
    ("packet", "deserved"),
    [
        (IP(src=CORRESPONDENT, dst=MOBILE) / UDP(), True),
        (IP(src=CORRESPONDENT, dst=MOBILE) / ICMP(type="echo-request"), True),
        (IP(src=CORRESPONDENT, dst=MOBILE) / ICMP(type="dest-unreach"), False),
        (IP(src=CORRESPONDENT, dst=MOBILE) / ICMP(type="time-exceeded"), False),
        (IP(src=CORRESPONDENT, dst=MOBILE, proto=1), False),
        (IP(src=CORRESPONDENT, dst=MOBILE, frag=1) / Raw(b"x" * 8), False),
        (IP(src="0.0.0.0", dst=MOBILE) / UDP(), False),
        (IP(src="224.0.0.1", dst=MOBILE) / UDP(), False),
        (IP(src="255.255.255.255", dst=MOBILE) / UDP(), False),
        (IP(src="127.0.0.1", dst=MOBILE) / UDP(), False),
        (IP(src=CORRESPONDENT, dst="224.0.0.1") / UDP(), False),
    ],
)
def test_errors_never_answer_errors_fragments_or_crowds(packet: Packet, deserved: bool) -> None:
    """RFC 1812 section 4.3.2.7."""
    data = bytes(packet)
    assert deserves_an_error(data, read_header(data)) is deserved
