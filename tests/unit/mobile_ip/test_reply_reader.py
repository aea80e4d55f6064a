"""The strict reader of Registration Replies (RFC 5944 section 3.4) reads what the plain codec reads, and no more."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mobile_ip_samples import REPLIES, REPLY

from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.extensions import UNCERTAIN
from ryu_haslb.mobile_ip.identification import mismatch_identification
from ryu_haslb.mobile_ip.registration import RegistrationReply
from ryu_haslb.mobile_ip.reply_reader import ReplyFields, read_registration_reply

NAI = b"\x83\x04anna"


def head(code: int = 0, lifetime: int = 600, home_address: bytes = bytes(4), identification: int = 7) -> bytes:
    return struct.pack("!BBH4s4sQ", 3, code, lifetime, home_address, b"\x0a\x01\x01\x33", identification)


def test_every_field_of_a_reply() -> None:
    fields = read_registration_reply(REPLY.encode())
    assert fields is not None
    assert (fields.code, fields.lifetime) == (REPLY.code, REPLY.lifetime)
    assert fields.home_agent == REPLY.home_agent.packed
    assert fields.identification == REPLY.identification - (1 << 64)  # a time stamp of our days, as a signed number
    expected = b"\x00" + REPLY.home_address.packed if REPLY.nai is None else b"\x01" + REPLY.nai
    assert fields.identity == expected


def test_a_mobile_without_an_nai_is_known_by_its_home_address() -> None:
    fields = read_registration_reply(head(home_address=IPv4Address("10.0.0.1").packed))
    assert fields is not None
    assert fields.identity == b"\x00\x0a\x00\x00\x01"
    assert read_registration_reply(head()) == ReplyFields(0, 600, None, b"\x0a\x01\x01\x33", 7)


@pytest.mark.parametrize(("code", "lifetime", "is_accepted"), [(0, 600, True), (1, 1, True), (0, 0, False)])
def test_accepted_is_a_reply_that_binds(code: int, lifetime: int, is_accepted: bool) -> None:
    fields = read_registration_reply(head(code, lifetime) + NAI)
    assert fields is not None
    assert fields.is_accepted is is_accepted


@pytest.mark.parametrize("code", [2, 64, 128, 130, 131, 133, 255])
def test_a_denial_binds_no_mobile(code: int) -> None:
    fields = read_registration_reply(head(code) + NAI)
    assert fields is not None
    assert not fields.is_accepted


def test_a_reply_answers_the_request_with_its_identification() -> None:
    """RFC 5944 section 5.7.1: with code 133 the high half is the home agent's time."""
    accepted = read_registration_reply(head(0, identification=0x1234567890))
    assert accepted is not None
    assert accepted.answers(0x1234567890)
    assert not accepted.answers(0x1234567891)
    own, received = 0xAAAAAAAA << 32, 0xBBBBBBBB12345678
    denied = read_registration_reply(head(133, identification=mismatch_identification(own, received)))
    assert denied is not None
    assert denied.answers(received - (1 << 64))
    assert not denied.answers(received - (1 << 64) + 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x03",
        b"\x01" + head()[1:],
        head()[:19],
        head() + b"\x83",
        head() + b"\x83\x00",
        head() + b"\x83\x20anna",
        head() + b"\x24\x01\xff\xff" + NAI,
        head() + b"\x64\xff" + NAI,  # neither a short nor a long extension
    ],
)
def test_what_is_no_whole_reply_is_none(payload: bytes) -> None:
    assert read_registration_reply(payload) is None


@given(REPLIES)
def test_it_reads_what_the_plain_codec_has_written(reply: RegistrationReply) -> None:
    fields = read_registration_reply(reply.encode())
    assert fields is not None
    assert (fields.code, fields.identification % (1 << 64)) == (reply.code, reply.identification)
    if reply.nai is not None:
        assert fields.identity == b"\x01" + reply.nai


@given(st.binary(max_size=120) | st.binary(max_size=100).map(lambda rest: head() + rest))
@example(head() + bytes(3))
def test_any_bytes_are_read_as_the_plain_codec_reads_them_or_not_at_all(payload: bytes) -> None:
    """Nothing is raised. What the plain codec accepts is accepted with the same mobile."""
    fields = read_registration_reply(payload)
    try:
        reply = RegistrationReply.decode(payload)
    except MalformedMessage:
        return  # the fault may be behind the NAI, which is not read
    if any(extension.type in UNCERTAIN for extension in reply.extensions):
        return
    assert fields is not None
    assert fields.code == reply.code
    if reply.nai is not None:
        assert fields.identity == b"\x01" + reply.nai
