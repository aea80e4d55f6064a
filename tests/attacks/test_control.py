"""Attacks on the control socket by clients of its owner: stalled ones keep no operator out.

Idle and slow clients, and those that send anything but commands, are in ``tests/processes/test_control_server.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from ryu_haslb.control.execution import Output
from ryu_haslb.control.protocol import Request
from ryu_haslb.control.server import MAX_RUNNING_COMMANDS, ControlServer

SHOW = Request(b"show ip slb reals", False)
#: The operator's process.
OPERATOR = 1


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


def occupy(server: ControlServer, *processes: int) -> list[Client]:
    """Commands of these processes take all places."""
    clients = [Client() for _ in range(MAX_RUNNING_COMMANDS)]
    server._running = dict(zip(clients, cycle(processes)))
    return clients


def test_a_client_that_does_not_read_gives_its_place_to_a_new_command(server: ControlServer) -> None:
    """Such as a suspended ``debug``, whose output has no time limit."""
    stalled, slow, *_ = occupy(server, *range(2, 2 + MAX_RUNNING_COMMANDS))
    server._sending = {slow: 0.0, stalled: -math.inf}
    operator = Client()
    server._carry_out(operator, OPERATOR, SHOW, answer)
    assert operator.received == b"answered\n"
    assert (stalled.is_closed, slow.is_closed) == (True, False)
    assert list(server._sending) == [slow]


def test_commands_whose_clients_read_are_not_ended(server: ControlServer) -> None:
    reading, *others = occupy(server, *range(2, 2 + MAX_RUNNING_COMMANDS))
    operator = Client()
    for sending in ({}, {reading: math.inf}):
        server._sending = dict(sending)
        server._carry_out(operator, OPERATOR, SHOW, answer)
    assert operator.received.count(b"% 32 commands are running; end a debug, or try again later\n") == 2
    assert not any(client.is_closed for client in (reading, *others))
    assert list(server._running) == [reading, *others]


def test_a_program_that_takes_all_places_gives_its_oldest_one_to_another(server: ControlServer) -> None:
    """Its clients read, or have not been silent for long: new ones come all the time."""
    first, greedy, *others = occupy(server, OPERATOR + 1, *[OPERATOR + 2] * MAX_RUNNING_COMMANDS)
    operator, further = Client(), Client()
    server._carry_out(operator, OPERATOR, SHOW, answer)
    assert operator.received == b"answered\n"
    assert greedy.is_closed
    assert not any(client.is_closed for client in (first, *others))
    server._running[operator] = OPERATOR
    server._carry_out(further, OPERATOR + 2, SHOW, answer)
    assert further.received.startswith(b"% 32 commands are running")


def test_a_command_that_has_lost_its_place_is_not_carried_out_further(server: ControlServer) -> None:
    def search(words: Any) -> Output:
        return Output(found_nothing())

    def found_nothing() -> Iterator[None]:
        while True:
            yield None
            server._end_command(searching)

    searching = Client()
    server._carry_out(searching, OPERATOR, SHOW, search)
    assert searching.received == b""


def test_a_command_that_has_lost_its_place_before_its_turn_has_no_effect(server: ControlServer) -> None:
    """Its client sees the end of the connection, and takes it for failed."""
    waiting, executed = Client(), []

    @contextmanager
    def turn() -> Iterator[None]:
        server._end_command(waiting)
        yield

    def clear(words: Any) -> Output:
        executed.append(words)
        return answer(words)

    server._turn = turn()
    server._carry_out(waiting, OPERATOR, Request(b"clear ip slb sessions", False), clear)
    assert (executed, waiting.received) == ([], b"")


def test_what_was_sent_is_no_longer_waited_for(server: ControlServer) -> None:
    server._carry_out(Client(), OPERATOR, SHOW, answer)
    assert (server._sending, server._running) == ({}, {})
