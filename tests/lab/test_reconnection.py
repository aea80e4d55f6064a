"""How long a switch is not served that comes back: after a kill, after a loss of power, after a cable was cut.

A wire between them stands for the network: a cut one carries nothing, and neither end notices.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from attacked import HARD_LIMIT, Controller, opening, started
from balancer_process import free_port
from own_switch import OwnSwitch, wait_until

from ryu_haslb.openflow.fleet.rivals import ECHO_TIMEOUT

pytestmark = pytest.mark.lab


class Wire:
    """Carries the bytes of each connection to its port on to another port, until it is cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._is_cut = threading.Event()
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Carry nothing more over the connections of now; later ones are carried."""
        self._is_cut.set()
        self._is_cut = threading.Event()

    def close(self) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other, self._is_cut), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket, is_cut: threading.Event) -> None:
        data = b"begin"
        while data:
            try:
                data = source.recv(1 << 16)
            except OSError:  # a process that is killed may leave a reset behind, instead of an end
                data = b""
            if is_cut.is_set():
                return
            with suppress(OSError):
                target.sendall(data) if data else target.shutdown(socket.SHUT_RDWR)


class Wired:
    """A balancer, and an Open vSwitch behind a wire that is served."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        port = free_port()
        options = ["--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(port)]
        self.controller: Controller = stack.enter_context(started(folder, port=port, options=options))
        self.wire = Wire(port)
        stack.callback(self.wire.close)
        self.switch = stack.enter_context(OwnSwitch(folder / "switch", 1).running())
        self.switch.add_bridge()
        self.switch.connect(f"tcp:127.0.0.1:{self.wire.port}")
        wait_until(self.switch.is_served)

    def await_service(self, what: str, since: float) -> None:
        wait_until(self.switch.is_served)
        print(f"{what}: served again after {time.monotonic() - since:.1f} s")
        self.controller.require_alive()


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wired]:
    with ExitStack() as stack:
        yield Wired(tmp_path, stack)


def test_a_switch_whose_process_was_killed_is_served_as_soon_as_it_connects(wired: Wired) -> None:
    wired.switch.kill()
    began = time.monotonic()
    wired.switch.start()
    wired.await_service("kill -9 and start of ovs-vswitchd", began)
    assert "in place of" not in wired.controller.log()


def test_a_switch_that_lost_power_is_served_when_its_older_connection_does_not_answer(wired: Wired) -> None:
    wired.wire.cut()
    wired.switch.kill()
    began = time.monotonic()
    wired.switch.start()
    wired.await_service("loss of power", began)
    line = wired.controller.await_line("serving its connection from 127.0.0.1")
    assert f"has not answered an echo request for {ECHO_TIMEOUT:g} s" in line


def test_a_switch_whose_cable_was_cut_is_served_again_and_a_stranger_does_not_get_its_place(wired: Wired) -> None:
    """Open vSwitch notices by its inactivity probe, the balancer by an answer that does not come."""
    with wired.controller.connect(opening(1), "127.0.0.66") as stranger:
        assert stranger.recv(1), "it waits"
        wired.wire.cut()
        began = time.monotonic()
        wait_until(lambda: wired.controller.log().count("connected from 127.0.0.1") >= 2)
        wired.await_service("cut of the cable", began)
        stranger.settimeout(HARD_LIMIT)
        with suppress(ConnectionError):
            while stranger.recv(1 << 16):
                pass
