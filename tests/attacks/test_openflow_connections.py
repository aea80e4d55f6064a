"""Attacks on the OpenFlow port by connections alone: a thousand that stand, and more than the process may have open.

A switch must be served while they stand, and the process must go on.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from attacked import HARD_LIMIT, HELLO, Controller, opening, started
from balancer_process import free_port
from bench import wait_until
from socket_switch import SocketSwitch

from ryu_haslb.openflow.sockets.unserved_connections import HANDSHAKE_TIMEOUT, MAX_UNSERVED_OF_PEER

STRANGERS = 1000


@contextmanager
def strangers(controller: Controller, says: bytes, number: int = STRANGERS) -> Iterator[list[socket.socket]]:
    """Connections from four addresses that send no more than this."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(controller.connect(host=f"127.0.0.{2 + each % 4}")) for each in range(number)
        ]
        for stranger in connections:
            with suppress(ConnectionError):  # the balancer may have closed it already
                stranger.sendall(says)
        yield connections


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the balancer closes a connection within this time."""
    connection.settimeout(seconds)
    try:
        while connection.recv(1 << 16):
            pass
    except socket.timeout:
        return False
    except ConnectionError:
        pass
    return True


def standing(connections: list[socket.socket]) -> int:
    """How many of the connections the balancer has not closed so far."""
    return sum(not is_closed(each, 0.001) for each in connections)


@contextmanager
def served_switch(controller: Controller, datapath_id: int) -> Iterator[None]:
    """A switch that answers nothing, and is there for a moment."""
    with controller.connect(opening(datapath_id)) as switch:
        controller.require_served(switch)
        yield


@contextmanager
def kept_switch(controller: Controller) -> Iterator[None]:
    """A switch that answers all that it is asked, and connects anew if it loses its connection, which it must not."""
    with SocketSwitch(controller.port, 1) as switch:
        controller.await_line("standing rules are in place")
        yield
        controller.require_running()
        assert switch.connections == 1


@pytest.mark.parametrize("says", [b"", HELLO, HELLO[:4]], ids=["nothing", "hello", "half a hello"])
def test_a_switch_connects_again_while_a_thousand_strangers_stand(tmp_path: Path, says: bytes) -> None:
    with started(tmp_path) as controller, kept_switch(controller):
        with strangers(controller, says) as connections:
            for _ in range(3):
                with served_switch(controller, 2):
                    pass
            wait_until(lambda: standing(connections) <= 4 * MAX_UNSERVED_OF_PEER, "the others are closed", HARD_LIMIT)
        controller.require_alive()


def test_a_switch_connects_again_while_strangers_pass_for_switches(tmp_path: Path) -> None:
    """Without TLS and 'ip slb datapath' each of them is served, and costs more than one that is not."""
    with started(tmp_path) as controller, kept_switch(controller), ExitStack() as stack:
        for number in range(300):
            stack.enter_context(controller.connect(opening(1000 + number), f"127.0.0.{2 + number % 4}"))
        for _ in range(3):
            with served_switch(controller, 2):
                pass
        controller.require_alive()


def test_a_stranger_who_completes_no_handshake_is_closed_and_a_served_switch_is_not(tmp_path: Path) -> None:
    with started(tmp_path) as controller, kept_switch(controller):
        with strangers(controller, HELLO, 3) as connections:
            assert all(is_closed(each, HANDSHAKE_TIMEOUT + HARD_LIMIT) for each in connections)
        controller.await_line(f"OpenFlow peer 127.0.0.2: no handshake within {HANDSHAKE_TIMEOUT:g} s; closing its")


def test_strangers_leave_descriptors_for_switches(tmp_path: Path) -> None:
    with started(tmp_path, max_descriptors=100) as controller, kept_switch(controller):
        with strangers(controller, b""), served_switch(controller, 2):
            pass
        controller.require_alive()


def test_servers_that_find_no_descriptor_accept_again_when_there_are_some(tmp_path: Path) -> None:
    """accept(2): EMFILE. HTTP uses up what the process may open, and neither port ends."""
    port = free_port()
    with (
        started(tmp_path, max_descriptors=40, HASLB_HTTP=str(port)) as controller,
        kept_switch(controller),
    ):
        with ExitStack() as clients:
            for _ in range(100):
                clients.enter_context(socket.create_connection(("127.0.0.1", port), HARD_LIMIT))
            controller.await_line("HTTP server: cannot accept connections: Too many open files; trying again every")
        controller.await_line("HTTP server: accepts connections again")
        with socket.create_connection(("127.0.0.1", port), HARD_LIMIT) as client:
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.")
        controller.require_alive()
