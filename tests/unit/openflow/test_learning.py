"""The learning table of a switch without NORMAL: what is learned, followed, forgotten, and how it is bounded."""

from __future__ import annotations

from typing import Optional

import pytest
from fake_switch import FakeSwitch, FakeTransport, error

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow import wire
from ryu_haslb.openflow.layout import Layout, flood_to
from ryu_haslb.openflow.layout_choice import LayoutChoice
from ryu_haslb.openflow.learning import (
    DEAF_INTERVAL,
    MAX_ADDRESSES,
    MAX_ADDRESSES_OF_PORT,
    MAX_NEW_ADDRESSES,
    Learning,
    Numbers,
)
from ryu_haslb.openflow.pipeline import Action, Purpose, Rule, Table
from ryu_haslb.openflow.wire_description import Description
from ryu_haslb.openflow.wire_flow_mod import apply_actions, goto_table
from ryu_haslb.openflow.wire_ports import MAX_PORTS

LAYOUT = Layout(Switching.LEARN)
OWN = bytes.fromhex("0251b7000001")
HOST = bytes.fromhex("020000000007")


class Bench:
    def __init__(self, rejects: Optional[tuple[int, int]] = None) -> None:
        self.fake = FakeSwitch()
        if rejects is not None:
            self.fake.rejects = lambda message: rejects if message[1] == wire.OFPT_FLOW_MOD else None
        self.transport = FakeTransport(self.fake)
        self.learning = Learning(1, self.transport, LAYOUT, lambda mac: mac == OWN, Numbers())
        self.now = 100.0

    def show(self, mac: bytes, port: int, vlan: Optional[int] = None) -> None:
        tag = b"" if vlan is None else b"\x81\x00" + vlan.to_bytes(2, "big")
        self.learning.on_packet(b"\xff" * 6 + mac + tag + b"\x08\x00" + bytes(46), port, self.now)

    def rules(self, purpose: Purpose) -> list[tuple[int, dict[str, object]]]:
        """The number and the match of each rule with a purpose."""
        return [
            (flow.cookie >> 32, dict(flow.match.items()))
            for flow in self.fake.flows
            if flow.cookie & 0xFFFFFFFF == purpose.cookie
        ]


def test_an_address_is_learned_by_a_rule_for_each_direction() -> None:
    bench = Bench()
    bench.show(HOST, 7, vlan=15)
    assert bench.rules(Purpose.FORWARD_LEARNED) == [(1, {"eth_dst": "02:00:00:00:00:07", "vlan_vid": 0x100F})]
    source = {"in_port": 7, "eth_src": "02:00:00:00:00:07", "vlan_vid": 0x100F}
    assert bench.rules(Purpose.KNOWN_SOURCE) == [(1, source)]
    bench.show(HOST, 7)
    assert len(bench.learning) == 2, "each VLAN by itself"


def test_a_move_replaces_both_rules_and_a_late_report_of_the_old_ones_changes_nothing() -> None:
    bench = Bench()
    bench.show(HOST, 7)
    bench.show(HOST, 8)
    assert [number for number, _ in bench.rules(Purpose.FORWARD_LEARNED)] == [2]
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [8]
    assert bench.learning.on_removed(1 << 32 | Purpose.KNOWN_SOURCE.cookie)
    assert len(bench.learning) == 1


def test_the_sender_of_a_request_is_learned_once_and_followed() -> None:
    bench = Bench()
    for port in (7, 7, 8):
        bench.now += 10.0
        bench.learning.on_punted(b"\xff" * 6 + HOST + b"\x08\x00" + bytes(46), port, bench.now)
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [8]
    assert [number for number, _ in bench.rules(Purpose.FORWARD_LEARNED)] == [2], "the second request changes nothing"


def test_when_one_rule_ages_the_other_is_deleted() -> None:
    bench = Bench()
    bench.show(HOST, 7)
    assert bench.learning.on_removed(1 << 32 | Purpose.KNOWN_SOURCE.cookie)
    assert not bench.rules(Purpose.FORWARD_LEARNED)
    assert len(bench.learning) == 0
    assert not bench.learning.on_removed(Purpose.PUNT_REQUEST.cookie)


def test_addresses_of_a_port_that_goes_down_are_forgotten() -> None:
    bench = Bench()
    bench.show(HOST, 7)
    bench.show(bytes.fromhex("020000000008"), 8)
    bench.learning.on_port_down(7)
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [8]


@pytest.mark.parametrize("mac", [OWN, bytes(6), b"\xff" * 6, b"\x01" + bytes(5)])
def test_the_balancers_own_address_and_those_of_no_host_are_not_learned(mac: bytes) -> None:
    bench = Bench()
    bench.show(mac, 7)
    assert len(bench.learning) == 0


@pytest.mark.parametrize("frame", [b"", bytes(13), b"\xff" * 6 + HOST + b"\x81\x00\x00"])
def test_a_frame_that_is_cut_short_is_ignored(frame: bytes) -> None:
    bench = Bench()
    bench.learning.on_packet(frame, 7, 0.0)
    assert len(bench.learning) == 0


