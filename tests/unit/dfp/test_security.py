"""Keyed MD5 and the life of keys (draft-eck-dfp-01, section 5.1.1; RFC 1828)."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.dfp.messages import BindIdRequest, DfpParameters, decode, encode
from ryu_haslb.dfp.security import KeyRing, keyed_digest
from ryu_haslb.dfp.tlv import KeepAlive, pack

PLAIN = encode(DfpParameters(KeepAlive(30)))
TIMEOUT = 180.0


def test_the_digest_is_md5_over_key_pad_message_key() -> None:
    """RFC 1828: assembled here byte by byte. The pad after "cisco" is 0x80, 50 zeros, its 40 bits low byte first."""
    header = bytes.fromhex("01000301 0000002c")
    security = bytes.fromhex("0001001c 00000001 00000000")
    keep_alive = bytes.fromhex("01010008 0000001e")
    covered = (
        b"cisco" + b"\x80" + b"\0" * 50 + b"\x28" + b"\0" * 7 + header + security + b"\0" * 16 + keep_alive + b"cisco"
    )
    digest = hashlib.md5(covered).digest()
    assert KeyRing("cisco").sign(PLAIN, 0) == header + security + digest + keep_alive


@pytest.mark.parametrize(("length", "padded"), [(1, 64), (55, 64), (56, 128), (63, 128), (64, 128)])
def test_the_leading_key_is_padded_as_md5_pads(length: int, padded: int) -> None:
    """RFC 1828: to the next 64 bytes, with room for 0x80 and the 8-byte bit count; 56 characters need another block."""
    key = b"k" * length
    filled = key + b"\x80" + b"\0" * (padded - length - 9) + struct.pack("<Q", 8 * length)
    assert len(filled) == padded
    assert keyed_digest(key, b"message") == hashlib.md5(filled + b"message" + key).digest()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64))
def test_both_ends_with_one_password_understand_each_other(password: str) -> None:
    signed = KeyRing(password).sign(PLAIN, 0)
    assert KeyRing(password).accepts(signed, 0)
    assert decode(signed) == decode(PLAIN)


@pytest.mark.parametrize("position", range(len(KeyRing("cisco").sign(PLAIN, 0))))
def test_a_change_of_any_byte_is_noticed(position: int) -> None:
    """The digest covers the message from its header on, but for itself."""
    signed = bytearray(KeyRing("cisco").sign(PLAIN, 0))
    signed[position] ^= 1
    assert not KeyRing("cisco").accepts(bytes(signed), 0)


@given(st.binary(max_size=80))
def test_no_body_that_is_not_signed_is_accepted(body: bytes) -> None:
    message = struct.pack("!BBHI", 1, 0, 0x0101, 8 + len(body)) + body
    assert not KeyRing("cisco").accepts(message, 0)


def test_the_security_tlv_must_come_first() -> None:
    """Section 5.1: immediately after the signal header."""
    signed = KeyRing("cisco").sign(PLAIN, 0)
    moved = signed[:8] + signed[36:] + signed[8:36]
    assert not KeyRing("cisco").accepts(moved, 0)


def test_without_a_key_a_security_tlv_is_passed_over() -> None:
    """Section 5.1: not configured on the receiver, it is ignored and the rest is processed."""
    signed = KeyRing("cisco").sign(PLAIN, 0)
    broken = signed[:30] + b"??????" + signed[36:]
    assert KeyRing().accepts(broken, 0)
    assert decode(broken) == decode(PLAIN)
    assert KeyRing().sign(PLAIN, 0) == PLAIN


def test_a_password_from_the_start_leaves_no_window() -> None:
    """A restart is no change of keys: an unsigned message is never accepted."""
    assert not KeyRing("cisco", TIMEOUT).accepts(PLAIN, 0)


def test_the_first_key_is_sent_at_once_and_unkeyed_messages_pass_for_the_timeout() -> None:
    """Section 5.1.1, rule 1, its second half."""
    ring = KeyRing(timeout=TIMEOUT)
    ring.add("cisco", 1000)
    assert ring.sign(PLAIN, 1000) == KeyRing("cisco").sign(PLAIN, 0)
    assert ring.accepts(PLAIN, 1000)
    assert ring.accepts(PLAIN, 1179.9)
    assert not ring.accepts(PLAIN, 1180)


def test_the_window_of_the_first_key_is_not_for_wrong_digests() -> None:
    """It lets in messages that do not contain the Security TLV, not forged ones."""
    ring = KeyRing(timeout=TIMEOUT)
    ring.add("cisco", 1000)
    assert not ring.accepts(KeyRing("guess").sign(PLAIN, 0), 1001)
    assert not ring.accepts(PLAIN[:8] + pack(1, b"\0\0\0\7") + PLAIN[8:], 1001)


def test_a_further_key_is_accepted_at_once_and_sent_after_the_timeout() -> None:
    """Section 5.1.1, rule 1."""
    ring = KeyRing("old", TIMEOUT)
    ring.add("new", 1000, key_id=7)
    new = KeyRing()
    new.add("new", 0, key_id=7)
    assert ring.accepts(new.sign(PLAIN, 0), 1000)
    assert ring.sign(PLAIN, 1179.9) == KeyRing("old").sign(PLAIN, 0)
    assert ring.sign(PLAIN, 1180) == new.sign(PLAIN, 0)
    assert not ring.accepts(PLAIN, 1001)


def test_the_key_id_chooses_the_key() -> None:
    """Section 5.1.1: the same password under another id is another key."""
    other = KeyRing()
    other.add("cisco", 0, key_id=1)
    assert not KeyRing("cisco").accepts(other.sign(PLAIN, 0), 0)


def test_a_removed_key_is_not_sent_and_still_accepted_for_the_timeout() -> None:
    """Section 5.1.1, rule 2."""
    ring = KeyRing("old", TIMEOUT)
    ring.add("new", 0)
    ring.remove("old", 1000)
    assert ring.sign(PLAIN, 1000) == KeyRing("new").sign(PLAIN, 0)
    old = KeyRing("old").sign(PLAIN, 0)
    assert ring.accepts(old, 1179.9)
    assert not ring.accepts(old, 1180)


def test_without_its_last_key_an_end_is_unkeyed() -> None:
    ring = KeyRing("old", TIMEOUT)
    ring.remove("old", 1000)
    assert ring.sign(PLAIN, 1000) == PLAIN
    assert ring.accepts(PLAIN, 1000)
    ring.add("new", 1001)
    assert ring.accepts(KeyRing("old").sign(PLAIN, 0), 1179)
    assert ring.accepts(PLAIN, 1180)
    assert not ring.accepts(KeyRing("old").sign(PLAIN, 0), 1180)
    assert not ring.accepts(PLAIN, 1181)


def test_removing_a_key_that_is_not_there_says_so() -> None:
    with pytest.raises(ValueError, match="no DFP key with id 3"):
        KeyRing("cisco").remove("cisco", 0, key_id=3)


def test_a_replaced_password_is_sent_for_the_timeout_and_both_are_accepted() -> None:
    """Section 5.1.1, rule 2 ("replaced"), as IOS does it: there is always a key to send that the others accept."""
    ring, old, new = KeyRing("old", TIMEOUT), KeyRing("old").sign(PLAIN, 0), KeyRing("new").sign(PLAIN, 0)
    ring.replace("new", 1000)
    for now in (1000, 1179.9):
        assert ring.sign(PLAIN, now) == old
        assert ring.accepts(old, now)
        assert ring.accepts(new, now)
        assert not ring.accepts(PLAIN, now)
    assert ring.sign(PLAIN, 1180) == new
    assert ring.accepts(new, 1180)
    assert not ring.accepts(old, 1180)


def test_a_replacement_of_no_password_is_the_first_key() -> None:
    ring = KeyRing(timeout=TIMEOUT)
    ring.replace("cisco", 1000)
    assert ring.sign(PLAIN, 1000) == KeyRing("cisco").sign(PLAIN, 0)
    assert ring.accepts(PLAIN, 1179.9)
    assert not ring.accepts(PLAIN, 1180)


def test_a_second_replacement_within_the_timeout_forgets_the_first() -> None:
    """IOS: a password that is still pending gives way to the next one."""
    ring = KeyRing("old", TIMEOUT)
    ring.replace("typo", 1000)
    ring.replace("new", 1100)
    assert not ring.accepts(KeyRing("typo").sign(PLAIN, 0), 1100)
    assert ring.sign(PLAIN, 1279.9) == KeyRing("old").sign(PLAIN, 0)
    assert ring.sign(PLAIN, 1280) == KeyRing("new").sign(PLAIN, 0)
    assert not ring.accepts(PLAIN, 1101)


def test_a_replacement_at_the_moment_of_the_change_over_keeps_the_newer_key() -> None:
    ring = KeyRing("old", TIMEOUT)
    ring.replace("new", 1000)
    ring.replace("newest", 1180)
    assert ring.sign(PLAIN, 1180) == KeyRing("new").sign(PLAIN, 0)
    assert not ring.accepts(PLAIN, 1180)
    assert not ring.accepts(KeyRing("old").sign(PLAIN, 0), 1180)


@given(
    st.lists(st.tuples(st.floats(0, 400) | st.just(TIMEOUT), st.sampled_from("abc")), max_size=8),
    st.floats(0, 500),
)
def test_a_ring_that_is_replaced_at_any_pace_always_signs_what_it_accepts(
    changes: list[tuple[float, str]], later: float
) -> None:
    """No sequence of passwords leaves an end without a key to send, with one that it would not take itself, or open."""
    ring, now = KeyRing("first", TIMEOUT), 0.0
    for delay, password in changes:
        now += delay
        ring.replace(password, now)
        assert not ring.accepts(PLAIN, now)
    signed = ring.sign(PLAIN, now + later)
    assert signed != PLAIN
    assert ring.accepts(signed, now + later)


@pytest.mark.parametrize("password", ["k" * 65, "pass\u00e9", ""])
def test_a_password_is_1_to_64_ascii_characters(password: str) -> None:
    """Section 5.1.1. The error must not print the password."""
    with pytest.raises(ValueError, match="1 to 64 ASCII characters; this one does not"):
        KeyRing().add(password, 0)


def test_messages_with_no_tlv_are_signed_as_well() -> None:
    signed = KeyRing("cisco").sign(encode(BindIdRequest()), 0)
    assert len(signed) == 36
    assert KeyRing("cisco").accepts(signed, 0)
