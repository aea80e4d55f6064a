"""Clients of the control socket that have left leave nothing to a collection of cycles, however they left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import eventlet
import pytest
from control_process import Application
from cycles import no_cycles_left
from eventlet.green import socket

from ryu_haslb.control import execution
from ryu_haslb.control.server import ControlServer


def close_at_once(client: Any) -> None:
    client.close()


def close_after_a_while(client: Any) -> None:
    for _ in range(10):
        eventlet.sleep(0)
    client.close()


def read_to_the_end(client: Any) -> None:
    client.shutdown(socket.SHUT_WR)
    while client.recv(4096):
        pass
    client.close()


@pytest.mark.parametrize("leave", [close_at_once, close_after_a_while, read_to_the_end])
@pytest.mark.parametrize(
    "sent", [b"", b"sho", b"no such command\n", b"show ip slb sessions\n", b"debug ip slb sessions ipmobile\n"]
)
def test_a_client_that_leaves(tmp_path: Path, sent: bytes, leave: Any) -> None:
    application = Application(200)
    server = ControlServer(str(tmp_path / "haslb.sock"), lambda words: execution.execute(application, words))
    serving = eventlet.spawn(server.serve)
    eventlet.sleep(0)
    descriptors = len(os.listdir("/proc/self/fd"))

    def connect() -> None:
        client = socket.socket(socket.AF_UNIX)
        client.connect(server.path)
        client.sendall(sent)
        leave(client)
        while len(os.listdir("/proc/self/fd")) > descriptors:
            eventlet.sleep(0)
        eventlet.sleep(0)  # the green thread that has closed it has ended

    try:
        connect()
        with no_cycles_left():
            for _ in range(3):
                connect()
    finally:
        serving.kill()
        server.close()
