"""A switch that rejects its standing rules: what it goes on with, and when it gets them again."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest
from connection_bench import KEY, OTHER_CONFIGURATION, TABLE_FULL, Connected, adds_another, rules_on, seconds_pass
from served_switch import CONFIGURATION

from ryu_haslb.configuration.model import Datapath, Switching
from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Table
from ryu_haslb.openflow.flow_tables.standing_rules import standing_rules
from ryu_haslb.openflow.wire import wire


def test_a_switch_that_rejects_the_standing_rules_is_tried_again_with_one_line_for_each_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After 1, 2, 4, 8, 16, 32 s and then every 60 s."""
    caplog.set_level("INFO")
    connected = Connected(answers=False)
    connected.fake.reports_flows = False
    attempts = 0

    def reject(received: bytes) -> Optional[tuple[int, int]]:
        nonlocal attempts
        attempts += received[1] == wire.OFPT_EXPERIMENTER and received[20:22] == b"\0\4"  # a bundle is committed
        is_addition = received[1] == wire.OFPT_FLOW_MOD and received[25] == wire.OFPFC_ADD
        return (ofproto_v1_3.OFPET_FLOW_MOD_FAILED, ofproto_v1_3.OFPFMFC_EPERM) if is_addition else None

    connected.fake.rejects = reject
    connected.transport.answer()
    assert not connected.connection.is_serving
    for _ in range(100):
        connected.now += 1.0
        connected.connection.tick(connected.now)
        connected.transport.answer()
    assert attempts == 7
    assert caplog.text.count("rejected the standing rules (OFPFMFC_EPERM) and is not served") == 1
    connected.fake.rejects = lambda _: None
    for _ in range(61):
        connected.now += 1.0
        connected.connection.tick(connected.now)
        connected.transport.answer()
    assert connected.connection.is_serving
    assert "deleted" not in caplog.text, "this switch does not report its rules; that is no reason to complain"
    assert "its standing rules cannot be audited" in caplog.text
    connected.find_real()
    assert len(connected.request()) == 1


def without_room(has_bundles: bool) -> tuple[Connected, list[str]]:
    """A switch that has no room for the configuration in force, and the rules that it had before."""
    connected = Connected(has_bundles)
    seconds_pass(connected, 10)
    before = rules_on(connected.fake)
    connected.fake.rejects = lambda received: TABLE_FULL if adds_another(received) else None
    connected.connection.configure(OTHER_CONFIGURATION)
    connected.transport.answer()
    return connected, before


def require_former_rules(connected: Connected, before: list[str]) -> None:
    """The switch goes on with the rules that it had before, and serves by them."""
    seconds_pass(connected, 100)
    assert connected.connection.is_serving
    assert connected.switch.rejection == "OFPFMFC_TABLE_FULL"
    assert rules_on(connected.fake) == before
    connected.find_real()
    assert len(connected.request()) == 1


