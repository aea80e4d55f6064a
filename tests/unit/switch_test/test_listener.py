"""Waiting for the switch that is to be tested, among many that connect."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import ExitStack

import pytest

from ryu_haslb.switch_test import listener
from ryu_haslb.switch_test.link import wait
from ryu_haslb.switch_test.listener import MAX_PENDING, Listener, StoppedError


def test_a_connection_that_cannot_be_accepted_yet_does_not_end_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ready all the time: to wait for it would take the whole processor until a pending one has ended."""
    waited: list[list[object]] = []
    real_wait = wait

    def recorded(readable: Iterable[object], writable: Iterable[object], _: float) -> None:
        waited.append(list(readable))
        real_wait(waited[-1], writable, 0)

    def is_full() -> bool:
        return any(len(each) >= MAX_PENDING and not isinstance(each[0], socket.socket) for each in waited)

    monkeypatch.setattr(listener, "wait", recorded)
    with ExitStack() as stack:
        listening = Listener(("127.0.0.1", 0), None, lambda _: None, is_full)
        stack.callback(listening.close)
        for _ in range(MAX_PENDING + 1):
            stack.enter_context(socket.create_connection(("127.0.0.1", listening.port)))
        with pytest.raises(StoppedError):
            listening.await_switch(listener.HANDSHAKE_TIMEOUT / 2)
    assert len(waited[-1]) == MAX_PENDING
