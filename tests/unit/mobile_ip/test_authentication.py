"""Mobile-Home Authentication with HMAC-MD5 (RFC 5944 sections 3.5.1, 3.5.2; RFC 2104)."""

from __future__ import annotations

import contextlib
import hashlib
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mobile_ip_samples import REPLY_WIRE, REQUEST_WIRE

from ryu_haslb.mobile_ip.authentication import (
    SecurityAssociation,
    append_authentication,
    compute_authenticator,
    verify_authentication,
)
from ryu_haslb.mobile_ip.errors import MalformedMessage

ASSOCIATION = SecurityAssociation(spi=256, key=bytes.fromhex("00112233445566778899aabbccddeeff"))


def hmac_md5_by_hand(key: bytes, text: bytes) -> bytes:
    """RFC 2104 section 2 with nothing but MD5."""
    block = key.ljust(64, b"\0")
    inner = hashlib.md5(bytes(b ^ 0x36 for b in block) + text).digest()
    return hashlib.md5(bytes(b ^ 0x5C for b in block) + inner).digest()


@pytest.mark.parametrize(
    ("key", "text", "digest"),
    [
        (b"\x0b" * 16, b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
        (b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
        (b"\xaa" * 16, b"\xdd" * 50, "56be34521d144c88dbb8c733f0e8b3f6"),
    ],
)
def test_the_vectors_of_rfc_2104(key: bytes, text: bytes, digest: str) -> None:
    assert compute_authenticator(text, key).hex() == digest


@pytest.mark.parametrize("message", [REQUEST_WIRE, REPLY_WIRE], ids=["request", "reply"])
def test_the_authenticator_covers_everything_up_to_and_including_the_spi(message: bytes) -> None:
    covered = message + bytes.fromhex("2014 00000100")
    expected = covered + hmac_md5_by_hand(ASSOCIATION.key, covered)
    assert append_authentication(message, ASSOCIATION) == expected
    assert verify_authentication(expected, ASSOCIATION)


def test_one_changed_bit_does_not_verify() -> None:
    """The balancer must not change the payload: a home agent would reject it."""
    signed = append_authentication(REQUEST_WIRE, ASSOCIATION)
    for place, bit in product(range(len(signed)), range(8)):
        changed = bytearray(signed)
        changed[place] ^= 1 << bit
        try:
            assert not verify_authentication(bytes(changed), ASSOCIATION), (place, bit)
        except MalformedMessage:
            assert changed[0] != signed[0] or place >= 24, "the fixed part has no other rule than its type"


def test_another_key_or_spi_does_not_verify() -> None:
    signed = append_authentication(REQUEST_WIRE, ASSOCIATION)
    assert not verify_authentication(signed, SecurityAssociation(256, b"another"))
    assert not verify_authentication(signed, SecurityAssociation(257, ASSOCIATION.key))


def test_a_message_without_the_extension_or_with_two_of_them_does_not_verify() -> None:
    signed = append_authentication(REQUEST_WIRE, ASSOCIATION)
    assert not verify_authentication(REQUEST_WIRE, ASSOCIATION)
    assert not verify_authentication(append_authentication(signed, ASSOCIATION), ASSOCIATION)


@pytest.mark.parametrize("length", [0, 3, 4, 19, 21, 36])
def test_an_extension_of_another_length_does_not_verify(length: int) -> None:
    covered = REQUEST_WIRE + bytes([32, length]) + bytes.fromhex("00000100")[:length]
    signature = hmac_md5_by_hand(ASSOCIATION.key, covered)
    assert not verify_authentication((covered + signature + bytes(16))[: len(REQUEST_WIRE) + 2 + length], ASSOCIATION)


def test_an_nai_behind_the_extension_does_not_verify() -> None:
    """RFC 2794 section 2: the NAI stands before it. Behind it, it would be unprotected."""
    signed = append_authentication(REQUEST_WIRE[:24], ASSOCIATION)
    assert verify_authentication(signed, ASSOCIATION)
    assert not verify_authentication(signed + REQUEST_WIRE[24:], ASSOCIATION)


def test_extensions_behind_the_signature_may_follow() -> None:
    """A foreign agent may add its own authentication to FA-HA (RFC 5944 section 3.6.1.3)."""
    assert verify_authentication(append_authentication(REQUEST_WIRE, ASSOCIATION) + b"\x22\x02hi\0", ASSOCIATION)


@given(st.binary(max_size=200), st.sampled_from([b"", REQUEST_WIRE[:24], REPLY_WIRE]))
def test_hostile_bytes_do_not_verify_or_are_malformed(wire: bytes, before: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        assert not verify_authentication(before + wire, ASSOCIATION)


def test_a_security_association_is_checked_and_does_not_print_its_key() -> None:
    """RFC 5944 section 3.5.1: SPI values 0 to 255 are reserved."""
    assert "33" not in repr(ASSOCIATION)
    for spi in (-1, 0, 255, 2**32):
        with pytest.raises(ValueError, match="SPI"):
            SecurityAssociation(spi, b"key")
    with pytest.raises(ValueError, match="key"):
        SecurityAssociation(256, b"")