@pytest.mark.parametrize("has_bundles", [True, False])
def test_a_switch_without_room_for_another_configuration_goes_on_with_the_rules_that_it_has(
    has_bundles: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """OFPFMFC_TABLE_FULL. The audit finds nothing to complain of meanwhile, and once there is room the rules come."""
    caplog.set_level("INFO")
    connected, before = without_room(has_bundles)
    require_former_rules(connected, before)
    assert caplog.text.count("rejected the standing rules of the configuration in force (OFPFMFC_TABLE_FULL)") == 1
    assert caplog.text.count("standing rules are in place") == 1
    assert "restored" not in caplog.text
    connected.fake.rejects = lambda _: None
    seconds_pass(connected, 61)
    wanted = len(list(standing_rules(OTHER_CONFIGURATION, 1)))
    assert not connected.switch.rejection
    assert connected.switch.standing_rules == wanted
    assert set(before) < set(rules_on(connected.fake))


@pytest.mark.parametrize("has_bundles", [True, False])
def test_rules_that_others_delete_come_back_while_those_of_the_configuration_have_no_room(has_bundles: bool) -> None:
    connected, before = without_room(has_bundles)
    seconds_pass(connected, 10)
    connected.fake.lose(cookie=Purpose.PUNT_REQUEST.cookie)
    assert rules_on(connected.fake) != before
    seconds_pass(connected, 10)
    assert connected.connection.is_serving
    assert rules_on(connected.fake) == before


@pytest.mark.parametrize("has_bundles", [True, False])
def test_a_switch_that_goes_on_with_former_rules_does_so_over_its_next_connection(has_bundles: bool) -> None:
    connected, before = without_room(has_bundles)
    connected.connect_again(OTHER_CONFIGURATION)
    assert connected.connection.is_serving
    assert rules_on(connected.fake) == before
    connected.fake.rejects = lambda _: None
    connected.connection.configure(CONFIGURATION)
    connected.transport.answer()
    assert not connected.switch.rejection


def test_a_balancer_that_starts_again_goes_on_with_the_rules_that_are_there() -> None:
    """They are not known to it: it audits none, and removes none, until the switch accepts its own."""
    connected = Connected(key=KEY)
    before = rules_on(connected.fake)
    connected.fake.rejects = lambda received: TABLE_FULL if adds_another(received) else None
    connected.start_again(OTHER_CONFIGURATION)
    require_former_rules(connected, before)
    connected.fake.rejects = lambda _: None
    seconds_pass(connected, 61)
    assert not connected.switch.rejection
    assert connected.switch.standing_rules == len(list(standing_rules(OTHER_CONFIGURATION, 1, keys=[KEY])))
    assert set(before) < set(rules_on(connected.fake))


def test_a_balancer_that_starts_again_does_not_serve_a_switch_that_may_have_lost_rules() -> None:
    """It has no bundles, and rejects rules after others were deleted."""
    connected = Connected(has_bundles=False, key=KEY)
    connected.fake.rejects = lambda received: TABLE_FULL if adds_another(received) else None
    connected.start_again(OTHER_CONFIGURATION)
    assert not connected.connection.is_serving


def test_a_switch_without_room_for_another_layout_goes_on_with_the_one_that_it_has() -> None:
    connected = Connected()
    before = rules_on(connected.fake)
    learning = replace(CONFIGURATION, datapaths={1: Datapath(1, switching=Switching.LEARN)})
    addition = bytes([Table.DESTINATIONS, wire.OFPFC_ADD])
    connected.fake.rejects = lambda received: (
        TABLE_FULL if received[1] == wire.OFPT_FLOW_MOD and received[24:26] == addition else None
    )
    connected.connection.configure(learning)
    connected.transport.answer()
    seconds_pass(connected, 10)
    assert connected.connection.is_serving
    assert connected.switch.layout.switching is Switching.NORMAL
    assert connected.switch.learning is None
    assert rules_on(connected.fake) == before
    connected.fake.rejects = lambda _: None
    seconds_pass(connected, 61)
    assert connected.switch.layout.is_learning
    assert not connected.switch.rejection


def test_rules_that_are_rejected_while_others_are_on_their_way_leave_it_to_those() -> None:
    """The others were sent as what differs from the rejected ones, so that all are sent once more."""
    connected = Connected()
    seconds_pass(connected, 10)
    third = replace(OTHER_CONFIGURATION, virtual_servers={"OTHER": OTHER_CONFIGURATION.virtual_servers["OTHER"]})
    rejections = [TABLE_FULL]
    connected.fake.rejects = lambda received: rejections.pop() if rejections and adds_another(received) else None
    connected.connection.configure(OTHER_CONFIGURATION)
    connected.connection.configure(third)
    connected.transport.answer()
    assert connected.connection.is_serving
    assert not connected.switch.rejection
    assert connected.switch.standing_rules == len(list(standing_rules(third, 1)))
    assert not [flow for flow in connected.fake.flows if "10.1.1.10" in str(flow.match)]


def test_a_switch_that_rejects_all_rules_is_not_served() -> None:
    """The former ones as well, which it has lost: no bundle was rejected, so they have to be sent again."""
    connected = Connected(has_bundles=False)
    connected.fake.rejects = lambda received: TABLE_FULL if received[1] == wire.OFPT_FLOW_MOD else None
    connected.connection.configure(OTHER_CONFIGURATION)
    connected.transport.answer()
    assert not connected.connection.is_serving
    connected.fake.rejects = lambda _: None
    seconds_pass(connected, 2)
    assert connected.connection.is_serving
    assert connected.switch.standing_rules == len(list(standing_rules(OTHER_CONFIGURATION, 1)))
