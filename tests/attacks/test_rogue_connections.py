"""A thousand rogue connections of every manner while a switch connects anew: it is served, and the process goes on."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from attacked import HARD_LIMIT, HELLO, Controller, features, opening, received_by, started
from balancer_process import free_port
from secured import secured_with

from haslb_lab.runner.waiting import wait_until
from ryu_haslb.openflow.sockets.handshake_rate import HANDSHAKE_BURST, MAX_HANDSHAKE_RATE

ROGUES = 1000
#: Rogues that do not all come at once, but in so many bursts.
BURSTS = 4
HTTP = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
TLS_HELLO = bytes.fromhex("160301020001") + bytes(508)
DFP = struct.pack("!BBHI", 1, 0, 0x0101, 12) + bytes(4)
_RST = struct.pack("ii", 1, 0)

#: What each rogue sends before it resets its connection: something of each stage.
STAGES = {
    "nothing": b"",
    "part of a header": HELLO[:3],
    "hello": HELLO,
    "part of features": HELLO + features(0xBAD)[:20],
    "features": HELLO + features(0xBAD),
    "all": opening(0xBAD),
    "HTTP": HTTP,
    "TLS": TLS_HELLO,
    "DFP": DFP,
    "noise": os.urandom(3000),
}


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    peer.close()


def half_close(peer: socket.socket) -> None:
    with suppress(OSError):
        peer.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def http_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory, http_port: int) -> Iterator[Controller]:
    """One balancer for many kinds of rogues: none may leave anything behind."""
    with started(tmp_path_factory.mktemp("balancer"), HASLB_HTTP=str(http_port)) as running:
        yield running


@pytest.mark.parametrize("leave", [reset, half_close], ids=["reset", "half-closed"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_switch_connects_while_rogues_leave_at_a_stage(
    controller: Controller, stage: str, leave: Callable[[socket.socket], None]
) -> None:
    with ExitStack() as stack:
        before = descriptors(controller)
        for _ in range(BURSTS):
            for number in range(ROGUES // BURSTS):
                with suppress(OSError):
                    rogue = controller.connect(host=f"127.0.0.{2 + number % 4}")
                    stack.callback(rogue.close)
                    rogue.sendall(STAGES[stage])
                    leave(rogue)
            with controller.connect(opening(1)) as switch:
                controller.require_served(switch)
        stack.close()
        controller.require_alive()
        wait_until_closed(controller, before)


def test_a_switch_connects_while_rogues_send_a_byte_at_a_time(tmp_path: Path) -> None:
    with started(tmp_path) as controller, ExitStack() as stack:
        rogues = [stack.enter_context(controller.connect(host=f"127.0.0.{2 + number % 4}")) for number in range(400)]
        for place in range(len(HELLO)):
            for rogue in rogues:
                with suppress(OSError):
                    rogue.send(HELLO[place : place + 1])
            with controller.connect(opening(1)) as switch:
                controller.require_served(switch)
        controller.require_alive()


@pytest.mark.parametrize("says", [opening(1), TLS_HELLO, DFP, b"\0" * 9000, b"\xff" * 9000, HELLO * 900])
def test_what_is_not_http_at_the_http_port_is_refused(controller: Controller, http_port: int, says: bytes) -> None:
    for _ in range(100):
        with suppress(OSError), socket.create_connection(("127.0.0.1", http_port), HARD_LIMIT) as rogue:
            rogue.sendall(says)
    with socket.create_connection(("127.0.0.1", http_port), HARD_LIMIT) as client:
        client.sendall(HTTP)
        assert client.recv(12) == b"HTTP/1.1 200"
    controller.require_alive()


def test_tls_handshakes_of_one_peer_are_limited_and_a_switch_elsewhere_is_served(tmp_path: Path) -> None:
    """Handshakes beyond the limit wait, and give way to newer connections."""
    with secured_with(tmp_path, "\n".join(["ip slb serverfarm HAFARM", " real 10.1.1.51", "  inservice"])) as secured:
        certificate, ended, completed = secured.authority.issue("switch"), threading.Event(), []
        began = time.monotonic()

        def flood(host: str) -> None:
            context = ssl.create_default_context(cafile=str(secured.authority.certificate.path))
            context.check_hostname = False
            while not ended.is_set():
                with suppress(OSError), secured.controller.connect(host=host) as peer:
                    peer.settimeout(5)
                    with context.wrap_socket(peer):
                        completed.append(host)

        floods = [threading.Thread(target=flood, args=("127.0.0.9",)) for _ in range(8)]
        for each in floods:
            each.start()
        try:
            wait_until(lambda: len(completed) >= HANDSHAKE_BURST, "so many handshakes are completed", 4 * HARD_LIMIT)
            for _ in range(5):
                secured.require_served(certificate)
        finally:
            ended.set()
        for each in floods:
            each.join()
        seconds = time.monotonic() - began
        assert len(completed) <= HANDSHAKE_BURST + MAX_HANDSHAKE_RATE * seconds + 1
        secured.controller.require_running()


def test_rogues_that_pass_for_switches_are_told_to_go_by_nothing_but_their_end(tmp_path: Path) -> None:
    with started(tmp_path) as controller:
        with controller.connect(HTTP) as rogue:
            assert received_by(rogue)[1:2] in (b"", b"\0"), "at most a hello"
        controller.require_alive()


def descriptors(controller: Controller) -> int:
    return len(os.listdir(f"/proc/{controller.process.pid}/fd"))


def wait_until_closed(controller: Controller, before: int) -> None:
    wait_until(lambda: descriptors(controller) <= before + 3, "their descriptors are closed", HARD_LIMIT)
