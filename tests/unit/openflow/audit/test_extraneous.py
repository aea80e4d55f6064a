"""A switch may report any number of rules with our cookie, of any length: what is kept of them is bounded."""

from __future__ import annotations

import pytest

from ryu_haslb.openflow.audit import extraneous as module
from ryu_haslb.openflow.audit.extraneous import MAX_RULES, MAX_SUSPECTED, Extraneous, extraneous
from ryu_haslb.openflow.flow_tables.pipeline import PIPELINE, SESSION_PRIORITY, Purpose, Table
from ryu_haslb.openflow.flow_tables.rule_messages import SentRule
from ryu_haslb.openflow.wire.multipart import FlowStats
from ryu_haslb.slb.session_tag import COOKIE_MARK


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


class CountedMatch(bytes):
    """A match that counts how often it is compared with another one."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedMatch.compared += 1
        return super().__eq__(other)

    __hash__ = bytes.__hash__


def test_the_work_grows_with_the_number_of_rules_and_not_with_its_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each real server has a standing rule: with 5,000 the audit took four seconds, every three seconds."""
    monkeypatch.setattr(module, "canonical_match", CountedMatch)
    purpose, count = Purpose.PUNT_ARP_FROM_REAL, 300
    entry = PIPELINE[purpose]
    matches = [number.to_bytes(8, "big") for number in range(count)]
    sent = [SentRule(entry.table, entry.priority, purpose.cookie, b"", match) for match in matches]
    added = FlowStats(entry.table, entry.priority, purpose.cookie, b"added", b"")
    reported = [FlowStats(entry.table, entry.priority, purpose.cookie, match, b"") for match in matches]
    assert extraneous([*reported, added], sent, are_settled=True) == [added]
    assert CountedMatch.compared <= 3 * count
