"""Requests to charon, and to other programs that may answer at its socket."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ipsec_samples import translated
from vici.protocol import Packet
from vici_peer import CHILD, IKE, send, serving
from vici_peer import charon as peer

from ryu_haslb.ipsec import charon
from ryu_haslb.ipsec.channel import MAX_EXCHANGE_SIZE, MAX_MESSAGE_SIZE, Channel
from ryu_haslb.ipsec.charon import CharonError, vici_session

LISTED = [{"l2tpmap-10": IKE}, {"other": {**IKE, "uniqueid": b"7", "child-sas": {}}}]


@pytest.fixture(name="patient")
def patient_exchanges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchanges have a minute: a busy machine must not pass for a charon that does not answer."""
    monkeypatch.setattr(charon, "Channel", lambda path, _: Channel(path, 60.0))


@pytest.mark.usefixtures("patient")
def test_a_translation_is_loaded_key_first(tmp_path: Path) -> None:
    """If the connection were first, a peer could start to negotiate before its key is there."""
    asked: list[tuple[str, dict[str, Any]]] = []
    with serving(tmp_path / "vici", peer([], asked)) as path:
        charon.load(path, translated())
    (shared, key), (conn, connection) = asked
    assert (shared, conn) == ("load-shared", "load-conn")
    assert (key["data"], key["owners"]) == (b"cisco", [b"15.1.1.15", b"15.1.1.51"])
    assert connection["MAP-10"]["children"]["MAP-10-1"]["local_ts"] == [b"15.1.1.10/32"]


@pytest.mark.usefixtures("patient")
def test_associations_are_listed(tmp_path: Path) -> None:
    with serving(tmp_path / "vici", peer(LISTED, [])) as path:
        assert [(each.name, len(each.children)) for each in charon.associations(path)] == [
            ("l2tpmap-10", 1),
            ("other", 0),
        ]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("clear", "count", "what", "numbers"),
    [(charon.clear_ipsec, 1, "child-id", [CHILD["uniqueid"]]), (charon.clear_isakmp, 2, "ike-id", [b"1", b"7"])],
)
def test_clear_ends_what_is_listed(
    clear: Callable[[str], int], count: int, what: str, numbers: list[bytes], tmp_path: Path
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    with serving(tmp_path / "vici", peer(LISTED, asked)) as path:
        assert clear(path) == count
    assert [message[what] for name, message in asked if name == "terminate"] == numbers


def refusal(path: str) -> str:
    """The error of a request; it would never come if the time-out were not for the whole exchange."""
    with pytest.raises(CharonError) as caught:
        charon.associations(path)
    return str(caught.value)


def test_without_a_charon_the_error_says_what_to_do(tmp_path: Path) -> None:
    expected = (
        f"no charon answers at {tmp_path}/x; start the IPsec module, or set HASLB_VICI to its charon's vici socket"
    )
    assert refusal(f"{tmp_path}/x") == expected
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as closed:
        closed.bind(f"{tmp_path}/x")
    assert refusal(f"{tmp_path}/x") == expected


@pytest.mark.parametrize("path", ["\0", "x" * 4096, ""])
def test_an_impossible_path_is_an_error(path: str) -> None:
    assert refusal(path)


def silent(client: socket.socket) -> None:
    client.recv(1 << 16)
    client.recv(1)


def dripping(client: socket.socket) -> None:
    while True:
        client.sendall(b"\0")
        time.sleep(0.01)


def endless(client: socket.socket) -> None:
    while True:
        client.sendall(struct.pack("!IB", 1, 5))


@pytest.mark.parametrize("serve", [silent, dripping, endless], ids=lambda serve: serve.__name__)
def test_a_peer_that_never_ends_its_answer_is_timed_out(serve: Callable[[socket.socket], None], tmp_path: Path) -> None:
    with serving(tmp_path / "vici", serve) as path:
        assert refusal(path)


def message_of(size: int) -> Callable[[socket.socket], None]:
    """A program that begins a message of this size, and sends no more: its length is enough."""

    def serve(client: socket.socket) -> None:
        client.recv(1 << 16)
        client.sendall(struct.pack("!I", size))
        client.recv(1)

    return serve


def test_a_message_that_is_larger_than_charon_sends_is_not_read(tmp_path: Path) -> None:
    with serving(tmp_path / "vici", message_of(MAX_MESSAGE_SIZE + 1)) as path:
        assert "a message of 524289 bytes: expected 524288 at most" in refusal(path)
    with serving(tmp_path / "vici2", message_of(MAX_MESSAGE_SIZE)) as path:
        assert "does not answer" in refusal(path)


def test_an_exchange_of_many_messages_is_given_up(tmp_path: Path) -> None:
    """They were read for as long as the time-out allowed, and taken apart after it."""
    event = b"\x07\x07list-sa" + struct.pack("!BB1sH", 3, 1, b"k", 60_000) + bytes(60_000)

    def serve(client: socket.socket) -> None:
        client.recv(1 << 16)
        send(client, Packet.EVENT_CONFIRM)
        client.recv(1 << 16)
        for _ in range(MAX_EXCHANGE_SIZE // len(event) + 2):
            client.sendall(struct.pack("!I", len(event)) + event)
        while client.recv(1 << 16):
            pass

    with (
        serving(tmp_path / "vici", serve) as path,
        pytest.raises(CharonError, match="does not speak vici: messages of more than 8388608 bytes"),
        vici_session(path, 60.0) as session,
    ):
        list(session.list_sas())


@pytest.mark.parametrize(
    "answer",
    [b"", b"% what?\n", struct.pack("!I", 0), struct.pack("!IB", 1, 9), struct.pack("!I", 0xFFFFFFFF), os.urandom(256)],
)
def test_a_peer_that_does_not_speak_vici_is_an_error(answer: bytes, tmp_path: Path) -> None:
    def serve(client: socket.socket) -> None:
        client.recv(1 << 16)
        client.sendall(answer)

    with serving(tmp_path / "vici", serve) as path:
        assert refusal(path)


@pytest.mark.usefixtures("patient")
def test_a_rejected_request_is_an_error_with_the_reason(tmp_path: Path) -> None:
    def serve(client: socket.socket) -> None:
        client.recv(1 << 16)
        send(client, Packet.CMD_RESPONSE, message={"success": b"no", "errmsg": b"no key"})

    with (
        serving(tmp_path / "vici", serve) as path,
        pytest.raises(CharonError, match="rejected the request: Command failed: no key"),
    ):
        charon.load(path, translated())


@pytest.mark.usefixtures("patient")
def test_no_connection_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with serving(tmp_path / "vici", peer(LISTED, [])) as path:
        for _ in range(20):
            charon.associations(path)
    for _ in range(20):
        refusal(f"{tmp_path}/absent")
    assert len(os.listdir("/proc/self/fd")) == before and threading.active_count() < 10
