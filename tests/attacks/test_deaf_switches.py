"""A switch that does not read what it is sent delays no other one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from attacked import HARD_LIMIT, started
from fake_switch import message
from scripted_switch import scripted_switch

from ryu_haslb.openflow.wire.wire import OFPT_ECHO_REQUEST, OFPT_PACKET_OUT

#: Bytes that a connection never takes unread.
FLOOD = 200_000_000
#: Packet-outs behind which the balancer has looked at the state of a switch that it has begun to serve.
PROBES = 10


def test_a_switch_that_does_not_read_delays_no_other(tmp_path: Path) -> None:
    """It sends echo requests and does not read the replies. The timers of the other switch must go on meanwhile."""
    question = message(OFPT_ECHO_REQUEST, 1, bytes(100))
    with (
        started(tmp_path) as controller,
        scripted_switch(controller.port, 1) as healthy,
        scripted_switch(controller.port, 2, 4096) as deaf,
    ):
        for switch in (healthy, deaf):
            assert switch.await_message(OFPT_PACKET_OUT, HARD_LIMIT), "a home agent is probed"
        assert deaf.flood(question * 200, FLOOD) < FLOOD, "what it cannot be answered is not read either"
        for _ in range(3):
            assert healthy.await_message(OFPT_PACKET_OUT, HARD_LIMIT), "probes go on"


def test_the_loss_of_a_switch_that_did_not_read_is_logged_as_that_of_any_other(tmp_path: Path) -> None:
    """The balancer notices it when it sends, and not when it reads: which comes first is chance with any switch."""
    question = message(OFPT_ECHO_REQUEST, 1, bytes(100))
    with started(tmp_path) as controller:
        with scripted_switch(controller.port, 1, 4096) as deaf:
            for _ in range(PROBES):  # else its loss is logged half a minute later
                assert deaf.await_message(OFPT_PACKET_OUT, HARD_LIMIT), "it is served"
            deaf.socket.setblocking(False)
            with suppress(BlockingIOError):  # then it is gone at once, before the balancer finds that it does not read
                while True:
                    deaf.socket.send(question * 200)
        assert "state=disconnected" in controller.await_line("(connection lost; its sessions are kept)")


def test_a_switch_that_does_not_read_for_long_is_closed_with_that_reason(tmp_path: Path) -> None:
    question = message(OFPT_ECHO_REQUEST, 1, bytes(100))
    with started(tmp_path) as controller, scripted_switch(controller.port, 1, 4096) as deaf:
        for _ in range(PROBES):
            assert deaf.await_message(OFPT_PACKET_OUT, HARD_LIMIT), "it is served"
        assert deaf.flood(question * 200, FLOOD) < FLOOD
        assert "state=disconnected" in controller.await_line("(connection closed (the switch does not read what it is")
