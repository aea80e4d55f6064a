"""Switches that connect, are served, stop replying, and are retired; several at once, and a fault at one of them."""

from __future__ import annotations

import logging
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Callable

import pytest
from fake_switch import FakeSwitch, FakeTransport, packet_in
from served_switch import CONFIGURATION, Served, purposes, sent_kinds

from ryu_haslb.configuration.model import Datapath
from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.delivery.transactions import LATE_REJECTION_TIMEOUT
from ryu_haslb.openflow.fleet.connection import BARRIER_TIMEOUT, RULES_PER_SECOND, Connection
from ryu_haslb.openflow.fleet.fleet import Fleet
from ryu_haslb.openflow.fleet.rivals import ECHO_TIMEOUT
from ryu_haslb.openflow.flow_tables.pipeline import FIRST_METER, Purpose, chassis_address
from ryu_haslb.openflow.installation.retirement import Conclude
from ryu_haslb.openflow.overload.meters import MAX_REJECTIONS
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session_filter import EVERY_SESSION


@pytest.mark.parametrize("meters", [True, False])
def test_standing_rules_have_their_meter_where_the_switch_has_meters(meters: bool) -> None:
    """OpenFlow 1.3.5, section 5.7: meters are optional; a switch without them is served."""
    served = Served(FakeSwitch(meters=meters))
    (rule,) = served.switch.flows_for(Purpose.PUNT_REQUEST.cookie)
    assert rule.match["udp_dst"] == 434
    metered = [each.meter_id for each in rule.instructions if each.type == ofproto_v1_3.OFPIT_METER]
    assert metered == ([FIRST_METER] if meters else [])


def test_a_switch_keeps_its_meters_when_others_delete_one_again_and_again_before_rules_that_use_it_come() -> None:
    """OpenFlow 1.3.5, section 6.5: it rejects those rules then, as a switch does that has no meters."""
    served = Served()
    (server,) = CONFIGURATION.virtual_servers.values()
    for number in range(2 * MAX_REJECTIONS):
        served.switch.lose(meter=FIRST_METER)
        moved = replace(server, address=IPv4Address("10.1.1.10") + number + 1)
        served.fleet.configure(replace(CONFIGURATION, virtual_servers={"MIPSLB": moved}))
        for _ in range(int(LATE_REJECTION_TIMEOUT) + 2):
            served.transport.answer()
            served.wait(1.0)
        (rule,) = served.switch.flows_for(Purpose.PUNT_REQUEST.cookie)
        assert ofproto_v1_3.OFPIT_METER in [each.type for each in rule.instructions], number


def test_a_connection_without_barrier_replies_is_closed() -> None:
    """What would be sent to it would pile up, and the switch could not connect anew."""
    served = Served()
    for _ in range(100):
        served.now += 1
        served.fleet.tick(served.now)
        served.transport.answer()
    assert not served.transport.is_closed
    for _ in range(int(BARRIER_TIMEOUT) + 3):
        served.now += 1
        served.fleet.tick(served.now)
    assert served.transport.is_closed


def test_a_switch_with_many_session_rules_has_longer_to_reply_to_a_barrier() -> None:
    """Closed too early, it would have to read them all again over the next connection."""
    served = Served()
    for seconds, is_closed in ((5, False), (int(BARRIER_TIMEOUT), False), (10, True)):
        for _ in range(seconds):
            served.now += 1
            served.fleet.tick(served.now)
        served.fleet.switches[1].rules.counted = 10 * RULES_PER_SECOND  # behind the first count
        assert served.transport.is_closed is is_closed


def test_a_switch_that_connects_again_is_served_over_the_new_connection_when_the_old_one_does_not_answer() -> None:
    """It has rebooted, or its cable was cut: this end of the older connection is still open."""
    served = Served()
    newer = served.connect()
    assert (newer.handler, sent_kinds(newer)) == (None, [ofproto_v1_3.OFPT_ECHO_REQUEST])
    served.wait(ECHO_TIMEOUT - 1)
    assert (newer.handler, served.transport.is_closed) == (None, False)
    served.wait(1.5)
    newer.answer()
    assert served.transport.is_closed
    assert served.transport.handler is None
    assert newer.handler is not None
    served.fleet.on_disconnected(served.transport)
    assert served.is_connected, "the loss of the older connection is none of the newer one"
    served.fleet.on_disconnected(newer)
    assert not served.is_connected


def test_a_switch_that_rejects_the_standing_rules_is_not_served(caplog: pytest.LogCaptureFixture) -> None:
    switch = FakeSwitch()
    table_full = (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL)
    switch.rejects = lambda message: table_full if message[1] == ofproto_v1_3.OFPT_FLOW_MOD else None
    served = Served(switch)
    assert not served.is_connected
    assert "0000000000000001 rejected the standing rules" in caplog.text


def test_a_switch_that_is_configured_no_longer_loses_our_rules_and_gets_them_again_when_it_is() -> None:
    """All but the rule that switches other traffic: a switch without a table-miss rule would forward nothing."""
    served = Served(configuration=replace(CONFIGURATION, datapaths={1: Datapath(1)}))
    installed = len(served.switch.flows)
    assert installed > 0
    served.fleet.on_disconnected(served.transport)
    served.transport = served.connect("192.0.2.1")
    served.fleet.configure(replace(CONFIGURATION, datapaths={2: Datapath(2)}))
    served.transport.answer()
    assert (purposes(served.switch), served.is_connected) == ({Purpose.PASS_OTHER}, False)
    lost_because = served.fleet.switches[1].lost_because
    assert lost_because == "'ip slb datapath' no longer names it", "not that of an earlier loss"
    served.fleet.configure(CONFIGURATION)
    served.transport.answer()
    assert (len(served.switch.flows), served.is_connected) == (installed, True)


