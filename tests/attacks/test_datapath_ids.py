"""Attacks with a datapath id: peers that say they are a switch, which any host at the OpenFlow port can do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from attacked import HELLO, Controller, features, opening, started
from attacked import NO_PORTS as PORTS

#: More than the 128 events that the engine's queue of an application holds, for one connection each.
MANY = 300


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    with started(tmp_path) as controller:
        yield controller


def test_many_connections_with_one_datapath_id_do_not_stop_the_balancer(controller: Controller) -> None:
    """Each is an event, and to close the other one is an event as well: no queue between may fill up."""
    with ExitStack() as stack:
        peers = [stack.enter_context(controller.connect(HELLO)) for _ in range(MANY)]
        for peer in peers:
            assert peer.recv(1), "it is accepted"
        with controller.suspended():
            for peer in peers:
                peer.sendall(features(1) + PORTS)
        with controller.connect(opening(2)) as switch:
            controller.require_served(switch)
    controller.require_alive()
