"""The fast reader of the request path reads what the plain codec reads."""

from __future__ import annotations

import struct
from typing import Union

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mobile_ip_samples import REQUEST_WIRE, REQUESTS

from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.extensions import MAX_EXTENSIONS, MAX_POSSIBLE_EXTENSIONS, SHAPES, UNCERTAIN
from ryu_haslb.mobile_ip.identity import identity_of_request
from ryu_haslb.mobile_ip.registration import RegistrationRequest
from ryu_haslb.mobile_ip.request_reader import RequestFault, read_identity

HEAD = struct.pack("!BBH4s4s4sQ", 1, 0, 600, b"\x0a\xc8\x00\x07", b"\0\0\0\0", b"\x0f\x01\x01\x33", 1)
HEAD_WITHOUT_ADDRESS = HEAD[:4] + bytes(4) + HEAD[8:]
NAI = b"\x83\x04anna"


def read(payload: bytes) -> Union[bytes, RequestFault]:
    """Read a payload that stands between other bytes, as in a frame: none of them may be taken for a part of it."""
    return read_identity(b"\x83\x04evil" + payload + b"\x83\x04evil", 6, 6 + len(payload))


def test_the_nai_identifies() -> None:
    """RFC 5944 section 3.3, with the NAI extension of RFC 2794 section 2."""
    assert read(REQUEST_WIRE) == b"\x01mwts-mip-np-user1@ispxyz.com"


@pytest.mark.parametrize(
    "before",
    [
        b"\0\0\0",  # padding: one byte each
        b"\x20\x06\x83\x04evil",  # short
        b"\x24\x01\x00\x0a\x00\x00\x00\x02\x83\x04evil",  # generalized authentication: long
        b"\x26\x00\x00\x06\x00\x00\x00\x09\x83\x01",  # vendor (CVSE)
        b"\x28\x01\x00\x02\x83\x01",  # key request: long
        b"\x2b\x01\x00\x00",
        b"\x2f\x01\x00\x06\x83\x04evil",  # Proxy Mobile IPv4, RFC 5563: long
        b"\x30\x00\x00\x04\x83\x02no",  # GRE key, RFC 6245: long
        b"\x2c\x06\x83\x04evil",  # UDP tunnel reply, RFC 3519: short
        b"\x2d\x02\x83\x01",  # FA error, RFC 4636: short
        b"\x93\x06\x83\x04evil",  # Proxy Mobile IPv4, skippable: short
        b"\x64\x06abcdef",  # not assigned, and its data makes sense in one way only
        b"\x7f\x00\x00\x06abcdef",  # for experiments, RFC 4064
        b"\x86\x02\x83\x01",  # NVSE: short
        b"\xfe\x00",  # unknown, empty
    ],
)
def test_the_nai_is_found_behind_extensions_of_every_shape(before: bytes) -> None:
    assert read(HEAD + before + NAI) == b"\x01anna"


@pytest.mark.parametrize("number", sorted(UNCERTAIN))
def test_an_nai_out_of_an_extension_of_unknown_shape_is_never_taken(number: int) -> None:
    """RFC 5944 section 1.8: below 128 a type may be long or short, and the data of one may look like an NAI."""
    inside = b"\x83\x04evil"
    as_long = bytes([number, 0, 0, 8]) + b"\0" * 2 + inside
    assert read(HEAD + as_long + NAI) is RequestFault.MALFORMED_EXTENSION
    assert read(HEAD + as_long) is RequestFault.MALFORMED_EXTENSION
    as_short = bytes([number, len(inside) + 2, 0, 0]) + inside
    assert read(HEAD + as_short + NAI) is RequestFault.MALFORMED_EXTENSION


