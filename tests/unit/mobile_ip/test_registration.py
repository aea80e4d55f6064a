"""Registration Request and Reply (RFC 5944 sections 3.3 and 3.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mobile_ip_samples import REPLIES, REPLY, REPLY_WIRE, REQUEST, REQUEST_WIRE, REQUESTS
from scapy.layers.mobileip import MobileIP, MobileIPRRP, MobileIPRRQ

from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.registration import (
    Flags,
    RegistrationReply,
    RegistrationRequest,
    describe_code,
)


def test_a_request_has_the_layout_of_rfc_5944_section_3_3() -> None:
    assert REQUEST.encode() == REQUEST_WIRE
    assert RegistrationRequest.decode(REQUEST_WIRE) == REQUEST


def test_a_reply_has_the_layout_of_rfc_5944_section_3_4() -> None:
    assert REPLY.encode() == REPLY_WIRE
    assert RegistrationReply.decode(REPLY_WIRE) == REPLY


def test_a_request_that_scapy_built_reads_the_same() -> None:
    built = bytes(
        MobileIP(type=1)
        / MobileIPRRQ(
            flags=0x22,
            lifetime=600,
            homeaddr="0.0.0.0",
            haaddr="255.255.255.255",
            coaddr="15.1.1.51",
            id=5,
        )
    )
    assert RegistrationRequest.decode(built) == replace(REQUEST, identification=5, extensions=())


def test_scapy_reads_a_reply_that_we_built() -> None:
    read = MobileIP(REPLY_WIRE)
    assert (read.type, read[MobileIPRRP].code, read[MobileIPRRP].lifetime) == (3, 0, 600)
    assert (read[MobileIPRRP].homeaddr, read[MobileIPRRP].haaddr) == ("10.200.0.1", "10.1.1.51")


@given(REQUESTS)
def test_a_request_survives_encoding(request_: RegistrationRequest) -> None:
    assert RegistrationRequest.decode(request_.encode()) == request_


@given(REPLIES)
def test_a_reply_survives_encoding(reply: RegistrationReply) -> None:
    assert RegistrationReply.decode(reply.encode()) == reply


@given(st.binary(max_size=200), st.sampled_from([b"", REQUEST_WIRE[:24], REPLY_WIRE]))
def test_hostile_bytes_are_decoded_or_malformed(wire: bytes, before: bytes) -> None:
    for message in (RegistrationRequest, RegistrationReply):
        try:
            decoded = message.decode(before + wire)
        except MalformedMessage:
            continue
        assert decoded.encode() == before + wire


@pytest.mark.parametrize("size", range(24))
def test_every_cut_of_the_fixed_part_is_malformed_at_its_end(size: int) -> None:
    with pytest.raises(MalformedMessage) as caught:
        RegistrationRequest.decode(REQUEST_WIRE[:size])
    assert caught.value.offset == size


@pytest.mark.parametrize("size", range(25, 54))
def test_every_cut_of_the_nai_is_malformed_at_its_end(size: int) -> None:
    with pytest.raises(MalformedMessage) as caught:
        RegistrationRequest.decode(REQUEST_WIRE[:size])
    assert caught.value.offset == size


def test_a_request_is_no_reply_and_a_reply_is_no_request() -> None:
    with pytest.raises(MalformedMessage, match=r"offset 0.*type 1.*03"):
        RegistrationRequest.decode(REPLY_WIRE + bytes(4))
    with pytest.raises(MalformedMessage, match=r"offset 0.*type 3.*01"):
        RegistrationReply.decode(REQUEST_WIRE)


@pytest.mark.parametrize("field", [{"lifetime": 65536}, {"lifetime": -1}, {"identification": 2**64}])
def test_a_number_that_does_not_fit_is_a_value_error(field: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        replace(REQUEST, **field).encode()  # type: ignore[arg-type]


def test_codes_0_and_1_accept_and_no_other() -> None:
    """RFC 5944 section 3.4: 1 is accepted, without simultaneous bindings."""
    accepted = [code for code in range(256) if replace(REPLY, code=code).accepted]
    assert accepted == [0, 1]


def test_codes_are_described_in_words_and_unknown_ones_by_number() -> None:
    assert describe_code(131) == "131 mobile node failed authentication"
    assert describe_code(77) == "77"


def test_flags_are_shown_like_on_ios() -> None:
    """Bit order of RFC 5944 section 3.3: S B D M G r T x."""
    assert Flags(0).letters == "sbdmg-t-"
    assert (Flags.DECAPSULATION | Flags.REVERSE_TUNNELING | Flags.RESERVED_R).letters == "sbDmg-T-"
    assert Flags(0xFF).letters == "SBDMG-T-"
