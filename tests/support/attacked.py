"""A running balancer under attack, and the bytes that a peer sends to pass for a switch."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Optional

import pytest
from balancer_process import balancer_process, free_port
from fake_switch import FakeSwitch

from haslb_lab.runner.waiting import wait_until
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.wire import HEADER, OFP_VERSION

CONFIGURATION = """
ip slb serverfarm HAFARM
 real 10.1.1.51
  inservice
!
ip slb vserver MIPSLB
 virtual 10.1.1.10 udp 434 service ipmobile
 serverfarm HAFARM
 inservice
"""
#: Seconds in which the process must answer. An answer takes a millisecond; a loop without end never answers.
HARD_LIMIT = 60.0
FEATURES_REQUEST, ROLE_REQUEST = 5, 24
HELLO = HEADER.pack(OFP_VERSION, wire.OFPT_HELLO, 8, 1)
NO_PORTS = HEADER.pack(OFP_VERSION, wire.OFPT_MULTIPART_REPLY, 16, 1) + struct.pack("!HH4x", wire.OFPMP_PORT_DESC, 0)


def message(kind: int, body: bytes = b"", version: int = OFP_VERSION) -> bytes:
    return HEADER.pack(version, kind, HEADER.size + len(body), 1) + body


def features(datapath_id: int) -> bytes:
    """The features reply of a switch without tables or buffers."""
    return message(wire.OFPT_FEATURES_REPLY, struct.pack("!QIBB2xII", datapath_id, 0, 254, 0, 0, 0))


def opening(datapath_id: int) -> bytes:
    """All that a peer sends to complete the handshake as a switch with this id."""
    return HELLO + features(datapath_id) + NO_PORTS


class Controller:
    """A running balancer, its OpenFlow port, and the file of its log."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.port = port
        self.process, self._log = process, log

    def connect(self, opening: bytes = b"", host: str = "127.0.0.1") -> socket.socket:
        """A connection of a peer at an address of the loopback, which has sent ``opening``."""
        peer = socket.create_connection(("127.0.0.1", self.port), HARD_LIMIT, (host, 0))
        peer.settimeout(HARD_LIMIT)
        peer.sendall(opening)
        return peer

    def send(self, opening: bytes, attacks: Iterator[bytes]) -> None:
        """Send the attacks over one connection, and over a new one each time that it is closed."""
        peer = self.connect(opening)
        for attack in attacks:
            if not self.survives(peer, attack):
                peer.close()
                peer = self.connect(opening)
        peer.close()

    @staticmethod
    def survives(peer: socket.socket, attack: bytes) -> bool:
        """Whether the connection is still there after an attack: the process answers an echo request.

        Raises: socket.timeout when the process neither answers nor hangs up.
        """
        mark, received = b"attacked", b""
        try:
            peer.sendall(attack + message(wire.OFPT_ECHO_REQUEST, mark))
            while mark not in received:
                data = peer.recv(1 << 16)
                if not data:
                    return False
                received = received[-len(mark) :] + data
        except ConnectionError:
            return False
        return True

    def require_alive(self) -> None:
        """A switch that connects is served within the limit, and nothing has raised."""
        with self.connect(HELLO) as peer:
            received = b""
            while FEATURES_REQUEST not in kinds(received):
                data = peer.recv(1 << 16)
                assert data, "the process hung up on a switch that says hello"
                received += data
        self.require_running()

    def require_running(self) -> None:
        """The process has not ended, and nothing has raised."""
        assert self.process.poll() is None
        log = self.log()
        assert "Traceback" not in log, log[log.index("Traceback") :][:3000]

    @staticmethod
    def require_served(switch: socket.socket) -> None:
        """The process asks the switch for its role: it is about to serve it."""
        received = b""
        while ROLE_REQUEST not in kinds(received):
            data = switch.recv(1 << 16)
            assert data, "the process hung up"
            received += data

    def log(self) -> str:
        return self._log.read_text()

    def await_line(self, text: str, behind: int = 0) -> str:
        """The line of the log that has a text; it comes at some time, behind so many characters."""

        def find() -> Optional[str]:
            return next((line for line in self.log()[behind:].splitlines() if text in line), None)

        line: str = wait_until(find, f"a line of the log has {text!r}", HARD_LIMIT)
        return line

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """The process does not run meanwhile: what is sent to it arrives all at once."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)


def received_by(peer: socket.socket) -> bytes:
    """All that the process sends to a peer until it closes the connection."""
    received = b""
    with suppress(ConnectionError):
        while True:
            data = peer.recv(1 << 16)
            if not data:
                break
            received += data
    return received


class Switch:
    """A switch that is connected to the process; a thread of its own answers what it is sent."""

    def __init__(self, controller: Controller, datapath_id: int, host: str = "127.0.0.1") -> None:
        self._switch = FakeSwitch(datapath_id)
        self._seen: Counter[int] = Counter()
        self._news = threading.Condition()
        self._socket = controller.connect(HELLO, host)
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def __enter__(self) -> Switch:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def await_served(self) -> None:
        """The process has sent rules."""
        self._await(wire.OFPT_FLOW_MOD, 1)

    def await_next(self, kind: int) -> None:
        """A further message of a kind comes."""
        self._await(kind, self._seen[kind] + 1)

    def _await(self, kind: int, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self._seen[kind] >= count, HARD_LIMIT), self._seen

    def _answer(self) -> None:
        with suppress(OSError):
            while True:
                data = self._socket.recv(1 << 16)
                if not data:
                    return
                for received, replies in self._switch.receive(data):
                    self._socket.sendall(b"".join(replies))
                    with self._news:
                        self._seen[received[1]] += 1
                        self._news.notify_all()


def kinds(data: bytes) -> Iterator[int]:
    """The types of the messages in what the process sent."""
    offset = 0
    while len(data) - offset >= HEADER.size:
        _, kind, length, _ = HEADER.unpack_from(data, offset)
        yield kind
        offset += length


@contextmanager
def started(
    folder: Path, configuration: str = CONFIGURATION, port: Optional[int] = None, **settings: Any
) -> Iterator[Controller]:
    """A balancer that accepts connections; the settings are those of :func:`balancer_process`."""
    port, path = port or free_port(), folder / "log"
    with path.open("w") as log, balancer_process(folder, configuration, port, log, **settings) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        else:
            pytest.fail(f"the balancer does not listen: {path.read_text()[-2000:]}")
        yield Controller(process, port, path)
