"""The learning table of a switch without NORMAL: what is learned, followed, forgotten, and how it is bounded."""

from __future__ import annotations

import pytest
from learning_bench import HOST, OWN, Bench, flow_mods, shown
from wired_switch import Wired

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.capabilities.known_makes import REPORTABLE_ADDRESSES
from ryu_haslb.openflow.capabilities.self_description import Reported
from ryu_haslb.openflow.flow_tables import rule_messages
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Rule
from ryu_haslb.openflow.learning.table import (
    DEAF_INTERVAL,
    MAX_ADDRESSES,
    MAX_NEW_ADDRESSES,
)
from ryu_haslb.openflow.sessions.flow_mod_pace import INITIAL_WINDOW
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.description import Description
from ryu_haslb.openflow.wire.flow_mod import FlowMod
from ryu_haslb.openflow.wire.ports import MAX_PORTS

LAYOUT = Layout(Switching.LEARN)


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


def test_a_port_has_half_of_the_addresses_of_a_switch_that_can_report_few() -> None:
    bench = Bench()
    bench.learning.max_addresses = 8
    for mac in shown(10):
        bench.show(mac, 9)
    assert len(bench.learning) == 4


def test_no_port_and_no_switch_has_more_than_its_share() -> None:
    bench = Bench()
    for number in range(4 * MAX_ADDRESSES):
        if number % MAX_NEW_ADDRESSES == 0:
            bench.now += DEAF_INTERVAL + 1
        bench.show((0x060000000000 + number).to_bytes(6, "big"), 9 if number < 2 * MAX_ADDRESSES else 8)
        if number == 2 * MAX_ADDRESSES - 1:
            assert len(bench.learning) == MAX_ADDRESSES // 2
    assert len(bench.learning) == MAX_ADDRESSES


def test_a_switch_learns_no_more_addresses_than_it_can_report() -> None:
    """The relay of CPqD's switch reads no longer reply; one row has 112 bytes at most."""
    wired = Wired()
    wired.switch.set_layout(LAYOUT)
    assert wired.switch.learning is not None
    assert wired.switch.learning.max_addresses == MAX_ADDRESSES
    wired.switch.on_reported(Reported(Description("CPqD")))
    assert wired.switch.learning.max_addresses == REPORTABLE_ADDRESSES
    assert REPORTABLE_ADDRESSES * 112 < 0xFFFF


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
