"""The learning table of a switch without NORMAL: what is learned, followed, forgotten, and how it is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import pytest
from fake_switch import FakeSwitch, FakeTransport, error

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.capabilities.layout_choice import LayoutChoice
from ryu_haslb.openflow.delivery.transactions import Transactions
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.layout import Layout, flood_to
from ryu_haslb.openflow.flow_tables.pipeline import Action, Purpose, Rule, Table
from ryu_haslb.openflow.learning.learned_rules import MIN_SLICED
from ryu_haslb.openflow.learning.table import (
    DEAF_INTERVAL,
    MAX_ADDRESSES,
    MAX_ADDRESSES_OF_PORT,
    MAX_NEW_ADDRESSES,
    MAX_WAITING,
    Learning,
    Numbers,
)
from ryu_haslb.openflow.sessions.flow_mod_pace import INITIAL_WINDOW
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.description import Description
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, goto_table
from ryu_haslb.openflow.wire.ports import MAX_PORTS

LAYOUT = Layout(Switching.LEARN)
OWN = bytes.fromhex("0251b7000001")
HOST = bytes.fromhex("020000000007")
OTHER_HOST = bytes.fromhex("020000000008")


class Bench:
    def __init__(self, rejects: Optional[tuple[int, int]] = None, **capabilities: Any) -> None:
        self.fake = FakeSwitch(**capabilities)
        if rejects is not None:
            self.fake.rejects = lambda message: rejects if message[1] == wire.OFPT_FLOW_MOD else None
        self.transport = FakeTransport(self.fake)
        self.transport.handler = self._on_message
        self.transactions = Transactions(self.transport)
        self.learning = Learning(1, self.transactions, LAYOUT, lambda mac: mac == OWN, Numbers())
        self.now = 100.0

    def _on_message(self, kind: int, xid: int, message: bytes) -> bool:
        if kind == wire.OFPT_ERROR:
            return self.transactions.on_error(xid, wire.read_error(message))
        return kind == wire.OFPT_BARRIER_REPLY and self.transactions.on_barrier_reply(xid, self.now)

    def show(
        self, mac: bytes, port: int, vlan: Optional[int] = None, answers: bool = True, tagged_as: int = 0x8100
    ) -> None:
        tag = b"" if vlan is None else tagged_as.to_bytes(2, "big") + vlan.to_bytes(2, "big")
        self.learning.on_packet(b"\xff" * 6 + mac + tag + b"\x08\x00" + bytes(46), port, self.now)
        if answers:
            self.transport.answer()

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


@pytest.mark.parametrize("tagged_as", [0x8100, 0x88A8])
@pytest.mark.parametrize("vlan", [0, 15])
def test_a_tag_of_a_provider_or_with_a_priority_only_is_one_for_the_match_of_vlan_vid(
    tagged_as: int, vlan: int
) -> None:
    """OpenFlow 1.3.5, sections 5.1.1 and 7.2.3.7: the rule has to match the frame that it was learned from."""
    bench = Bench()
    bench.show(HOST, 7, vlan, tagged_as=tagged_as)
    assert [match["vlan_vid"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [wire.OFPVID_PRESENT | vlan]


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
        bench.transport.answer()
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [8]
    assert [number for number, _ in bench.rules(Purpose.FORWARD_LEARNED)] == [2], "the second request changes nothing"


def test_when_one_rule_ages_the_other_is_deleted() -> None:
    bench = Bench()
    bench.show(HOST, 7)
    assert bench.learning.on_removed(1 << 32 | Purpose.KNOWN_SOURCE.cookie)
    bench.transport.answer()
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


def test_addresses_are_learned_anew_when_others_have_changed_rules() -> None:
    bench = Bench()
    bench.show(HOST, 7)
    bench.show(b"\2\0\0\0\0\x08", 8)
    bench.learning.learn_anew()
    bench.transport.answer()
    assert not bench.learning and not bench.rules(Purpose.FORWARD_LEARNED) and not bench.rules(Purpose.KNOWN_SOURCE)
    bench.show(HOST, 7)
    assert bench.rules(Purpose.FORWARD_LEARNED) == [(3, {"eth_dst": "02:00:00:00:00:07", "vlan_vid": 0})]


def test_all_addresses_are_forgotten_by_few_messages_which_take_no_other_rule() -> None:
    """docs/switches.md: hardware takes 200 to 1,000 flow-mods a second; 2,048 addresses have twice as many rules."""
    bench = Bench()
    for mac in shown(MAX_NEW_ADDRESSES):
        bench.show(mac, 7)
    for mac in shown(MAX_NEW_ADDRESSES + 1, 1000):  # one too many: the port is not listened to for a while
        bench.show(mac, 8)
    standing = [Rule(Purpose.FLOOD_UNKNOWN), Rule(Purpose.LEARN_SOURCE), Rule(Purpose.DROP_RESERVED)]
    of_others = {table: FlowMod(wire.OFPFC_ADD, table, 0xF0E, priority=7) for table in (3, 4)}
    for message in (
        *rule_messages.restoration(standing, False, 0, LAYOUT),
        *(each.pack(0) for each in of_others.values()),
    ):
        bench.transport.transmit(message)
    bench.transport.sent.clear()
    bench.learning.learn_anew()
    bench.transport.answer()
    assert len(flow_mods(bench)) <= 2 * 4 * MAX_NEW_ADDRESSES // INITIAL_WINDOW + 32
    assert [len(bench.rules(purpose)) for purpose in (Purpose.FORWARD_LEARNED, Purpose.KNOWN_SOURCE)] == [0, 0]
    assert [len(bench.rules(rule.purpose)) for rule in standing] == [1, 1, 1]
    assert len(bench.rules(Purpose.LEARN_NOTHING)) == 1, "what has ended the copies of a port ends by itself"
    assert sorted(flow.table_id for flow in bench.fake.flows_for(0xF0E)) == [3, 4]
    bench.now += DEAF_INTERVAL + 1
    for port in (7, 8):
        for mac in shown(MAX_NEW_ADDRESSES, port * 5000):
            bench.show(mac, port)
    assert len(bench.learning) == 2 * MAX_NEW_ADDRESSES


@pytest.mark.parametrize("times", [1, 2], ids=["once", "again meanwhile"])
def test_no_message_deletes_more_learned_rules_than_a_group_may_have(times: int) -> None:
    """A switch may take as long for it as for so many flow-mods, and requests wait behind it (docs/switches.md)."""
    bench = Bench()
    for port in range(1, 9):
        for mac in shown(MAX_NEW_ADDRESSES, port * 1000):
            bench.show(mac, port)
    tables = bench.fake._datapath.tables[3:5]
    left = [len(table) for table in tables]
    assert left == [8 * MAX_NEW_ADDRESSES] * 2
    for _ in range(times):
        bench.learning.learn_anew()
        bench.transport.deliver(bench.transport._replies.pop(0))
    while bench.transport._replies:
        bench.transport.deliver(bench.transport._replies.pop(0))
        before, left = left, [len(table) for table in tables]
        assert sum(before) - sum(left) <= 2 * INITIAL_WINDOW
    assert not any(left)


def test_what_is_learned_while_all_addresses_are_being_forgotten_stays() -> None:
    """Additions that are under way are overtaken by no deletion, nor do later ones overtake it."""
    bench = Bench()
    bench.show(HOST, 7, answers=False)  # is under way
    bench.show(bytes.fromhex("020000000008"), 8, answers=False)  # waits, and is forgotten
    bench.learning.learn_anew()
    bench.show(bytes.fromhex("020000000009"), 9, answers=False)
    bench.transport.answer()
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [9]
    assert [match["eth_dst"] for _, match in bench.rules(Purpose.FORWARD_LEARNED)] == ["02:00:00:00:00:09"]
    assert bench.learning.on_removed(1 << 32 | Purpose.FORWARD_LEARNED.cookie), "reported late"
    assert len(bench.learning) == 1


def test_a_full_table_ends_the_copies_of_the_port_and_nothing_is_believed_to_be_learned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    full = (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_TABLE_FULL)
    bench = Bench(full)
    bench.show(HOST, 7)
    assert len(bench.learning) == 0
    assert "7: it rejects rules: OFPFMFC_TABLE_FULL" in caplog.text


def shown(count: int, first: int = 0) -> Iterator[bytes]:
    yield from ((0x060000000000 + number).to_bytes(6, "big") for number in range(first, first + count))


def flow_mods(bench: Bench) -> list[int]:
    """The commands of the flow-mods that were sent, by themselves or in bundles."""
    sent = [each if each[1] == wire.OFPT_FLOW_MOD else each[24:] for each in bench.transport.sent]
    return [each[25] for each in sent if each[1:2] == bytes([wire.OFPT_FLOW_MOD])]


def test_a_switch_that_does_not_answer_is_sent_no_more_than_a_first_window() -> None:
    """docs/switches.md: flow-mods are paced by barriers to what the switch takes, and never queued without bound."""
    bench = Bench()
    for port in range(1, 11):
        for mac in shown(MAX_NEW_ADDRESSES, port * 1000):
            bench.show(mac, port, answers=False)
    assert len(flow_mods(bench)) <= INITIAL_WINDOW
    assert MAX_WAITING <= bench.learning.waiting <= MAX_WAITING + 1
    bench.transport.answer()
    assert not bench.learning.waiting
    assert len(bench.rules(Purpose.FORWARD_LEARNED)) == len(bench.learning)


def test_deletions_go_before_additions() -> None:
    bench = Bench()
    hosts = MIN_SLICED - 1
    for mac in shown(hosts):
        bench.show(mac, 7)
    bench.transport.sent.clear()
    bench.show(HOST, 8, answers=False)  # is sent at once
    for mac in shown(10, 100):
        bench.show(mac, 9, answers=False)  # waits
    bench.learning.on_port_down(7)
    bench.transport.answer()
    commands = flow_mods(bench)[2:]
    assert commands == sorted(commands, key=lambda command: command != wire.OFPFC_DELETE_STRICT)
    assert len(commands) == 2 * hosts + 2 * 10


def test_many_addresses_of_a_port_that_goes_down_are_forgotten_by_few_messages() -> None:
    """docs/switches.md: hardware takes 200 to 1,000 flow-mods a second."""
    bench = Bench()
    for mac in shown(MAX_NEW_ADDRESSES):
        bench.show(mac, 7)
    bench.show(HOST, 8)
    moved, *_ = shown(1)
    bench.transport.sent.clear()
    bench.learning.on_port_down(7)
    bench.show(moved, 9)
    assert len(flow_mods(bench)) <= 2 * 2 * 2 * MAX_NEW_ADDRESSES // INITIAL_WINDOW + 2
    assert [match["eth_dst"] for _, match in bench.rules(Purpose.FORWARD_LEARNED)] == [HOST.hex(":"), moved.hex(":")]
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [8, 9]
    assert len(bench.learning) == 2


def test_what_is_learned_at_a_port_that_is_up_again_stays() -> None:
    """Its rules are on the way, or wait, while those of before are deleted."""
    bench = Bench()
    for mac in shown(100):
        bench.show(mac, 7)
    bench.show(HOST, 8, answers=False)
    bench.learning.on_port_down(7)
    for mac in shown(3, 1000):
        bench.show(mac, 7, answers=False)
    bench.transport.answer()
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [8, 7, 7, 7]
    assert len(bench.rules(Purpose.FORWARD_LEARNED)) == len(bench.learning) == 4


@pytest.mark.parametrize("length", [0, 64], ids=["without data", "with data"])
def test_an_address_whose_rules_are_rejected_behind_the_barrier_is_not_learned(length: int) -> None:
    bench = Bench(bundles=False)
    bench.show(HOST, 7, answers=False)
    bench.show(OTHER_HOST, 8, answers=False)
    bench.transport.answer()
    assert len(bench.learning) == 2
    sent = next(each for each in bench.transport.sent if HOST in each and each[1] == wire.OFPT_FLOW_MOD)
    rejection = error(sent, (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_TABLE_FULL))
    assert bench.transport.deliver(rejection[: 12 + length])
    bench.transport.answer()
    assert len(bench.learning) == 1
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [8]
    assert [match["in_port"] for _, match in bench.rules(Purpose.LEARN_NOTHING)] == [7]


def test_a_host_that_moves_leaves_no_rule_behind_when_its_new_rules_are_rejected() -> None:
    """A bundle is all or nothing: deletions that are in one with the rejected additions would be lost."""
    bench = Bench()
    bench.show(HOST, 3)
    full = (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_TABLE_FULL)
    bench.fake.rejects = lambda message: full if is_addition(message) else None
    bench.show(HOST, 4)
    assert bench.rules(Purpose.FORWARD_LEARNED) == []
    assert bench.rules(Purpose.KNOWN_SOURCE) == []


def rejects_address(bench: Bench, mac: bytes, *commands: int) -> None:
    """Have the switch reject these flow-mods about an address, and each bundle with one."""
    bad = (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_TABLE_FULL)
    bench.fake.rejects = lambda message: (
        bad if message[1] == wire.OFPT_FLOW_MOD and message[25] in commands and mac in message else None
    )


@pytest.mark.parametrize("bundles", [True, False])
def test_a_rejected_address_leaves_the_others_of_its_group_learned(bundles: bool) -> None:
    """A bundle is all or nothing: nine addresses fit where ten are sent as one."""
    bench = Bench(bundles=bundles)
    rejects_address(bench, HOST, wire.OFPFC_ADD)
    bench.show(OTHER_HOST, 3, answers=False)  # is sent at once; what follows is one group
    for number, mac in enumerate([*shown(5), HOST, *shown(4, 100)]):
        bench.show(mac, 4 + number, answers=False)
    bench.transport.answer()
    assert len(bench.learning) == 10
    assert [match["eth_dst"] for _, match in bench.rules(Purpose.FORWARD_LEARNED)].count(HOST.hex(":")) == 0
    assert len(bench.rules(Purpose.FORWARD_LEARNED)) == len(bench.rules(Purpose.KNOWN_SOURCE)) == 10
    assert [match["in_port"] for _, match in bench.rules(Purpose.LEARN_NOTHING)] == [9]
    assert bench.learning.is_settled


def test_a_rejected_deletion_leaves_the_others_of_its_group_deleted() -> None:
    bench = Bench()
    for mac in (HOST, *shown(9)):
        bench.show(mac, 7)
    rejects_address(bench, HOST, wire.OFPFC_DELETE_STRICT)
    bench.learning.on_port_down(7)
    bench.transport.answer()
    assert [match["eth_dst"] for _, match in bench.rules(Purpose.FORWARD_LEARNED)] == [HOST.hex(":")]
    assert bench.learning.is_settled


def test_an_address_that_is_forgotten_while_its_group_is_rejected_is_not_sent_again() -> None:
    bench = Bench()
    rejects_address(bench, HOST, wire.OFPFC_ADD)
    bench.show(OTHER_HOST, 3, answers=False)
    for number, mac in enumerate([*shown(4), HOST]):
        bench.show(mac, 4 + number, answers=False)
    while len(flow_mods(bench)) == 2:  # those of the other host
        bench.transport.answer_next()
    bench.learning.on_port_down(5)
    bench.transport.answer()
    assert 5 not in [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)]


def is_addition(message: bytes) -> bool:
    return message[1] == wire.OFPT_FLOW_MOD and message[25] == wire.OFPFC_ADD


def test_an_address_that_moves_on_before_its_rules_are_sent_has_only_the_last_ones() -> None:
    bench = Bench()
    bench.show(HOST, 7, answers=False)
    for port in (8, 9, 10, 8):
        bench.show(bytes.fromhex("020000000008"), port, answers=False)
    bench.transport.answer()
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [7, 8]
    assert len(bench.rules(Purpose.FORWARD_LEARNED)) == 2


def test_a_learning_table_that_has_ended_sends_nothing_more() -> None:
    bench = Bench()
    bench.show(HOST, 7, answers=False)
    bench.show(bytes.fromhex("020000000008"), 8, answers=False)
    bench.learning.end()
    bench.transport.sent.clear()
    bench.transport.answer()
    assert not flow_mods(bench)


def test_a_switch_that_keeps_the_cookie_of_a_replaced_rule_forgets_a_host_that_has_moved() -> None:
    """Lagopus does, against OpenFlow 1.3.5, section 6.4: the end of a rule must name the rule that is there."""
    bench = Bench(keeps_replaced=True)
    for port in (7, 8):
        bench.show(HOST, port)
    assert [number for number, _ in bench.rules(Purpose.FORWARD_LEARNED)] == [2]
    assert bench.learning.on_removed(2 << 32 | Purpose.FORWARD_LEARNED.cookie)
    bench.transport.answer()
    assert not bench.rules(Purpose.KNOWN_SOURCE)


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


def test_a_rejected_match_of_metadata_leads_to_a_layout_without() -> None:
    choice = LayoutChoice(64, None)
    rejected = wire.Error(wire.OFPET_BAD_MATCH, 6, b"")
    assert not choice.on_rejected(rejected), "the other rules do not match it"
    assert choice.rejects_metadata(rejected)
    assert choice.layout(()) == Layout(tables=64, has_metadata=False)


def test_a_packet_is_flooded_to_ports_and_not_to_reserved_ones() -> None:
    assert flood_to([3, 1, 0xFFFFFFFE]) == wire.output(1) + wire.output(3)


def test_a_switch_without_flood_and_with_gaps_in_its_port_numbers_is_flooded_port_by_port() -> None:
    choice = LayoutChoice(64, Switching.LEARN)
    assert choice.on_rejected(REJECTED_PORT)
    flood = b"".join(map(wire.output, (7, 4000, 65279, 0xFFFFFEFF)))
    assert choice.layout([4000, 0xFFFFFEFF, 7, wire.OFPP_LOCAL, 65279]).flood == flood


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
