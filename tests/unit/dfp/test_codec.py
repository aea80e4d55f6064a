"""DFP messages and TLVs as bytes, and the cutting of streams (draft-eck-dfp-01, sections 4 to 6)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ryu_haslb.dfp.framing import MAX_MESSAGE_LENGTH, FrameReader, FramingError
from ryu_haslb.dfp.messages import (
    BindIdChangeNotify,
    BindIdReport,
    BindIdRequest,
    DfpParameters,
    Message,
    PreferenceInformation,
    ServerState,
    UnknownMessageError,
    decode,
    encode,
)
from ryu_haslb.dfp.tlv import (
    END_OF_BINDIDS,
    MAX_BINDIDS,
    BindId,
    BindIdTable,
    HostPreference,
    KeepAlive,
    Load,
    MalformedMessageError,
    pack,
    split,
)

HOME_AGENT = IPv4Address("10.1.1.51")
ONE_WEIGHT = PreferenceInformation((Load(434, 17, (HostPreference(HOME_AGENT, 65535, 25),)),))

words = st.integers(0, 0xFFFF)
octets = st.integers(0, 0xFF)
addresses = st.integers(0, 0xFFFFFFFF).map(IPv4Address)
hosts = st.builds(HostPreference, addresses, words, words)
loads = st.lists(st.builds(Load, words, octets, st.lists(hosts, max_size=8).map(tuple)), max_size=4).map(tuple)
bind_ids = st.lists(st.builds(BindId, words, addresses, addresses), max_size=8).map(tuple)
messages = st.one_of(
    st.builds(PreferenceInformation, loads),
    st.builds(ServerState, loads),
    st.builds(DfpParameters, st.builds(KeepAlive, st.integers(0, 0xFFFFFFFF))),
    st.just(BindIdRequest()),
    st.builds(BindIdReport, st.builds(BindIdTable, addresses, words, octets, bind_ids)),
    st.just(BindIdChangeNotify()),
)


def message_bytes(message_type: int, *tlvs: bytes, version: int = 1) -> bytes:
    body = b"".join(tlvs)
    return struct.pack("!BBHI", version, 0, message_type, 8 + len(body)) + body


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (PreferenceInformation(), "01000101 00000008"),
        (ONE_WEIGHT, "01000101 0000001c 00020014 01b21100 00010000 0a010133 ffff0019"),
        (
            ServerState((Load(434, 17, (HostPreference(HOME_AGENT, 65535, 0),)),)),
            "01000201 0000001c 00020014 01b21100 00010000 0a010133 ffff0000",
        ),
        (DfpParameters(KeepAlive(30)), "01000301 00000010 01010008 0000001e"),
        (BindIdRequest(), "01000401 00000008"),
        (
            BindIdReport(
                BindIdTable(HOME_AGENT, 434, 17, (BindId(7, IPv4Address("15.0.0.0"), IPv4Address("255.0.0.0")),))
            ),
            "01000402 00000024 0301001c 0a010133 01b21100 00010000 00070000 0f000000 ff000000",
        ),
        (BindIdReport(END_OF_BINDIDS), "01000402 00000018 03010010 00000000 00000000 00000000"),
        (BindIdChangeNotify(), "01000403 00000008"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_each_message_has_the_bytes_of_the_draft(message: Message, wire: str) -> None:
    """Written out by hand from the figures of sections 4.1, 5.2 to 5.4 and 6."""
    assert encode(message) == bytes.fromhex(wire)
    assert decode(bytes.fromhex(wire)) == message


@given(messages)
def test_what_is_encoded_reads_back(message: Message) -> None:
    assert decode(encode(message)) == message


@given(
    st.sampled_from([0x0101, 0x0201, 0x0301, 0x0401, 0x0402, 0x0403, 0x0500]),
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.tuples(st.sampled_from([1, 2, 0x101, 0x301, 0x200]), st.binary(max_size=40)), max_size=4).map(
            lambda tlvs: b"".join(pack(tlv_type, value) for tlv_type, value in tlvs)
        ),
    ),
)
@example(0x0101, b"\x00\x02\x00\x00")
def test_any_body_is_decoded_or_raises_a_named_error(message_type: int, body: bytes) -> None:
    """A hostile body raises the errors that discard its message, and no other."""
    try:
        message = decode(message_bytes(message_type, body))
    except (MalformedMessageError, UnknownMessageError) as error:
        assert str(error)
    else:
        assert decode(encode(message)) == message


@pytest.mark.parametrize("length", [0, 3, 9, 0xFFFF])
def test_a_tlv_length_must_cover_its_header_and_stay_in_the_message(length: int) -> None:
    """Section 4.1: the length is that of the data plus the TLV header. A length of 0 would never end."""
    with pytest.raises(MalformedMessageError, match=f"has length {length}; expected 4 to 8"):
        decode(message_bytes(0x0101, struct.pack("!HHI", 0x0200, length, 0)))


@pytest.mark.parametrize("tail", [b"\0", b"\0\2", b"\0\2\0"])
def test_bytes_after_the_last_tlv_are_malformed(tail: bytes) -> None:
    with pytest.raises(MalformedMessageError, match="after the last TLV"):
        decode(message_bytes(0x0301, KeepAlive(1).pack(), tail))


def test_unknown_tlvs_are_skipped() -> None:
    """Section 2.2: a receiver ignores TLVs that are new to it; 0x0200 is for private use."""
    assert decode(message_bytes(0x0301, pack(0x0200, b"private"), KeepAlive(9).pack(), pack(0xFFFF, b""))) == (
        DfpParameters(KeepAlive(9))
    )


def test_tlvs_that_belong_to_other_messages_are_skipped() -> None:
    assert decode(message_bytes(0x0401, KeepAlive(9).pack())) == BindIdRequest()


@pytest.mark.parametrize("message_type", [0, 0x0100, 0x0404, 0x0500, 0xFFFF])
def test_an_unknown_message_is_discarded_whole(message_type: int) -> None:
    """Section 4: if the type is not understood the entire message is discarded, with all TLVs."""
    with pytest.raises(UnknownMessageError, match=f"0x{message_type:04x}"):
        decode(message_bytes(message_type, b"\0\2\0\0"))


def test_change_notify_is_decoded_from_both_of_its_numbers() -> None:
    """Section 6 prints 0x0402 for Change Notify as well; it carries no table, which a report must (section 6.5)."""
    assert decode(message_bytes(0x0402)) == BindIdChangeNotify()
    assert decode(message_bytes(0x0403)) == BindIdChangeNotify()


@pytest.mark.parametrize(
    ("message_type", "tlvs", "complaint"),
    [
        (0x0301, [], "0 Keep-alive TLVs"),
        (0x0301, [KeepAlive(1).pack(), KeepAlive(2).pack()], "2 Keep-alive TLVs"),
        (0x0301, [pack(0x0101, b"\0\0\0")], "holds 3 bytes; expected 4"),
        (0x0402, [END_OF_BINDIDS.pack()] * 2, "2 BindID Table TLVs"),
        (0x0402, [pack(0x0301, bytes(11))], "expected at least 12"),
        (0x0402, [pack(0x0301, bytes(8) + b"\0\1\0\0")], "of 1 entries holds 12 bytes; expected 24"),
        (0x0402, [pack(0x0301, bytes(8) + b"\xff\xff\0\0")], "lists 65535 entries"),
        (0x0101, [pack(2, bytes(7))], "expected at least 8"),
        (0x0101, [pack(2, bytes(4) + b"\0\1\0\0" + bytes(7))], "of 1 hosts holds 15 bytes; expected 16"),
        (0x0101, [pack(2, bytes(4) + b"\0\1\0\0" + bytes(16))], "expected 16"),
        (0x0101, [pack(2, bytes(4) + struct.pack("!HH", 129, 0) + bytes(8 * 129))], "lists 129 hosts"),
        (0x0201, [pack(2, bytes(4) + struct.pack("!HH", 65, 0) + bytes(8 * 65))] * 2, "lists 130 hosts"),
    ],
)
def test_a_tlv_that_is_missing_doubled_or_of_wrong_size_makes_the_message_malformed(
    message_type: int, tlvs: list[bytes], complaint: str
) -> None:
    """Sections 5 and 6; the limit of 128 hosts is for the message, not for each of its Load TLVs."""
    with pytest.raises(MalformedMessageError, match=complaint):
        decode(message_bytes(message_type, *tlvs))


def test_128_hosts_fit_into_one_message() -> None:
    """Section 6.1."""
    hosts = tuple(HostPreference(IPv4Address(number), 65535, 1) for number in range(128))
    assert decode(encode(PreferenceInformation((Load(0, 0, hosts),)))) == PreferenceInformation((Load(0, 0, hosts),))


@pytest.mark.parametrize(
    "build",
    [
        lambda: HostPreference(HOME_AGENT, 65536, 0),
        lambda: HostPreference(HOME_AGENT, 0, -1),
        lambda: Load(65536, 0, ()),
        lambda: Load(0, 256, ()),
        lambda: KeepAlive(2**32),
        lambda: BindIdTable(HOME_AGENT, 0, 0, (BindId(0, HOME_AGENT, HOME_AGENT),) * (MAX_BINDIDS + 1)),
        lambda: PreferenceInformation((Load(0, 0, (HostPreference(HOME_AGENT, 0, 0),) * 65),) * 2),
    ],
)
def test_values_that_do_not_fit_their_fields_cannot_be_built(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="expected 0 to"):
        build()


def test_the_longest_bind_id_report_is_still_read() -> None:
    """The cap on messages leaves room for what this end itself may send, signed."""
    table = BindIdTable(HOME_AGENT, 434, 17, (BindId(0, HOME_AGENT, HOME_AGENT),) * MAX_BINDIDS)
    assert len(encode(BindIdReport(table))) + 28 <= MAX_MESSAGE_LENGTH


@given(st.binary(max_size=200))
def test_splitting_any_body_ends_and_loses_nothing(body: bytes) -> None:
    try:
        parts = list(split(body))
    except MalformedMessageError:
        return
    assert b"".join(pack(tlv_type, value) for tlv_type, value in parts) == body


def read_in_pieces(pieces: list[bytes]) -> tuple[list[bytes], str]:
    """The frames that come of ``pieces``, and the error that ended them."""
    reader, frames = FrameReader(), []
    try:
        for piece in pieces:
            for frame in reader.feed(piece):
                frames.append(frame)
    except FramingError as error:
        return frames, str(error)
    return frames, ""


def test_messages_are_found_in_every_segmentation() -> None:
    """Section 4: TCP may cut the stream at any byte; here at each two of them."""
    sent = [encode(ONE_WEIGHT), encode(BindIdRequest()), encode(DfpParameters(KeepAlive(5)))]
    stream = b"".join(sent)
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            assert read_in_pieces([stream[:first], stream[first:second], stream[second:]]) == (sent, "")


@given(st.binary(max_size=120) | st.lists(messages.map(encode), max_size=4).map(b"".join), st.data())
@example(b"\1\0\1\1\0\0\0\x08\2\0\1\1\0\0\0\x08\1\0\1\1\0\0\0\x08", None)
def test_the_segmentation_of_a_stream_changes_nothing(stream: bytes, data: st.DataObject) -> None:
    """Frames and error depend on the bytes alone."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6))) if data else list(range(len(stream)))
    edges = [0, *cuts, len(stream)]
    assert read_in_pieces([stream[a:b] for a, b in zip(edges, edges[1:])]) == read_in_pieces([stream])


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_ends_the_stream_after_the_messages_before_it(version: int) -> None:
    good = encode(BindIdRequest())
    frames, error = read_in_pieces([good + message_bytes(0x0101, version=version) + good])
    assert frames == [good]
    assert error == f"DFP version is {version}; expected 1"


@pytest.mark.parametrize("length", [0, 7, MAX_MESSAGE_LENGTH + 1, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_stream(length: int) -> None:
    """Shorter than the header of section 4.1, or longer than the maximum, up to 4 GiB."""
    assert read_in_pieces([struct.pack("!BBHI", 1, 0, 0x0101, length)])[1] == (
        f"message length is {length}; expected 8 to {MAX_MESSAGE_LENGTH}"
    )


def test_the_reserved_byte_of_the_header_is_ignored() -> None:
    assert decode(b"\1\xff" + encode(BindIdRequest())[2:]) == BindIdRequest()


def test_the_reader_holds_one_message_at_most() -> None:
    """Neither an endless message nor feeding on after an error takes more memory than one message and one segment."""
    reader = FrameReader()
    assert list(reader.feed(struct.pack("!BBHI", 1, 0, 0x0101, MAX_MESSAGE_LENGTH))) == []
    for _ in range(MAX_MESSAGE_LENGTH // 4096 + 20):
        with suppress(FramingError):
            list(reader.feed(bytes(4096)))
        assert len(reader._buffer) <= MAX_MESSAGE_LENGTH
