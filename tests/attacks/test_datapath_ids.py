"""Attacks with a datapath id: peers that say they are a switch, which any host at the OpenFlow port can do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from attacked import (
    CONFIGURATION,
    HELLO,
    NO_PORTS,
    Controller,
    Switch,
    features,
    kinds,
    opening,
    received_by,
    started,
)
from fake_switch import packet_in

from ryu_haslb.openflow.fleet.known_switches import MAX_GONE_SWITCHES
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.wire import wire

#: More than the 128 events that the engine's queue of an application holds, for one connection each.
MANY = 300
#: An address of the loopback that no switch of these tests has.
STRANGER = "127.0.0.66"
#: What every peer is sent: OFPT_HELLO, OFPT_FEATURES_REQUEST, OFPT_MULTIPART_REQUEST (ports), OFPT_ECHO_REQUEST.
HANDSHAKE = [0, 5, 18, 2]


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    with started(tmp_path) as controller:
        yield controller


def test_many_connections_with_one_datapath_id_do_not_stop_the_balancer(controller: Controller) -> None:
    """Each is an event, and to close the other one is an event as well: no queue between may fill up."""
    with ExitStack() as stack:
        sources = [f"127.0.0.{2 + number % 4}" for number in range(MANY)]  # each may have so many that are not served
        peers = [stack.enter_context(controller.connect(HELLO, source)) for source in sources]
        for peer in peers:
            assert peer.recv(1), "it is accepted"
        with controller.suspended():
            for peer in peers:
                peer.sendall(features(1) + NO_PORTS)
        with controller.connect(opening(2)) as switch:
            controller.require_served(switch)
    controller.require_alive()


def test_a_stranger_with_the_id_of_a_switch_is_told_nothing_and_changes_nothing(controller: Controller) -> None:
    """The switch answers an echo request and stays. No rule is told to the stranger, and no packet-in of it counts."""
    lie = packet_in(Purpose.PUNT_ARP_REQUEST.cookie, 3, arp_question())
    with Switch(controller, 1) as switch:
        switch.await_served()
        with controller.connect(opening(1), STRANGER) as stranger:
            with suppress(ConnectionError):
                stranger.sendall(lie * 100)
            received = received_by(stranger)
        line = controller.await_line("closing a further connection with its datapath id")
        assert f"from {STRANGER} (port" in line
        assert "the one from 127.0.0.1 (port" in line
        assert list(kinds(received)) == HANDSHAKE
        switch.await_next(wire.OFPT_FLOW_MOD)
    controller.require_alive()


def arp_question() -> bytes:
    """A question for the virtual address, which would be answered."""
    sender = bytes([2, 0, 0, 0, 0, 7])
    head = bytes([255] * 6) + sender + bytes.fromhex("0806 0001 0800 06 04 0001")
    return head + sender + bytes([10, 1, 1, 101]) + bytes(6) + bytes([10, 1, 1, 10])


def test_a_connection_that_does_not_answer_gives_way(controller: Controller) -> None:
    """A switch that has lost power leaves its old connection open at this end."""
    with controller.connect(opening(1)) as older:
        controller.require_served(older)
        with Switch(controller, 1) as newer:
            newer.await_served()
        line = controller.await_line("Switch 0000000000000001: serving its connection from 127.0.0.1")
        assert "has not answered an echo request for 5 s" in line


def test_a_stranger_who_takes_the_id_of_a_switch_that_is_away_loses_it_when_the_switch_returns(
    controller: Controller,
) -> None:
    with Switch(controller, 1) as switch:
        switch.await_served()
        for _ in range(10):  # else its loss is logged half a minute later
            switch.await_next(wire.OFPT_PACKET_OUT)
    controller.await_line("(connection lost; its sessions are kept)")
    with Switch(controller, 1, STRANGER) as stranger:
        stranger.await_served()
        with Switch(controller, 1) as switch:
            switch.await_served()
            line = controller.await_line("the switch was first served from there")
            assert f"in place of the one from {STRANGER}" in line


def test_a_stranger_who_claims_the_id_of_a_switch_again_and_again_does_not_fill_the_log(
    controller: Controller,
) -> None:
    with Switch(controller, 1) as switch:
        switch.await_served()
        for _ in range(400):
            with controller.connect(opening(1), STRANGER):
                pass
        with controller.connect(opening(1), STRANGER) as last:
            received_by(last)
        switch.await_next(wire.OFPT_FLOW_MOD)
    lines = [line for line in controller.log().splitlines() if STRANGER in line]
    assert len(lines) <= 100
    controller.require_alive()


def test_a_stranger_with_an_id_or_an_address_that_is_not_configured_is_told_nothing(tmp_path: Path) -> None:
    named = "ip slb datapath 1 address 127.0.0.1\n"
    with started(tmp_path, CONFIGURATION + named) as controller, Switch(controller, 1) as switch:
        switch.await_served()
        for datapath_id, host, reason in (
            (1, STRANGER, "'ip slb datapath' permits it from 127.0.0.1 only"),
            (2, "127.0.0.1", "no 'ip slb datapath' has this id"),
        ):
            with controller.connect(opening(datapath_id), host) as stranger:
                assert set(kinds(received_by(stranger))) <= set(HANDSHAKE)
            line = controller.await_line(f"Switch {datapath_id:016x} from {host} (port")
            assert f"closing the connection: {reason}" in line
        switch.await_next(wire.OFPT_FLOW_MOD)
        controller.require_alive()


def test_a_stranger_who_connects_with_many_ids_is_forgotten(controller: Controller) -> None:
    for number in range(MAX_GONE_SWITCHES + 20):
        with controller.connect(opening(100 + number)) as stranger:
            controller.require_served(stranger)
    controller.await_line("state=removed was=disconnected")
    with Switch(controller, 1) as switch:
        switch.await_served()
    controller.require_alive()


def test_a_switch_gets_in_while_silent_strangers_claim_its_id_from_its_own_host(controller: Controller) -> None:
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(controller.connect(opening(1)))
        with Switch(controller, 1) as switch:
            for _ in range(50):
                stack.enter_context(controller.connect(opening(1)))
            switch.await_served()
    controller.require_alive()
