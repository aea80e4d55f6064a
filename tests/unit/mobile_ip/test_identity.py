"""The key of sessions and bindings: the NAI, else the home address (chapter: "a session object indexed by the NAI")."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mobile_ip_samples import REQUESTS

from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.identity import IdentityKind, home_address_identity, identity_of_request, nai_identity
from ryu_haslb.mobile_ip.registration import RegistrationRequest

NAI = b"\x83\x05u@isp"


def fixed(home_address: str = "0.0.0.0") -> bytes:
    return bytes.fromhex("01000258") + IPv4Address(home_address).packed + bytes(8) + b"identify"


def test_the_nai_identifies_even_if_there_is_a_home_address() -> None:
    """RFC 2794 section 2.1."""
    assert identity_of_request(fixed("10.200.0.1") + NAI) == nai_identity(b"u@isp")


def test_without_nai_the_home_address_identifies() -> None:
    assert identity_of_request(fixed("10.200.0.1")) == home_address_identity(IPv4Address("10.200.0.1"))


def test_a_request_without_nai_and_home_address_has_no_identity() -> None:
    assert identity_of_request(fixed()) is None


@pytest.mark.parametrize(
    "before",
    [
        b"\0\0\0",
        bytes.fromhex("2403 0102") + b"\x83\x02" + b"x" * 256,
        bytes.fromhex("2600 000a 00000009") + b"\x83\x04evil",
        bytes.fromhex("2801 0003 830178"),
        bytes.fromhex("8604 83026869"),
        bytes.fromhex("2014 00000100") + b"\x83" * 16,
    ],
    ids=[
        "padding",
        "generalized authentication",
        "vendor",
        "key request",
        "normal vendor",
        "authenticator",
    ],
)
def test_the_nai_is_found_behind_every_shape_and_not_inside_one(before: bytes) -> None:
    assert identity_of_request(fixed() + before + NAI) == nai_identity(b"u@isp")
    assert identity_of_request(fixed() + before) is None


def test_the_first_of_two_nais_counts() -> None:
    assert identity_of_request(fixed() + NAI + b"\x83\x05v@isp") == nai_identity(b"u@isp")


@pytest.mark.parametrize("before", ["8300", "20", "2014 00", "24 01 ff", "2600 0001", "2600 0003 010203"])
def test_an_empty_nai_or_a_broken_extension_before_the_nai_is_malformed(before: str) -> None:
    with pytest.raises(MalformedMessage):
        identity_of_request(fixed("10.200.0.1") + bytes.fromhex(before))


def test_extensions_behind_the_nai_are_not_read() -> None:
    """They are for the home agent: the balancer passes the payload on as it is."""
    assert identity_of_request(fixed() + NAI + b"\x20\xff") == nai_identity(b"u@isp")


def test_an_nai_of_255_bytes_is_kept_whole() -> None:
    assert identity_of_request(fixed() + b"\x83\xff" + b"n" * 255) == nai_identity(b"n" * 255)


@given(st.integers(1, 2**32 - 1).map(IPv4Address))
def test_an_nai_with_the_bytes_or_the_text_of_a_home_address_is_another_identity(address: IPv4Address) -> None:
    owner = home_address_identity(address)
    for disguise in (address.packed, str(address).encode(), owner.key[1:]):
        assert nai_identity(disguise) != owner
        assert nai_identity(disguise).key != owner.key


@given(REQUESTS)
def test_the_identity_is_that_of_the_decoded_request(request: RegistrationRequest) -> None:
    assert identity_of_request(request.encode()) == request.identity


@given(st.binary(max_size=300), st.booleans())
def test_an_identity_read_from_hostile_bytes_is_a_part_of_them(wire: bytes, with_fixed_part: bool) -> None:
    payload = fixed("10.200.0.1") + wire if with_fixed_part else wire
    try:
        found = identity_of_request(payload)
    except MalformedMessage:
        return
    assert found is None or found.value in payload
    assert found is None or found.kind in IdentityKind


@given(st.binary(min_size=1, max_size=255))
def test_every_nai_is_shown_as_printable_text(nai: bytes) -> None:
    assert str(nai_identity(nai)).isprintable()


def test_an_ordinary_nai_and_a_home_address_are_shown_as_they_are() -> None:
    assert str(nai_identity(b"mwts-mip-np-user1@ispxyz.com")) == "mwts-mip-np-user1@ispxyz.com"
    assert str(nai_identity("jörg@example.de".encode())) == "jörg@example.de"
    assert str(nai_identity(b"a\nb\x1b[2J")) == "a\\nb\\x1b[2J"
    assert str(home_address_identity(IPv4Address("10.200.0.1"))) == "10.200.0.1"