def test_made_up_addresses_end_the_copies_of_their_port_alone() -> None:
    bench = Bench()
    for number in range(100_000):
        bench.show((0x060000000000 + number).to_bytes(6, "big"), 9)
    assert len(bench.learning) == MAX_NEW_ADDRESSES
    (_, match), *others = bench.rules(Purpose.LEARN_NOTHING)
    assert (match, others) == ({"in_port": 9}, [])
    bench.show(HOST, 7)
    assert len(bench.learning) == MAX_NEW_ADDRESSES + 1


def test_no_port_and_no_switch_has_more_than_its_share() -> None:
    bench = Bench()
    for number in range(4 * MAX_ADDRESSES):
        if number % MAX_NEW_ADDRESSES == 0:
            bench.now += DEAF_INTERVAL + 1
        bench.show((0x060000000000 + number).to_bytes(6, "big"), 9 if number < 2 * MAX_ADDRESSES else 8)
        if number == 2 * MAX_ADDRESSES - 1:
            assert len(bench.learning) == MAX_ADDRESSES_OF_PORT
    assert len(bench.learning) == MAX_ADDRESSES


def test_a_switch_that_reports_any_number_of_ports_fills_no_memory() -> None:
    bench = Bench()
    for port in range(1, MAX_PORTS + 100):
        bench.show(OWN, port)
    assert len(bench.learning._ports) == MAX_PORTS
    bench.show(HOST, 7)
    assert len(bench.learning) == 1


def test_a_full_table_ends_the_copies_of_the_port_and_nothing_is_believed_to_be_learned() -> None:
    full = (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_TABLE_FULL)
    bench = Bench(full)
    bench.show(HOST, 7)
    rejected = bench.transport.sent_of(wire.OFPT_FLOW_MOD)[0]
    assert bench.learning.on_error(wire.read_error(error(rejected, full)), bench.now)
    assert len(bench.learning) == 0


REJECTED_PORT = wire.Error(wire.OFPET_BAD_ACTION, wire.OFPBAC_BAD_OUT_PORT, b"")
REJECTED_TABLE = wire.Error(wire.OFPET_BAD_INSTRUCTION, wire.OFPBIC_BAD_TABLE_ID, b"")


@pytest.mark.parametrize(
    ("description", "switching"),
    [
        (Description("Stanford University, Ericsson Research and CPqD Research"), Switching.LEARN),
        (Description("Lagopus project"), Switching.LEARN),
        (Description("Nicira, Inc.", "Open vSwitch", "3.1.0"), Switching.NORMAL),
        (Description(), Switching.NORMAL),
    ],
)
def test_switches_that_are_known_to_ignore_normal_get_the_learning_table(
    description: Description, switching: Switching
) -> None:
    choice = LayoutChoice(64, None)
    choice.on_description(description)
    assert choice.layout(()).switching is switching
    choice.configured = Switching.NORMAL
    assert choice.layout(()).switching is Switching.NORMAL, "the configuration decides"


def test_what_a_switch_rejects_leads_to_the_next_layout_until_none_is_left() -> None:
    choice = LayoutChoice(64, None)
    found = []
    while choice.on_rejected(REJECTED_PORT):
        found.append(choice.layout((1, 2, wire.OFPP_CONTROLLER)))
    flooding = wire.output(1) + wire.output(2)
    assert found == [Layout(Switching.LEARN, 64), Layout(Switching.LEARN, 64, flooding)]
    assert choice.on_rejected(REJECTED_TABLE)
    assert not choice.layout(()).is_learning
    assert choice.on_rejected(REJECTED_TABLE)
    assert not choice.layout(()).has_sessions
    assert not choice.on_rejected(REJECTED_TABLE)


def test_a_packet_is_flooded_to_ports_and_not_to_reserved_ones() -> None:
    assert flood_to([3, 1, 0xFFFFFFFE]) == wire.output(1) + wire.output(3)


@pytest.mark.parametrize(
    ("layout", "action", "instructions"),
    [
        (LAYOUT, Action.PASS, goto_table(3)),
        (LAYOUT, Action.PUNT_AND_PASS, apply_actions(wire.output(wire.OFPP_CONTROLLER)) + goto_table(3)),
        (LAYOUT, Action.PASS_AND_GOTO_REPLIES, apply_actions(wire.output(wire.OFPP_CONTROLLER)) + goto_table(3)),
        (Layout(Switching.LEARN, 2), Action.PASS, apply_actions(wire.output(wire.OFPP_FLOOD))),
        (LAYOUT, Action.FLOOD_AND_GOTO_SOURCES, apply_actions(wire.output(wire.OFPP_FLOOD)) + goto_table(4)),
        (LAYOUT, Action.DROP, apply_actions(b"")),
    ],
)
def test_what_is_switched_as_usual_goes_through_the_learning_table(
    layout: Layout, action: Action, instructions: bytes
) -> None:
    assert layout.instructions(action) == instructions


def test_with_none_no_rule_matches_what_others_forward() -> None:
    layout = Layout(Switching.NONE)
    passing = [Rule(purpose) for purpose in Purpose]
    left = {rule.purpose for rule in layout.fit(passing)}
    assert not left & {Purpose.PASS_OTHER, Purpose.PASS_DISPATCHED, Purpose.PUNT_ARP_FROM_REAL}
    assert {Purpose.PUNT_REQUEST, Purpose.PUNT_ARP_ANSWER} <= left
    assert all(rule.table < Table.DESTINATIONS for rule in map(Rule, left & {Purpose.PUNT_REQUEST}))
