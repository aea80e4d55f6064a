"""Attacks on the OpenFlow port: a stranger sends every type of message with lengths that lie, in every state.

Each attack is done to a real process, and the process must go on serving. A hung event loop answers no peer, and
nothing but SIGKILL ends it. An attack costs one line of the log for each connection, and never a traceback.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacked import HELLO, NO_PORTS, Controller, features, message, received_by, started
from lying_switch import TYPES, bodies
from mobile import registration
from nested_lengths import lies_about, nested_lengths, samples

from ryu_haslb import log_limit
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.wire import HEADER, OFP_VERSION

FEATURES = features(0xBAD)
#: What a peer sends to come into each state.
OPENINGS = {"hello": b"", "features": HELLO, "ports": HELLO + FEATURES, "main": HELLO + FEATURES + NO_PORTS}


@pytest.fixture(scope="module", name="controller")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """A balancer that all attacks are done to, one after the other."""
    with started(tmp_path_factory.mktemp("attacked")) as controller:
        yield controller


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Controller]:
    """A balancer whose log has no line yet: lines of each kind are limited."""
    with started(tmp_path) as controller:
        yield controller


def test_twelve_bytes_do_not_stop_the_balancer(controller: Controller) -> None:
    """A hello with an element of 0 bytes (OpenFlow 1.3.5, section 7.5.1)."""
    with controller.connect(bytes.fromhex("0400000c0000000100000000")):
        controller.require_alive()


@pytest.mark.parametrize("state", OPENINGS)
@pytest.mark.parametrize("kind", TYPES)
def test_no_inner_length_of_any_type_stops_the_balancer(controller: Controller, state: str, kind: int) -> None:
    controller.send(OPENINGS[state], (message(kind, body) for body in bodies(kind)))
    controller.require_alive()


@pytest.mark.parametrize("state", OPENINGS)
def test_no_length_in_a_header_stops_the_balancer(controller: Controller, state: str) -> None:
    """Below the length of a header, longer than what follows, and shorter."""
    for kind in TYPES:
        for length in (0, 1, 7, 9, 12, 0x7FFF, 0xFFFF):
            with controller.connect(OPENINGS[state] + HEADER.pack(OFP_VERSION, kind, length, 1) + bytes(24)):
                pass
    controller.require_alive()


@pytest.mark.parametrize("state", OPENINGS)
def test_no_length_within_a_message_stops_the_balancer(controller: Controller, state: str) -> None:
    """One lie in each: of a row, match, match field, instruction, action, bucket, band, property or message."""
    lies = (
        field.written(sample, lie)
        for sample in samples(registration("honest@isp.com"))
        for field in nested_lengths(sample)[1:]  # test_no_length_in_a_header… lies about the header
        for lie in lies_about(field.read(sample))
    )
    controller.send(OPENINGS[state], lies)
    controller.require_alive()


@pytest.mark.parametrize("version", [0, 1, 2, 3, 5, 6, 7, 99, 255])
@pytest.mark.parametrize("state", OPENINGS)
def test_no_version_in_a_header_stops_the_balancer(controller: Controller, state: str, version: int) -> None:
    for kind in TYPES:
        with controller.connect(OPENINGS[state] + message(kind, bytes(56), version)):
            pass
    controller.require_alive()


def test_a_peer_that_breaks_framing_costs_one_line_that_names_the_reason(fresh: Controller) -> None:
    before = len(fresh.log())
    with fresh.connect(OPENINGS["main"]) as peer:
        assert fresh.survives(peer, b"")
        assert not fresh.survives(peer, HEADER.pack(OFP_VERSION, wire.OFPT_PACKET_IN, 3, 1) + bytes(8))
    fresh.require_alive()
    reason = "a message of type 10 and 3 bytes: expected 8 or more"
    (line,) = (line for line in fresh.log()[before:].splitlines() if "3 bytes" in line)
    assert f"breaks the OpenFlow protocol: {reason}; closing the connection" in line


#: What peers say that speak another protocol, and what the log says of it.
OTHER_PROTOCOLS = {
    b"GET / HTTP/1.1\r\nHost: balancer\r\n\r\n": "it does not speak OpenFlow: a message begins with 'GET / HT'",
    bytes.fromhex("16030100c8010000c40303") + bytes(8): "it speaks TLS: expected OpenFlow without TLS",
}


@pytest.mark.parametrize("says", OTHER_PROTOCOLS)
@pytest.mark.parametrize("state", OPENINGS)
def test_a_peer_of_another_protocol_is_closed_at_once_and_named(fresh: Controller, state: str, says: bytes) -> None:
    """Its first bytes name a length that it may never send."""
    with fresh.connect(OPENINGS[state]) as peer:
        assert not fresh.survives(peer, says)
    fresh.await_line(f"breaks the OpenFlow protocol: {OTHER_PROTOCOLS[says]}")
    fresh.require_alive()


def test_a_switch_of_another_version_is_told_so(fresh: Controller) -> None:
    """OpenFlow 1.3.5, section 6.3.1: OFPET_HELLO_FAILED, with the reason as text."""
    with fresh.connect(message(wire.OFPT_HELLO, version=1)) as peer:
        received = received_by(peer)
    assert b"it offers OpenFlow 1.0: expected 1.3" in received
    fresh.await_line("breaks the OpenFlow protocol: it offers OpenFlow 1.0: expected 1.3")


def test_a_stranger_who_breaks_the_protocol_again_and_again_does_not_fill_the_log(fresh: Controller) -> None:
    began = time.monotonic()
    for number in range(600):
        with fresh.connect(HEADER.pack(OFP_VERSION, wire.OFPT_HELLO, number % 8, 1)):
            pass
    fresh.require_alive()
    lines = [line for line in fresh.log().splitlines() if "breaks the OpenFlow protocol" in line]
    further = (time.monotonic() - began) / 60 * log_limit.OBJECT_LINES_PER_MINUTE
    assert log_limit.OBJECT_BURST <= len(lines) <= log_limit.OBJECT_BURST + further
