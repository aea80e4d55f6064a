"""The bytes of an OpenFlow connection: all arrive, in order, and no green thread waits for another one in vain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import eventlet
import pytest
from eventlet import hubs
from eventlet.green import socket
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_haslb.openflow.sockets.arrivals import Arrivals
from ryu_haslb.openflow.sockets.outbox import Outbox

SIZE = 64


@pytest.fixture(name="ends")
def two_ends() -> Iterator[tuple[Any, Any]]:
    near, far = socket.socketpair()
    yield near, far
    near.close()
    far.close()


@pytest.fixture(name="arrivals")
def arrivals_at_near_end(ends: tuple[Any, Any]) -> Iterator[Arrivals]:
    arrivals = Arrivals(ends[0].fd, SIZE)
    yield arrivals
    arrivals.end()


def is_registered(near: Any) -> bool:
    """Whether the event loop looks for bytes at this socket."""
    return near.fileno() in hubs.get_hub().listeners[hubs.get_hub().READ]


def test_what_arrives_is_read_in_order_until_the_stream_ends(ends: tuple[Any, Any], arrivals: Arrivals) -> None:
    _, far = ends
    reader = eventlet.spawn(lambda: b"".join(iter(arrivals.read, b"")))
    for number in range(100):
        far.sendall(bytes([number]) * (1 + number))
        eventlet.sleep(0)
    far.shutdown(socket.SHUT_WR)
    assert reader.wait() == b"".join(bytes([number]) * (1 + number) for number in range(100))


def test_a_socket_stays_registered_between_two_reads_and_not_beyond_the_end(
    ends: tuple[Any, Any], arrivals: Arrivals
) -> None:
    near, far = ends
    for _ in range(3):
        far.sendall(b"some")
        assert arrivals.read() == b"some"
        assert is_registered(near)
    arrivals.end()
    assert not is_registered(near)


def test_others_have_their_turn_before_each_read(
    ends: tuple[Any, Any], arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when there are always more bytes than one read takes."""
    _, far = ends
    far.sendall(bytes(4 * SIZE))
    loop, turns = hubs.get_hub(), list[None]()
    give_turn = loop.switch

    def count_turn() -> Any:
        turns.append(None)
        return give_turn()

    monkeypatch.setattr(loop, "switch", count_turn)
    for number in range(1, 5):
        assert len(arrivals.read()) == SIZE
        assert len(turns) == number


def test_the_event_loop_does_not_spin_while_nothing_is_read(ends: tuple[Any, Any], arrivals: Arrivals) -> None:
    """It would find the same bytes again and again, as long as a switch does not read what it is sent."""
    near, far = ends
    far.sendall(b"first")
    assert arrivals.read() == b"first"
    far.sendall(b"second")
    while is_registered(near):
        eventlet.sleep(0)
    assert arrivals.read() == b"second"


def test_a_reader_that_is_killed_waits_no_longer(ends: tuple[Any, Any], arrivals: Arrivals) -> None:
    near, far = ends
    reader = eventlet.spawn(arrivals.read)
    eventlet.sleep(0)
    reader.kill()
    far.sendall(b"later")
    while is_registered(near):
        eventlet.sleep(0)
    assert arrivals.read() == b"later"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300_000), st.booleans(), st.booleans()), max_size=8))
def test_all_that_is_put_in_arrives_in_order(messages: list[tuple[int, bool, bool]]) -> None:
    """What the kernel does not take at once follows, and nothing overtakes it."""
    near, far = socket.socketpair()
    outbox = Outbox(near, near.fd)
    sent = b"".join(bytes([number + 1]) * size for number, (size, _, _) in enumerate(messages))

    def send() -> None:
        while True:
            outbox.send_waiting()

    def read() -> bytes:
        received = b""
        while len(received) < len(sent):
            received += far.recv(1 << 20)
        return received

    sender, reader = eventlet.spawn(send), eventlet.spawn(read)
    for number, (size, is_reply, has_pause) in enumerate(messages):
        outbox.is_held = is_reply
        outbox.put(bytes([number + 1]) * size)
        if is_reply:
            outbox.is_held = False
            outbox.send_at_once()
        if has_pause:
            eventlet.sleep(0)
    assert reader.wait() == sent
    while outbox.unsent:
        eventlet.sleep(0)
    assert outbox.is_empty
    sender.kill()
    near.close()
    far.close()


def test_a_small_reply_is_with_the_kernel_before_another_green_thread_runs(ends: tuple[Any, Any]) -> None:
    near, far = ends
    outbox = Outbox(near, near.fd)
    outbox.is_held = True
    outbox.put(b"one")
    outbox.put(b"two")
    assert outbox.unsent == 6
    outbox.is_held = False
    outbox.send_at_once()
    assert outbox.unsent == 0
    assert far.fd.recv(SIZE) == b"onetwo"


def test_over_tls_all_is_left_to_the_sending_thread(ends: tuple[Any, Any]) -> None:
    near, far = ends
    outbox = Outbox(near, None)
    outbox.put(b"one")
    outbox.send_at_once()
    assert outbox.unsent == 3
    outbox.send_waiting()
    assert outbox.unsent == 0
    assert far.fd.recv(SIZE) == b"one"