def test_a_request_of_many_extensions_of_unknown_shape_costs_little() -> None:
    """Both readings of each are followed, each place once: not one for each combination."""
    assert read(HEAD + b"\x64\x02\x00\x00" * 1000 + NAI) is RequestFault.MALFORMED_EXTENSION
    assert read(HEAD + b"\x64\x06abcdef" * MAX_POSSIBLE_EXTENSIONS + NAI) is RequestFault.MALFORMED_EXTENSION
    assert read(HEAD + b"\x64\x06abcdef" * (MAX_POSSIBLE_EXTENSIONS - 1) + NAI) == b"\x01anna"


@pytest.mark.parametrize("extension", [b"\x00", b"\xfe\x00", b"\x28\x01\x00\x00"], ids=["padding", "short", "long"])
@pytest.mark.parametrize("behind", [NAI, b""], ids=["NAI", "no NAI"])
def test_a_request_of_many_extensions_costs_little(extension: bytes, behind: bytes) -> None:
    expected = b"\x01anna" if behind else b"\0\x0a\xc8\x00\x07"
    assert read(HEAD + extension * MAX_EXTENSIONS + behind) == expected
    payload = HEAD + extension * (MAX_EXTENSIONS + 1) + behind
    assert read(payload) is RequestFault.MALFORMED_EXTENSION
    with pytest.raises(MalformedMessage):
        identity_of_request(payload)


def test_without_an_nai_the_home_address_identifies() -> None:
    assert read(HEAD) == b"\0\x0a\xc8\x00\x07"


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (b"\x03" + HEAD[1:] + NAI, RequestFault.NOT_A_REQUEST),
        (HEAD[:1], RequestFault.TRUNCATED),
        (HEAD[:23], RequestFault.TRUNCATED),
        (HEAD + b"\x83", RequestFault.MALFORMED_EXTENSION),
        (HEAD + b"\x83\x00", RequestFault.MALFORMED_EXTENSION),
        (HEAD + b"\x24\x01\x00", RequestFault.MALFORMED_EXTENSION),
        (HEAD + b"\x26\x00\x00\x03\x01\x02\x03" + NAI, RequestFault.MALFORMED_EXTENSION),
        (HEAD_WITHOUT_ADDRESS, RequestFault.NO_IDENTITY),
    ],
)
def test_each_fault_has_a_name(payload: bytes, fault: RequestFault) -> None:
    assert read(payload) is fault


@given(REQUESTS)
def test_it_reads_from_well_formed_requests_what_the_decoder_reads(request: RegistrationRequest) -> None:
    identity, found = request.identity, read(request.encode())
    assert found == (RequestFault.NO_IDENTITY if identity is None else identity.key)


HOSTILE_EXTENSIONS = st.lists(
    st.one_of(
        st.binary(max_size=6),
        st.builds(lambda kind, data: bytes([kind, len(data)]) + data, st.integers(1, 255), st.binary(max_size=20)),
        st.builds(
            lambda kind, data: bytes([kind, 1]) + len(data).to_bytes(2, "big") + data,
            st.sampled_from([number for number, shape in enumerate(SHAPES) if shape.has_subtype]),
            st.binary(max_size=20),
        ),
        st.binary(min_size=1, max_size=20).map(lambda nai: bytes([131, len(nai)]) + nai),
    ),
    max_size=5,
).map(b"".join)


@given(
    st.binary(min_size=1, max_size=30) | st.just(HEAD) | st.just(HEAD_WITHOUT_ADDRESS),
    HOSTILE_EXTENSIONS,
)
def test_it_agrees_with_the_plain_reader_on_hostile_bytes(head: bytes, extensions: bytes) -> None:
    payload = head + extensions
    found = read(payload)
    try:
        plain = identity_of_request(payload)
    except MalformedMessage as error:
        assert found in (
            {RequestFault.NOT_A_REQUEST}
            if error.offset == 0
            else {RequestFault.TRUNCATED, RequestFault.MALFORMED_EXTENSION}
        )
        return
    assert found == (RequestFault.NO_IDENTITY if plain is None else plain.key)
