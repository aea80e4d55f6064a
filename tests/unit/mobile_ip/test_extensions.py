"""The four shapes of extensions (RFC 5944 sections 1.8 to 1.10, RFC 3115, RFC 3957, RFC 4721)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mobile_ip_samples import extensions

from ryu_haslb.mobile_ip.errors import MalformedMessage
from ryu_haslb.mobile_ip.extensions import (
    Extension,
    decode_extensions,
    encode_extensions,
    nai_extension,
    walk,
)


@pytest.mark.parametrize(
    ("extension", "wire"),
    [
        (Extension(0), "00"),
        (Extension(32, b"\1\2"), "20020102"),
        (Extension(134, b""), "8600"),
        (Extension(36, b"\1\2\3", subtype=1), "2401 0003 010203"),
        (Extension(40, b"", subtype=7), "2807 0000"),
        (Extension(38, b"\0\0\0\x09xy"), "2600 0006 00000009 7879"),
        (nai_extension(b"a@b"), "8303 614062"),
    ],
)
def test_each_shape_has_the_layout_of_its_standard(extension: Extension, wire: str) -> None:
    assert extension.encode() == bytes.fromhex(wire)
    assert decode_extensions(bytes.fromhex(wire), 0) == (extension,)


def test_long_extensions_longer_than_255_bytes_do_not_derail_the_walk() -> None:
    """A parser that reads type 36 or 38 as short takes their data for extensions (RFC 5944 section 1.9)."""
    wire = bytes.fromhex("2401012c") + b"\x83" * 300 + bytes.fromhex("26000104 00000009") + b"\x83" * 256 + b"\x83\1x"
    assert [(span.type, span.start) for span in walk(wire, 0)] == [(36, 0), (38, 304), (131, 568)]


def test_padding_is_one_byte_without_length() -> None:
    """RFC 5944 section 3.5 and 1.8: type 0 has neither length nor data."""
    assert [extension.type for extension in decode_extensions(b"\0\0\x83\1n\0", 0)] == [0, 0, 131, 0]


@pytest.mark.parametrize(
    ("wire", "offset", "expected"),
    [
        ("20", 1, "header of extension type 32"),
        ("240100", 3, "header of extension type 36"),
        ("2005 00", 3, "4 more byte"),
        ("2600 0008 00000009", 8, "4 more byte"),
        ("8300", 2, "at least 1 byte"),
    ],
)
def test_a_broken_extension_is_reported_with_place_and_expectation(wire: str, offset: int, expected: str) -> None:
    with pytest.raises(MalformedMessage, match=expected) as caught:
        decode_extensions(bytes.fromhex(wire), 0)
    assert caught.value.offset == offset
    assert f"offset {offset}" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "data", "subtype"),
    [(256, b"", 0), (-1, b"", 0), (0, b"x", 0), (131, b"", 0), (131, b"x" * 256, 0), (32, b"", 1)],
)
def test_values_that_do_not_fit_the_shape_are_errors(kind: int, data: bytes, subtype: int) -> None:
    with pytest.raises(ValueError, match="extension type"):
        Extension(kind, data, subtype)


@given(st.lists(extensions(), max_size=8).map(tuple), st.binary(max_size=30))
def test_what_was_encoded_is_decoded(listed: tuple[Extension, ...], before: bytes) -> None:
    assert decode_extensions(before + encode_extensions(listed), len(before)) == listed


@given(st.binary(max_size=400))
def test_hostile_bytes_are_decoded_or_malformed(wire: bytes) -> None:
    """The decoded extensions encode to the same bytes."""
    try:
        decoded = decode_extensions(wire, 0)
    except MalformedMessage as error:
        assert 0 <= error.offset <= len(wire)
    else:
        assert encode_extensions(decoded) == wire
