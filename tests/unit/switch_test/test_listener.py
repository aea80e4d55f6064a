"""Waiting for the switch that is to be tested, among many that connect."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from socket_switch import SocketSwitch

from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.wire import HEADER, OFP_VERSION, OFPMP_FLOW, OFPT_MULTIPART_REPLY
from ryu_haslb.switch_test import link, listener
from ryu_haslb.switch_test.link import MAX_UNSENT_OF_STRANGER, Link, LinkClosedError, Time
from ryu_haslb.switch_test.listener import MAX_PENDING, MAX_REFUSAL_LINES, Listener, StoppedError

#: Seconds after which a test has failed.
LIMIT = 60.0


@contextmanager
def listening() -> Iterator[tuple[Listener, list[str]]]:
    """A listener at a free port, and the lines that it logs."""
    lines: list[str] = []
    with ExitStack() as stack:
        found = Listener(("127.0.0.1", 0), None, lines.append)
        stack.callback(found.close)
        yield found, lines


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), source_address=(source, 0))


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"])
def test_strangers_that_say_nothing_keep_no_switch_out(source: str) -> None:
    """From the switch's own host and from another one; they come again as soon as they are closed."""
    with listening() as (found, lines), ExitStack() as stack:
        is_over = threading.Event()

        def insist() -> None:
            while not is_over.is_set():
                held = [connect(found.port, source) for _ in range(MAX_PENDING)]
                for each in held:
                    each.close()

        idle = [stack.enter_context(connect(found.port, source)) for _ in range(MAX_PENDING)]
        stranger = threading.Thread(target=insist)
        stranger.start()
        stack.callback(stranger.join)
        stack.callback(is_over.set)
        switch = threading.Thread(target=lambda: stack.enter_context(SocketSwitch(found.port)))
        switch.start()
        connected = found.await_switch(LIMIT)
        switch.join()
        assert connected is not None
        connected.link.close()
        assert len(lines) <= MAX_REFUSAL_LINES
        del idle


def test_another_switch_than_the_one_that_is_named_is_closed() -> None:
    with listening() as (found, lines), ExitStack() as stack:
        stack.enter_context(SocketSwitch(found.port, 0x51))
        while not lines:
            assert found.await_switch(0.1, 0x52) is None
        assert set(lines) == {f"switch {0x51:016x} connected, which is not tested; closed"}


def test_lines_about_strangers_are_limited_and_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_REFUSAL_LINES", 5)
    with listening() as (found, lines), ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(connect(found.port)).sendall(b"\x04\0\0\x04\x1b[31")
        while found._refusals < 12:
            assert found.await_switch(0.1) is None
        assert len(lines) == 5
        assert all(each.isprintable() for each in lines)
        assert lines[-1].endswith("(further such lines are left out)")


@pytest.mark.parametrize("is_trusted", [False, True])
def test_a_peer_that_asks_and_never_reads_is_closed(monkeypatch: pytest.MonkeyPatch, is_trusted: bool) -> None:
    """Each echo request is answered: the answers would take all the memory. A stranger may leave fewer of them."""
    monkeypatch.setattr(link, "MAX_UNSENT", 1 << 20)
    limit = 1 << 20 if is_trusted else MAX_UNSENT_OF_STRANGER
    ours, theirs = socket.socketpair()
    with ours, theirs:
        to_peer = Link(ours, "192.0.2.1", None)
        if is_trusted:
            to_peer.trust()
        answer = wire.echo_reply(1, bytes(60000))
        with pytest.raises(LinkClosedError, match=f"has left {limit >> 10} KiB unread"):
            for _ in range(10_000):
                to_peer.send(answer)
        assert len(to_peer._unsent) < 2 * limit


def test_all_that_a_switch_has_sent_is_read_before_its_replies_are_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stranger, less is read at once."""
    monkeypatch.setattr(link, "_READ_SIZE", 1 << 9)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        to_peer = Link(ours, "192.0.2.1", None)
        theirs.sendall(wire.barrier_request(1) * 8000)
        assert len(to_peer.receive()) == 1024
        to_peer.trust()
        assert len(to_peer.receive()) == 8000 - 1024


@pytest.mark.parametrize("is_trusted", [False, True])
def test_no_peer_makes_us_keep_more_than_one_message(is_trusted: bool) -> None:
    """A switch may answer a question with 16 MB in one message (CPqD), which is read in parts."""
    rows = struct.pack("!H54x", 56) * 585
    reply = HEADER.pack(OFP_VERSION, OFPT_MULTIPART_REPLY, 65528, 1) + struct.pack("!HHI", OFPMP_FLOW, 0, 0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        to_peer = Link(ours, "192.0.2.1", None)
        if is_trusted:
            to_peer.trust()
        kept = 0
        with suppress(LinkClosedError):
            for piece in (reply, *[rows] * 8):
                theirs.sendall(piece)
                to_peer.receive()
                kept = max(kept, len(to_peer._received))
        assert 0 < kept <= 1 << 16


def test_waiting_takes_no_processor_time_while_all_places_are_taken() -> None:
    """A connection that is not accepted is ready all the time: each is, and the oldest gives its place."""
    waited: list[list[object]] = []

    class Recorded(Time):
        def wait(self, readable: Iterable[object], writable: Iterable[object], seconds: float) -> None:
            waited.append(list(readable))
            super().wait(waited[-1], writable, 0)

    def is_enough() -> bool:
        return len(waited) > 3 and any(len(each) == 1 + MAX_PENDING for each in waited)

    with ExitStack() as stack:
        listening = Listener(("127.0.0.1", 0), None, lambda _: None, is_enough, Recorded())
        stack.callback(listening.close)
        for _ in range(MAX_PENDING + 1):
            stack.enter_context(socket.create_connection(("127.0.0.1", listening.port)))
        with pytest.raises(StoppedError):
            listening.await_switch(LIMIT)
        assert len(listening._pending) == MAX_PENDING
        listening._socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening._socket.accept()
