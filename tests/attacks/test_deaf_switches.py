"""A switch that does not read what it is sent delays no other one."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacked import CONFIGURATION
from balancer_process import balancer_process, free_port
from fake_switch import message
from scripted_switch import scripted_switch

from ryu_haslb.openflow.wire import OFPT_ECHO_REQUEST, OFPT_PACKET_OUT

_ETHERNET_TYPE = struct.pack("!H", 0x0806)


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[int]:
    """The TCP port of a running controller."""
    port = free_port()
    with balancer_process(tmp_path, CONFIGURATION, port) as process:
        await_listener(port, process)
        yield port


def await_listener(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the controller did not come up")


def test_a_switch_that_does_not_read_delays_no_other(controller: int) -> None:
    """It sends echo requests and does not read the replies. The timers of the other switch must go on meanwhile."""
    question = message(OFPT_ECHO_REQUEST, 1, bytes(100))
    with scripted_switch(controller, 1) as healthy, scripted_switch(controller, 2, 4096) as deaf:
        for switch in (healthy, deaf):
            assert switch.await_message(OFPT_PACKET_OUT, 10), "a home agent is probed"
        most = 200_000_000
        assert deaf.flood(question * 200, most) < most, "what it cannot be answered is not read either"
        for _ in range(3):
            assert healthy.await_message(OFPT_PACKET_OUT, 30), "probes go on"
