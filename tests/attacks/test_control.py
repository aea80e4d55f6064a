"""Attacks on the control socket by clients of its owner: stalled ones keep no operator out.

Idle and slow clients, and those that send anything but commands, are in ``tests/processes/test_control_server.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ryu_haslb.control.commands import Output
from ryu_haslb.control.protocol import Request
from ryu_haslb.control.server import MAX_RUNNING_COMMANDS, ControlServer

SHOW = Request(b"show ip slb reals", False)


class Client:
    """A connection that takes everything at once."""

    def __init__(self) -> None:
        self.received = b""
        self.is_closed = False

    def sendall(self, data: bytes) -> None:
        self.received += data

    def shutdown(self, _: int) -> None:
        self.is_closed = True


@pytest.fixture(name="server")
def control(tmp_path: Path) -> Iterator[ControlServer]:
    served = ControlServer(str(tmp_path / "control"), answer)
    yield served
    served.close()


def answer(words: Any) -> Output:
    return Output(iter(["answered"]))


def test_a_client_that_does_not_read_gives_its_place_to_a_new_command(server: ControlServer) -> None:
    """Such as a suspended ``debug``, whose output has no time limit."""
    stalled, slow, operator = Client(), Client(), Client()
    server._running_commands = MAX_RUNNING_COMMANDS
    server._sending = {slow: 0.0, stalled: -math.inf}
    server._carry_out(operator, SHOW, answer)
    assert operator.received == b"answered\n"
    assert (stalled.is_closed, slow.is_closed) == (True, False)
    assert list(server._sending) == [slow]


def test_commands_whose_clients_read_are_not_ended(server: ControlServer) -> None:
    reading, operator = Client(), Client()
    server._running_commands = MAX_RUNNING_COMMANDS
    for sending in ({}, {reading: math.inf}):
        server._sending = dict(sending)
        server._carry_out(operator, SHOW, answer)
    assert operator.received.count(b"% 32 commands are running; end a debug, or try again later\n") == 2
    assert not reading.is_closed
    assert server._running_commands == MAX_RUNNING_COMMANDS


def test_what_was_sent_is_no_longer_waited_for(server: ControlServer) -> None:
    server._carry_out(Client(), SHOW, answer)
    assert (server._sending, server._running_commands) == ({}, 0)
