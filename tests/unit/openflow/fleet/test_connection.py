"""One connection to a switch: which messages are handled, and what becomes of requests and of their sessions' rules."""

from __future__ import annotations

import struct

import pytest
from connection_bench import Connected
from fake_switch import message, packet_in
from served_switch import CONFIGURATION

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.wire import wire
from ryu_haslb.slb.drop_reason import DropReason


@pytest.mark.parametrize("has_bundles", [True, False])
def test_a_session_gets_its_rule_behind_its_first_request(has_bundles: bool) -> None:
    connected = Connected(has_bundles)
    connected.find_real()
    (first,) = connected.request()
    assert wire.output(7) in first
    connected.connection.flush(connected.now)
    connected.transport.answer()
    (session,) = connected.balancer.sessions
    assert session.rule_at == 1
    (flow,) = connected.fake.flows_for(session.cookie)
    assert flow.match["eth_src"] == session.tag.to_bytes(6, "big").hex(":")
    (later,) = connected.request()
    assert wire.output(wire.OFPP_TABLE) in later


@pytest.mark.parametrize(
    "foreign",
    [
        message(ofproto_v1_3.OFPT_ECHO_REQUEST, 1),
        message(ofproto_v1_3.OFPT_BARRIER_REPLY, 0xFFFF),
        message(ofproto_v1_3.OFPT_MULTIPART_REPLY, 0xFFFF, bytes(8)),
        message(ofproto_v1_3.OFPT_ERROR, 0xFFFF, struct.pack("!HH", 1, 1)),
        message(ofproto_v1_3.OFPT_ERROR, 0xFFFF),
        packet_in(0xFF0000, 1, bytes(60)),
    ],
    ids=["echo request", "barrier", "multipart", "error", "malformed error", "packet-in by a foreign rule"],
)
def test_messages_that_are_not_for_the_balancer_are_left_to_the_engine(foreign: bytes) -> None:
    assert not Connected().transport.deliver(foreign)


def test_a_connection_that_was_left_handles_nothing_and_the_switch_keeps_its_rules() -> None:
    connected = Connected()
    rules = len(connected.fake.flows)
    connected.connection.leave()
    assert connected.transport.handler is None
    assert not connected.connection.is_serving
    assert len(connected.fake.flows) == rules > 0


@pytest.mark.parametrize("has_bundles", [True, False])
def test_a_stop_sends_the_rules_of_sessions_that_wait_before_it_concludes(has_bundles: bool) -> None:
    """The switch is the session store: a session that has begun is recovered by the next start."""
    connected, concluded = Connected(has_bundles), list[None]()
    connected.find_real()
    connected.request()
    connected.connection.stop(lambda: concluded.append(None))
    assert connected.transport.deliver(packet_in(Purpose.PUNT_REQUEST.cookie, 3, bytes(60)))
    connected.connection.flush(connected.now)
    assert concluded == [], "the bundle is not confirmed"
    connected.transport.answer()
    connected.connection.flush(connected.now)
    connected.transport.answer()
    (session,) = connected.balancer.sessions
    assert len(connected.fake.flows_for(session.cookie)) == 1
    assert len(concluded) == 1


def test_requests_at_a_switch_that_rejects_the_standing_rules_are_counted_as_dropped() -> None:
    """It punts them by the rules of an earlier run. What is punted besides them is no request."""
    connected = Connected(answers=False)
    connected.fake.rejects = lambda received: (
        (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_EPERM) if received[1] == wire.OFPT_FLOW_MOD else None
    )
    connected.transport.answer()
    assert not connected.connection.is_serving
    assert connected.request() == []
    statistics = connected.balancer.statistics
    assert (statistics.requests, statistics.dispatched) == (1, 0)
    assert statistics.drops[DropReason.SWITCH_NOT_SERVED] == 1
    assert connected.balancer.client_counts.requests[bytes([15, 1, 1, 51])] == 1
    connected.transport.deliver(packet_in(Purpose.PUNT_REQUEST.cookie, wire.OFPP_CONTROLLER, bytes(60)))
    connected.transport.deliver(packet_in(Purpose.PUNT_SESSION_MISS.cookie, wire.OFPP_CONTROLLER, bytes(60)))
    connected.transport.deliver(packet_in(Purpose.PUNT_ARP_REPLY.cookie, 7, bytes(60)))
    assert statistics.requests == 1


def test_a_connection_that_was_left_is_not_tried_again() -> None:
    connected = Connected()
    connected.fake.rejects = lambda received: (5, 4) if received[1] == wire.OFPT_FLOW_MOD else None
    connected.connection.configure(CONFIGURATION)
    connected.transport.answer()
    connected.connection.leave()
    connected.transport.sent.clear()
    connected.connection.tick(connected.now + 100.0)
    assert not connected.transport.sent
