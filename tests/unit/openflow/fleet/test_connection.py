"""One connection to a switch: which messages are handled, and what is installed over it."""

from __future__ import annotations

import struct
from collections import Counter
from ipaddress import IPv4Address

import pytest
from connection_bench import (
    CONFIGURATION,
    KEY,
    OTHER_CONFIGURATION,
    TABLE_FULL,
    Connected,
    adds_another,
    rules_on,
    seconds_pass,
)
from fake_switch import error, message, packet_in

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.wire import packet, wire
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


def test_rules_of_an_earlier_run_that_were_replaced_are_not_gone_on_with() -> None:
    """The switch has confirmed the rules of this run, and so deleted those of before, when it rejects one of them."""
    connected = Connected(key=KEY)
    connected.start_again(OTHER_CONFIGURATION)
    assert connected.connection.is_serving
    address = IPv4Address("10.1.1.11").packed
    late = next(each for each in connected.transport.sent_of(wire.OFPT_EXPERIMENTER) if address in each)
    connected.transport.deliver(error(late, TABLE_FULL))
    connected.transport.answer()
    assert not connected.connection.is_serving
    seconds_pass(connected, 2)
    assert connected.connection.is_serving


def rejected_late(connected: Connected) -> bytes:
    """The error about a standing rule that the switch has confirmed."""
    flow_mods = connected.transport.sent_of(wire.OFPT_FLOW_MOD)
    xid, _ = Counter(each[4:8] for each in flow_mods).most_common(1)[0]
    sent = next(each for each in flow_mods if each[4:8] == xid)
    return error(sent, (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_EPERM))


def test_a_switch_that_rejects_the_standing_rules_behind_the_barrier_is_tried_again_as_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each attempt seems to succeed at first. It goes on with the former rules, and sends an error for each new one."""
    connected = Connected(has_bundles=False)
    before = rules_on(connected.fake)
    attempts = 0
    connected.transport.sent.clear()
    connected.connection.configure(OTHER_CONFIGURATION)
    connected.transport.answer()
    for _ in range(100):
        rejected = [each for each in connected.transport.sent if adds_another(each)]
        attempts += bool(rejected)
        connected.transport.sent.clear()
        for each in rejected:
            connected.transport.deliver(error(each, TABLE_FULL))
            connected.transport.answer()
        assert rules_on(connected.fake) == before
        seconds_pass(connected, 1)
    assert attempts == 7
    assert caplog.text.count("rejected the standing rules of the configuration in force (OFPFMFC_TABLE_FULL)") == 1
    connected.find_real()
    assert len(connected.request()) == 1


def test_a_rejection_behind_the_barrier_has_no_effect_once_the_switch_is_not_served() -> None:
    """Another balancer serves it by then."""
    connected = Connected(has_bundles=False)
    rejection = rejected_late(connected)
    connected.connection._installation.end()
    connected.transport.sent.clear()
    connected.transport.deliver(rejection)
    for _ in range(10):
        connected.now += 1.0
        connected.connection._installation.tick(connected.now)
    assert not connected.transport.sent
    assert not connected.connection.is_serving


def test_of_another_configuration_only_the_rules_that_differ_are_sent() -> None:
    """All of them take a slow switch a quarter of a second, and requests wait behind them."""
    connected = Connected()
    before = sorted(str(flow) for flow in connected.fake.flows)
    for configuration, flow_mods in ((OTHER_CONFIGURATION, 12), (CONFIGURATION, 12), (CONFIGURATION, 2)):
        connected.transport.sent.clear()
        connected.connection.configure(configuration)
        connected.transport.answer()
        assert 2 <= len(connected.transport.sent_of(wire.OFPT_FLOW_MOD)) <= flow_mods
        difference = len(list(standing_rules(configuration, 1))) - len(list(standing_rules(CONFIGURATION, 1)))
        assert len(connected.fake.flows) == len(before) + difference
    assert sorted(str(flow) for flow in connected.fake.flows) == before


def test_all_rules_are_sent_again_when_those_before_were_rejected_behind_the_barrier() -> None:
    """What was sent since is the difference from rules that are not all there."""
    connected = Connected(has_bundles=False)
    connected.transport.sent.clear()
    connected.connection.configure(OTHER_CONFIGURATION)
    connected.transport.answer()
    rejection = rejected_late(connected)
    connected.connection.configure(CONFIGURATION)
    connected.transport.answer()
    connected.transport.sent.clear()
    assert connected.transport.deliver(rejection)
    connected.transport.answer()
    assert connected.connection.is_serving
    assert len(connected.transport.sent_of(wire.OFPT_FLOW_MOD)) > len(list(standing_rules(CONFIGURATION, 1)))


def test_all_rules_are_sent_again_when_those_before_are_rejected_while_a_difference_is_on_its_way() -> None:
    connected = Connected(has_bundles=False)
    connected.connection.configure(OTHER_CONFIGURATION)
    connected.transport.answer()
    rejection = rejected_late(connected)
    connected.transport.sent.clear()
    connected.connection.configure(CONFIGURATION)
    assert connected.transport.deliver(rejection)
    connected.transport.answer()
    assert connected.connection.is_serving
    assert len(connected.transport.sent_of(wire.OFPT_FLOW_MOD)) > len(list(standing_rules(CONFIGURATION, 1)))


def test_a_rejection_of_standing_rules_that_others_have_replaced_has_no_effect() -> None:
    connected = Connected(has_bundles=False)
    rejection = rejected_late(connected)
    connected.connection.configure(CONFIGURATION)
    connected.transport.answer()
    assert connected.transport.deliver(rejection)
    assert connected.connection.is_serving


def test_ports_are_followed_once_because_of_a_description_and_of_rejected_floods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes milliseconds where there are many real servers, and a switch may send both any number of times."""
    connected = Connected(answers=False)
    followed: list[bool] = []
    monkeypatch.setattr(connected.connection._installation.evidence, "_on_found", lambda: followed.append(True))
    asked = next(each for each in connected.transport.sent if each[1] == wire.OFPT_MULTIPART_REQUEST)
    reply = message(wire.OFPT_MULTIPART_REPLY, int.from_bytes(asked[4:8], "big"), bytes(8) + bytes(1056))
    assert [connected.transport.deliver(reply) for _ in range(3)] == [True, False, False]
    assert len(followed) == 1
    out = packet.packet_out(wire.output(wire.OFPP_FLOOD), bytes(60))
    rejection = error(out, (wire.OFPET_BAD_ACTION, wire.OFPBAC_BAD_OUT_PORT))
    assert [connected.transport.deliver(rejection) for _ in range(3)] == [True] * 3
    assert len(followed) == 2
