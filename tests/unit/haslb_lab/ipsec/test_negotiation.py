"""Why a security association did not come about, in words that say what to compare."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vici.protocol import Packet
from vici_peer import send, serving

from haslb_lab.ipsec import negotiation
from haslb_lab.ipsec.negotiation import events, negotiate, reason
from ryu_haslb.ipsec.associations import IkeAssociation
from ryu_haslb.ipsec.charon import CharonError

PEER = IPv4Address("15.1.1.15")
RECEIVED = "received packet: from 15.1.1.15[500] to 15.1.1.51[500] (76 bytes)"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "could not decrypt payloads",
            "15.1.1.15 has another pre-shared key; compare 'crypto isakmp key' of both sides",
        ),
        ("received AUTHENTICATION_FAILED error notify", "15.1.1.15 has another pre-shared key"),
        (
            "received NO_PROPOSAL_CHOSEN error notify",
            "15.1.1.15 accepts none of our algorithms; compare isakmp policies",
        ),
        ("received INVALID_ID_INFORMATION error notify", "15.1.1.15 protects other traffic; the access lists"),
    ],
)
def test_a_failure_names_what_differs(line: str, expected: str) -> None:
    """The lines are charon's, as seen with strongSwan 5.9.8."""
    outcome = reason(["initiating Main Mode IKE_SA l2tpmap-10[2] to 15.1.1.15", RECEIVED, line], PEER)
    assert outcome is not None
    assert outcome.startswith(expected)


def test_a_silent_peer_is_not_reported_as_a_refusal() -> None:
    """A silent peer may be down, or a router on the way."""
    assert reason(["sending packet", "sending retransmit 1 of request"], PEER) == "15.1.1.15 does not answer"


def test_what_means_nothing_in_particular_is_left_to_charon() -> None:
    """Its own last words are better than a guess."""
    assert reason([RECEIVED], PEER) is None
    assert reason([], PEER) is None


@given(st.lists(st.text()))
def test_no_log_makes_it_stumble(log: list[str]) -> None:
    """charon quotes what peers send; none of it reaches the operator."""
    found = reason(log, PEER)
    assert found is None or found.startswith("15.1.1.15 ")
    assert found is None or found.isprintable()


@contextlib.contextmanager
def impostor(path: Path, answer: bytes) -> Iterator[None]:
    """A program at charon's socket that is not charon: sends ``answer`` to the first client and disconnects."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("answer", [b"", b"\0\0", b"\0\0\0\1\xff", b"\0\0\0\2\1\x63", b"\0\0\0\5\7\3abc"])
def test_what_is_no_charon_is_an_error(tmp_path: Path, answer: bytes) -> None:
    """A text, never a traceback."""
    path = tmp_path / "vici"
    with impostor(path, answer):
        outcome = negotiate(str(path), "l2tpmap-10-1", PEER)
        assert outcome is not None
        assert "charon" in outcome
        with pytest.raises(CharonError):
            list(events(str(path)))


def test_no_charon_is_an_error(tmp_path: Path) -> None:
    """It names the socket."""
    outcome = negotiate(str(tmp_path / "vici"), "l2tpmap-10-1", PEER)
    assert outcome is not None
    assert f"no charon answers at {tmp_path}/vici" in outcome


def test_a_charon_that_stops_in_the_middle_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first bytes of an answer the time-out still holds."""
    monkeypatch.setattr(negotiation, "NEGOTIATION_TIMEOUT", 0.1)
    monkeypatch.setattr(negotiation, "ANSWER_TIMEOUT", 0.1)

    def serve(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(b"\0")
        client.recv(1)

    with serving(tmp_path / "vici", serve) as path:
        outcome = negotiate(path, "l2tpmap-10-1", PEER)
    assert outcome == f"charon at {path} does not answer; see the log of the IPsec module"


def test_a_listener_waits_as_long_as_charon_has_no_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time-out is for answers; events come when they come."""
    monkeypatch.setattr(negotiation, "ANSWER_TIMEOUT", 1.0)
    monkeypatch.setattr(negotiation, "EVENT_TIMEOUT", 0.02)
    many = 60  # without an event for so long: more than the time-out

    def serve(client: socket.socket) -> None:
        for _ in negotiation.EVENTS:
            client.recv(4096)
            send(client, Packet.EVENT_CONFIRM)
        client.settimeout(0.01)
        while len(heard) < many:
            with contextlib.suppress(TimeoutError):
                if not client.recv(1):  # the listener has given up
                    return

    heard: list[list[IkeAssociation]] = []
    with serving(tmp_path / "vici", serve) as path, pytest.raises(CharonError):
        for each in events(path):
            heard.append(each)  # the other thread looks at it meanwhile
    assert len(heard) >= many and not any(heard)
