"""A switch may report any number of rules with our cookie, of any length: what is kept of them is bounded."""

from __future__ import annotations

from ryu_haslb.openflow.audit.extraneous import MAX_RULES, MAX_SUSPECTED, Extraneous
from ryu_haslb.openflow.pipeline import SESSION_PRIORITY, Table
from ryu_haslb.openflow.wire_multipart import FlowStats
from ryu_haslb.slb.session import COOKIE_MARK


def row(match: bytes) -> FlowStats:
    return FlowStats(Table.SESSIONS, SESSION_PRIORITY, COOKIE_MARK, match, b"")


def rows(begin: int, count: int = MAX_RULES) -> list[FlowStats]:
    return [row(number.to_bytes(8, "big")) for number in range(begin, begin + count)]


def test_a_rule_is_removed_when_a_second_look_finds_it_too() -> None:
    removed: list[FlowStats] = []
    extraneous = Extraneous(removed.extend)
    assert extraneous.look(rows(0, 3))
    assert not extraneous.look(rows(1, 1))
    assert removed == rows(1, 1)


def test_no_more_rules_are_remembered_than_the_bound_over_all_slices() -> None:
    removed: list[FlowStats] = []
    extraneous = Extraneous(removed.extend)
    looks = [extraneous.look(rows(begin)) for begin in range(0, 2 * MAX_SUSPECTED, MAX_RULES)]
    assert looks == [True] * (MAX_SUSPECTED // MAX_RULES) + [False] * (MAX_SUSPECTED // MAX_RULES)
    for begin in range(0, 2 * MAX_SUSPECTED, MAX_RULES):
        extraneous.look(rows(begin))
    assert MAX_SUSPECTED <= len(removed) < 2 * MAX_SUSPECTED
