"""Reverse ARP (RFC 903), against Scapy."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP, Ether

from haslb_lab.tunnels.reverse_arp import ETHERTYPE, REPLY, REQUEST, ReverseArp

OWN = bytes.fromhex("020000000001")
PDSN, MOBILE = IPv4Address("15.1.1.51"), IPv4Address("10.201.0.1")


def test_a_mobile_asks_who_it_is() -> None:
    seen = Ether(ReverseArp(REQUEST).encode(OWN))
    arp = ARP(bytes(seen.payload))
    assert (seen.type, seen.dst, seen.src) == (0x8035, "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01")
    assert (arp.op, arp.hwsrc, arp.hwdst, arp.psrc, arp.pdst) == (3, seen.src, seen.src, "0.0.0.0", "0.0.0.0")


def test_the_pdsn_sends_it() -> None:
    frame = ReverseArp(REPLY, PDSN, MOBILE).encode(OWN)
    arp = ARP(frame[14:])
    assert (arp.op, arp.psrc, arp.pdst) == (4, str(PDSN), str(MOBILE))
    assert ReverseArp.decode(frame) == ReverseArp(REPLY, PDSN, MOBILE)
    assert ReverseArp.decode(frame + bytes(18)) == ReverseArp(REPLY, PDSN, MOBILE)  # Ethernet pads


def test_other_operations_and_kinds_of_address_are_none_of_ours() -> None:
    own: dict[str, Any] = {"op": 4, "psrc": str(PDSN), "pdst": str(MOBILE)}
    for change in ({"op": 1}, {"op": 2}, {"hwlen": 8}, {"plen": 16}, {"ptype": 0x86DD}, {"hwtype": 6}):
        arp = ARP(**{**own, **change})
        assert ReverseArp.decode(bytes(Ether(type=ETHERTYPE) / arp)) is None
    assert ReverseArp.decode(bytes(Ether(type=0x0806) / ARP(op=4))) is None


@given(st.binary(max_size=64))
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    message = ReverseArp.decode(data)
    assert message is None or message.operation in (REQUEST, REPLY)
