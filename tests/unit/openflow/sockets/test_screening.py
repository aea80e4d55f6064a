"""Which messages of a peer are read in each state (OpenFlow 1.3.5, sections 6.3 and 7)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.engine import ofproto_parser, ofproto_protocol, ofproto_v1_3
from ryu_haslb.openflow.sockets.screening import State, Treatment, screen
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.errors import AuxiliaryConnectionError, IncompatibleVersionError, ProtocolError

PORT = bytes(64)


def message(kind: int, body: bytes = b"", version: int = 4) -> bytes:
    return wire.HEADER.pack(version, kind, 8 + len(body), 7) + body


def treatment(state: State, kind: int, body: bytes = b"", version: int = 4) -> Treatment:
    return screen(state, version, kind, message(kind, body, version)).treatment


def hello_elements(*elements: tuple[int, bytes]) -> bytes:
    packed = b""
    for kind, data in elements:
        packed += struct.pack("!HH", kind, 4 + len(data)) + data
        packed += bytes(-len(packed) % 8)
    return packed


@pytest.mark.parametrize(
    ("version", "body"),
    [
        (4, b""),
        (5, b""),  # 1.4 and no bitmap: the smaller version of the two is used
        (6, hello_elements((1, b"\0\0\0\x72"))),
        (4, hello_elements((9, b"unknown"), (1, b"\0\0\0\x10"))),
        (1, hello_elements((1, b"\0\0\0\x12"))),
    ],
)
def test_a_hello_that_offers_1_3_reaches_the_engine_as_one_that_offers_nothing_later(version: int, body: bytes) -> None:
    screened = screen(State.HELLO, version, wire.OFPT_HELLO, message(wire.OFPT_HELLO, body, version))
    parsed = ofproto_parser.msg(
        ofproto_protocol.ProtocolDesc(version=4), 4, 0, len(screened.message), 7, bytearray(screened.message)
    )
    assert (screened.treatment, parsed.xid, parsed.version) == (Treatment.PARSE, 7, ofproto_v1_3.OFP_VERSION)
    assert parsed.elements == []


@pytest.mark.parametrize(
    ("version", "body", "offered"),
    [
        (1, b"", "1.0"),
        (0, b"", "without a version"),
        (6, hello_elements((1, b"\0\0\0\x62")), "1.0, 1.4, 1.5"),
    ],
)
def test_a_hello_without_1_3_is_named(version: int, body: bytes, offered: str) -> None:
    with pytest.raises(IncompatibleVersionError, match=f"offers OpenFlow {offered}: expected 1.3"):
        screen(State.HELLO, version, wire.OFPT_HELLO, message(wire.OFPT_HELLO, body, version))


@pytest.mark.parametrize("body", [b"\0\1\0\0", b"\0\1\0\3", b"\0\1\0\x09", b"\0\1\xff\xff", b"\0", b"\0\1\0"])
def test_an_element_of_a_hello_whose_length_does_not_fit_breaks_the_protocol(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="hello of"):
        treatment(State.HELLO, wire.OFPT_HELLO, body)


def test_only_what_its_state_expects_is_read() -> None:
    ports = struct.pack("!HH4x", wire.OFPMP_PORT_DESC, 0) + PORT * 2
    expected = {
        State.HELLO: (wire.OFPT_HELLO, b"", Treatment.PARSE),
        State.FEATURES: (wire.OFPT_FEATURES_REPLY, bytes(24), Treatment.PARSE),
        State.PORTS: (wire.OFPT_MULTIPART_REPLY, ports, Treatment.READ_PORTS),
        State.MAIN: (wire.OFPT_PORT_STATUS, bytes(8) + PORT, Treatment.READ_PORTS),
    }
    for state in State:
        for kind, body, wanted in expected.values():
            if (kind, body, wanted) == expected[state]:
                assert treatment(state, kind, body) is wanted
            elif state is State.HELLO:
                with pytest.raises(ProtocolError):
                    treatment(state, kind, body)
            else:
                assert treatment(state, kind, body) is Treatment.IGNORE


@pytest.mark.parametrize("kind", [wire.OFPT_HELLO, 30, 35, 255])
@pytest.mark.parametrize("state", [State.FEATURES, State.PORTS, State.MAIN])
def test_a_further_hello_and_types_of_later_versions_are_ignored(state: State, kind: int) -> None:
    """OFPT_ROLE_STATUS (30), for example, is of OpenFlow 1.4."""
    assert treatment(state, kind, bytes(16)) is Treatment.IGNORE


@pytest.mark.parametrize(
    ("state", "kind", "body"),
    [
        (State.FEATURES, wire.OFPT_FEATURES_REPLY, bytes(23)),
        (State.PORTS, wire.OFPT_MULTIPART_REPLY, struct.pack("!HH4x", wire.OFPMP_PORT_DESC, 0) + PORT[:-1]),
        (State.PORTS, wire.OFPT_MULTIPART_REPLY, bytes(7)),
        (State.MAIN, wire.OFPT_PORT_STATUS, bytes(7) + PORT),
        (State.MAIN, wire.OFPT_FLOW_MOD, bytes(48)),
        (State.MAIN, wire.OFPT_ROLE_REQUEST, bytes(16)),
        (State.FEATURES, wire.OFPT_BARRIER_REQUEST, b""),
    ],
)
def test_what_does_not_fit_or_is_not_for_a_controller_breaks_the_protocol(state: State, kind: int, body: bytes) -> None:
    with pytest.raises(ProtocolError):
        treatment(state, kind, body)


@pytest.mark.parametrize("state", State)
def test_echo_is_answered_in_every_state(state: State) -> None:
    assert treatment(state, wire.OFPT_ECHO_REQUEST, b"x") is Treatment.ANSWER_ECHO
    assert treatment(state, wire.OFPT_ECHO_REPLY, b"x") is Treatment.ACKNOWLEDGE_ECHO


def test_a_peer_that_refuses_our_version_ends_the_handshake() -> None:
    with pytest.raises(ProtocolError, match="OFPET_HELLO_FAILED, code 0"):
        treatment(State.HELLO, wire.OFPT_ERROR, b"\0\0\0\0\xff\xfe")


@given(st.sampled_from(State), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=200))
def test_hostile_messages_are_treated_or_break_the_protocol(state: State, kind: int, version: int, body: bytes) -> None:
    data = message(kind, body, version)
    try:
        screened = screen(state, version, kind, data)
    except ProtocolError:
        return
    assert version == wire.OFP_VERSION or kind in (wire.OFPT_HELLO, wire.OFPT_ERROR)
    if screened.treatment is Treatment.PARSE:  # the engine comes to an end
        parser_of = ofproto_protocol.ProtocolDesc(version=4)
        parsed = ofproto_parser.msg(parser_of, 4, kind, len(screened.message), 7, bytearray(screened.message))
        assert (parsed.msg_type, parsed.xid) == (kind, 7)


def test_an_auxiliary_connection_is_not_taken_for_its_switch() -> None:
    """OpenFlow 1.3.5, section 6.3.7: it has the datapath id of the main connection, and a number that is not 0."""
    reply = message(wire.OFPT_FEATURES_REPLY, struct.pack("!QIBB2xII", 0x2A, 0, 254, 3, 0, 0))
    with pytest.raises(AuxiliaryConnectionError, match="auxiliary connection 3 of switch 000000000000002a"):
        screen(State.FEATURES, 4, wire.OFPT_FEATURES_REPLY, reply)