def test_a_lost_connection_is_kept_for_the_line_about_the_state_and_has_no_line_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each event is logged once; ``%SLB-3-SWITCH`` has the reason (docs/running.md)."""
    served = Served()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        served.fleet.on_disconnected(served.transport)
    assert served.fleet.switches[1].lost_because == "connection lost; its sessions are kept"
    assert caplog.text == ""


def test_a_stop_leaves_every_rule_and_concludes_when_the_switch_has_confirmed_all() -> None:
    served, concluded = Served(), list[None]()
    rules = len(served.switch.flows)
    assert served.fleet.stop(lambda: concluded.append(None)) == 1
    assert served.transport.deliver(packet_in(Purpose.PUNT_REQUEST.cookie, 3, bytes(60))), "it is discarded"
    served.fleet.flush(served.now)
    assert concluded == []
    served.transport.answer()
    assert (len(concluded), len(served.switch.flows)) == (1, rules - 1), "of the two rules of the lease one stays"
    served.fleet.close()
    assert served.transport.is_closed


def test_a_fleet_is_quiet_while_no_rule_waits_or_is_to_be_confirmed() -> None:
    """Then only a message of a switch, or a tick, gives it something to send."""
    served = Served()
    served.find_real()
    assert served.fleet.is_quiet
    served.request()
    assert served.fleet.is_quiet, "the switch has confirmed the rule of the session"
    list(served.balancer.clear_in_slices(EVERY_SESSION, 10))
    served.fleet.flush(served.now)
    assert not served.fleet.is_quiet, "it has not confirmed that it has removed the rule"
    served.transport.answer()
    assert served.fleet.is_quiet
    served.fleet.stop(lambda: None)
    assert not served.fleet.is_quiet, "all that was sent is to be confirmed"


def test_a_stop_does_not_wait_for_a_switch_that_is_not_served_and_serves_none_that_comes() -> None:
    switch = FakeSwitch()
    table_full = (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_TABLE_FULL)
    switch.rejects = lambda message: table_full if message[1] == ofproto_v1_3.OFPT_FLOW_MOD else None
    served, concluded = Served(switch), list[None]()
    assert served.fleet.stop(lambda: concluded.append(None)) == len(concluded) == 1
    late = FakeTransport(FakeSwitch(datapath_id=2))
    served.fleet.on_connected(late)
    assert late.sent == []


@pytest.mark.parametrize(
    "ids", [(1, 0x1000001), (0x1000001, 0x2000001), (0x0000525400123456, 0x0000525401123456), (5, 5 << 32)]
)
def test_datapath_ids_that_differ_in_their_upper_bits_have_different_chassis_addresses(ids: tuple[int, int]) -> None:
    """The network learns one port for an Ethernet address: two switches must not send with the same one."""
    assert chassis_address(ids[0]) != chassis_address(ids[1])


def test_of_two_switches_with_one_chassis_address_one_is_served_and_the_log_names_both(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ids = (0x1000868, 0x1001768)
    assert chassis_address(ids[0]) == chassis_address(ids[1])
    fleet = Fleet(CONFIGURATION, Balancer(CONFIGURATION))
    transports = [FakeTransport(FakeSwitch(each)) for each in ids]
    for transport in transports:
        fleet.on_connected(transport)
        transport.answer()
    assert set(fleet.switches) == {ids[0]}
    assert f"Switch {ids[1]:016x} has the chassis address of switch {ids[0]:016x}" in caplog.text
    fleet.on_disconnected(transports[0])
    fleet.on_disconnected(transports[1])
    again = FakeTransport(FakeSwitch(ids[1]))
    fleet.on_connected(again)
    assert ids[1] in fleet.switches, "it is served as soon as the other is gone"


@pytest.mark.parametrize(
    ("method", "do", "what"),
    [
        ("on_leadership_changed", Fleet.on_leadership_changed, "a change of the leadership"),
        ("flush", lambda fleet: fleet.flush(1000.0), "sending session rules"),
        ("tick", lambda fleet: fleet.tick(1000.0), "a timer tick"),
        ("configure", lambda fleet: fleet.configure(CONFIGURATION), "a change of the configuration"),
        ("stop", lambda fleet: fleet.stop(lambda: None), "a stop"),
    ],
)
def test_a_lasting_fault_at_one_switch_keeps_no_other_from_what_is_due(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    do: Callable[[Fleet], None],
    what: str,
) -> None:
    """A switch that is not ticked sends no probes and asks for no role; without a flush it gets no session rules."""
    served = Served()
    other = FakeTransport(FakeSwitch(2))
    served.fleet.on_connected(other)
    done: list[int] = []

    def fail_at_first(connection: Connection, *_: float) -> None:
        done.append(connection.transport.id)
        if connection.transport.id == 1:
            raise KeyError("fault")

    monkeypatch.setattr(Connection, method, fail_at_first)
    do(served.fleet)
    do(served.fleet)
    assert done == [1, 2, 1, 2]
    assert f"Switch 0000000000000001: {what} failed; continuing" in caplog.text


def test_a_fault_at_one_switch_keeps_no_other_from_its_retirement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator learns that the one has not confirmed it."""
    served = Served()
    other = FakeTransport(FakeSwitch(2))
    served.fleet.on_connected(other)
    other.answer()
    retire = Connection.retire

    def fail_at_first(connection: Connection, conclude: Conclude) -> None:
        if connection.transport.id == 1:
            raise KeyError("fault")
        retire(connection, conclude)

    monkeypatch.setattr(Connection, "retire", fail_at_first)
    removed = served.fleet.retire()
    other.answer()
    assert removed == {1: None, 2: True}
