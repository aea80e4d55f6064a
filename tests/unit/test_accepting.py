"""A server accepts connections for as long as its socket is open."""

from __future__ import annotations

import errno
import logging
import os

import pytest
from eventlet.green import socket as green_socket

from ryu_haslb import accepting
from ryu_haslb.accepting import Acceptor


class FailingListener:
    """Fails with each error once, then accepts."""

    def __init__(self, *numbers: int) -> None:
        self._errors = [OSError(number, os.strerror(number)) for number in numbers]

    def accept(self) -> tuple[str, str]:
        if self._errors:
            raise self._errors.pop(0)
        return "connection", "address"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "RETRY_INTERVAL", 0.0)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_resources_it_tries_again_and_says_so_once(number: int, caplog: pytest.LogCaptureFixture) -> None:
    """accept(2)."""
    caplog.set_level(logging.INFO)
    acceptor = Acceptor(FailingListener(*[number] * 5), "this port")
    assert acceptor.accept() == ("connection", "address")
    assert acceptor.accept() == ("connection", "address")
    first, second = caplog.messages
    assert first.startswith(f"this port: cannot accept connections: {os.strerror(number)}; trying again every")
    assert second == "this port: accepts connections again"


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EPERM])
def test_a_connection_that_has_ended_already_costs_nothing(number: int, caplog: pytest.LogCaptureFixture) -> None:
    assert Acceptor(FailingListener(number, number), "this port").accept() == ("connection", "address")
    assert caplog.messages == []


def test_room_is_made_for_each_attempt(caplog: pytest.LogCaptureFixture) -> None:
    attempts = []

    def make_room() -> bool:
        attempts.append(1)
        return len(attempts) > 1

    Acceptor(FailingListener(*[errno.EMFILE] * 3), "this port", make_room).accept()
    assert len(attempts) == 3
    assert len(caplog.messages) == 2


def test_it_ends_when_its_socket_is_closed() -> None:
    with green_socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        acceptor = Acceptor(listener, "this port")
        acceptor.close()
        with pytest.raises(OSError):
            acceptor.accept()
    with green_socket.socket() as never_listened, pytest.raises(OSError):
        Acceptor(never_listened, "this port").accept()
