"""Output to TABLE: tried before a request depends on it, and what is done on a switch without it."""

from __future__ import annotations

import pytest
from fake_switch import FakeSwitch
from wired_switch import PORTS, VIRTUAL, Wired, goes_to

from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.wire import packet, wire
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.session_tag import tag_of


def test_requests_of_a_switch_that_cannot_output_to_table_are_forwarded_by_packet_out() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    returned = wired.request("anna")[0]
    assert wired.switch.on_error(0, wire.Error(2, 4, returned[:64]), wired.now)
    statistics = wired.balancer.statistics
    assert (statistics.dispatched, wired.drops(DropReason.REJECTED_BY_SWITCH)) == (1, 1)
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    assert not wired.switch.on_error(0, wire.Error(2, 4, returned[:20]), wired.now)


def test_output_to_table_is_tried_before_a_request_depends_on_it() -> None:
    wired = Wired(answers=False)
    wired.find(0)
    wired.switch.unrecovered.recovery.reading.skip()
    wired.request("anna")
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [7], "not known yet"
    wired.return_probe()
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [wire.OFPP_TABLE]


@pytest.mark.parametrize("reason", [(2, 4), (1, 6)])
def test_a_switch_that_rejects_output_to_table_loses_no_request(reason: tuple[int, int]) -> None:
    """OFPBAC_BAD_OUT_PORT; OFPBRC_BAD_LEN stands for what else a switch may say."""
    fake = FakeSwitch()
    fake.rejects = lambda message: reason if packet.is_return_to_session(message) else None
    wired = Wired(fake=fake)
    wired.request("anna")
    wired.settle()
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    wired.settle()
    assert wired.balancer.statistics.dispatched == 2
    assert wired.balancer.statistics.dropped == 0


def test_a_switch_that_accepts_output_to_table_and_does_nothing_loses_no_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    fake = FakeSwitch(ignores_table=True)
    wired = Wired(fake=fake)
    wired.request("anna")
    for _ in range(10):
        wired.now += 1
        wired.settle()
    wired.find(0)
    assert [goes_to(message) for message in wired.request("anna")] == [7]
    assert caplog.text.count("did not return what was output to TABLE") == 1


def test_a_request_whose_packet_out_the_switch_rejects_is_no_dispatched_one() -> None:
    """OFPBAC_BAD_OUT_PORT: the home agent's port is gone."""
    wired = Wired()
    wired.fake.rejects = lambda message: (2, 4) if message[1] == wire.OFPT_PACKET_OUT else None
    wired.request("anna")
    wired.settle()
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dispatched) == (1, 0)
    assert wired.drops(DropReason.REJECTED_BY_SWITCH) == 1


def test_a_rejected_arp_probe_is_no_request() -> None:
    wired = Wired()
    wired.request("anna")
    wired.sent.clear()
    wired.switch.tick(wired.now + 6.0)
    (probe, *_) = wired.transport.sent_of(wire.OFPT_PACKET_OUT)
    wired.switch.on_error(0, wire.Error(2, 4, probe[:64]), wired.now)
    assert wired.balancer.statistics.dispatched == 1


def tagged_request(wired: Wired) -> bytes:
    """A further request of anna's, as it is sent to TABLE and comes back when no rule has its tag."""
    returned = wired.request("anna")[0]
    tag = tag_of(VIRTUAL.packed, b"\x01anna").to_bytes(6, "big")
    frame = returned[24 + int.from_bytes(returned[16:18], "big") :]
    return frame[:6] + tag + frame[12:]


def test_a_request_that_misses_its_session_rule_is_forwarded_by_packet_out() -> None:
    wired = Wired()
    wired.request("anna")
    wired.settle()
    tagged = tagged_request(wired)
    wired.sent.clear()
    wired.punt(Purpose.PUNT_SESSION_MISS, tagged, port=wire.OFPP_CONTROLLER)
    assert [goes_to(message) for message in wired.sent] == [7]
    wired.balancer.clear_sessions()
    wired.punt(Purpose.PUNT_SESSION_MISS, tagged, port=wire.OFPP_CONTROLLER)
    assert [goes_to(message) for message in wired.sent] == [7, 8], "its session has ended: it begins another"
    statistics = wired.balancer.statistics
    assert (statistics.requests, statistics.dispatched, statistics.dropped) == (2, 2, 0)


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_request_that_comes_back_and_is_dropped_counts_for_its_client(is_ended: bool) -> None:
    """Its home agent cannot be reached any more, or its session has ended and it cannot be read again."""
    wired = Wired()
    wired.request("anna")
    wired.settle()
    tagged = tagged_request(wired)
    if is_ended:
        wired.balancer.clear_sessions()
        tagged = tagged[:40]
    else:
        wired.switch.on_port_changed(PORTS[0], False)
    wired.punt(Purpose.PUNT_SESSION_MISS, tagged, port=wire.OFPP_CONTROLLER)
    counts, statistics = wired.balancer.client_counts, wired.balancer.statistics
    assert statistics.dropped == 1
    assert list(counts.dropped.values()) == [1]
    assert list(counts.requests.values()) == [statistics.requests] == [2]


def test_a_packet_out_that_is_punted_again_is_dropped() -> None:
    wired = Wired()
    wired.punt(Purpose.PUNT_FRAGMENT, bytes(60), port=wire.OFPP_CONTROLLER)
    assert wired.drops(DropReason.RETURNED_BY_SWITCH) == 1
