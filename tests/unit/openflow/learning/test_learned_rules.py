"""The flow-mods of the learning table: how many at once, in which order, and what becomes of rejected ones."""

from __future__ import annotations

import pytest
from fake_switch import error
from learning_bench import HOST, OTHER_HOST, Bench, flow_mods, shown

from ryu_haslb.openflow.flow_tables.pipeline import Purpose
from ryu_haslb.openflow.learning.learned_rules import MIN_SLICED
from ryu_haslb.openflow.learning.table import (
    DEAF_INTERVAL,
    MAX_NEW_ADDRESSES,
    MAX_WAITING,
)
from ryu_haslb.openflow.sessions.flow_mod_pace import INITIAL_WINDOW
from ryu_haslb.openflow.wire import wire


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


@pytest.mark.parametrize("lacks", ["accepts_timeouts", "accepts_flags"])
def test_a_switch_without_time_outs_deletes_what_was_learned(lacks: str) -> None:
    """docs/switches.md: learned addresses stay until their port goes down."""
    bench = Bench(None, **{lacks: False})
    bench.show(HOST, 7)
    bench.show(HOST, 8)
    assert [match["in_port"] for _, match in bench.rules(Purpose.KNOWN_SOURCE)] == [8]
    bench.learning.on_port_down(8)
    bench.transport.answer()
    assert bench.rules(Purpose.FORWARD_LEARNED) == bench.rules(Purpose.KNOWN_SOURCE) == []


def test_an_address_whose_rules_are_rejected_late_for_their_time_out_is_learned_without() -> None:
    bench = Bench(bundles=False)
    bench.show(HOST, 7)
    sent = next(each for each in bench.transport.sent if HOST in each and is_addition(each))
    bench.transport.deliver(error(sent, (wire.OFPET_FLOW_MOD_FAILED, wire.OFPFMFC_BAD_TIMEOUT)))
    bench.transport.answer()
    assert bench.rules(Purpose.FORWARD_LEARNED) == []
    bench.now += DEAF_INTERVAL
    bench.transport.sent.clear()
    bench.show(HOST, 7)
    assert {each[26:28] for each in bench.transport.sent if HOST in each and is_addition(each)} == {bytes(2)}
    assert len(bench.rules(Purpose.FORWARD_LEARNED)) == 1


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
