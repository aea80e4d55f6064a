"""The session rules of a switch are read in slices, however many there are and however the switch answers."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from farm_builder import Bench
from recovery_bench import TABLE_XID, TO_A, TO_B, XID, Restarted, reply, tag

from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.recovery.recovery import PACE, Recovery, Status
from ryu_haslb.openflow.recovery.rule_reading import COUNT_TIMEOUT, REPLY_TIMEOUT
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.multipart import flow_stats_request, table_stats_request
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK


def test_the_number_of_rules_is_asked_for_first_and_few_rules_at_once() -> None:
    recovery = Recovery(1, Bench(1, 1).balancer, lambda *_: None, lambda *_: None)
    assert recovery.request(TABLE_XID, 0.0) == table_stats_request(TABLE_XID)
    assert Restarted().request == flow_stats_request(XID, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)


def test_many_rules_are_read_in_slices_of_their_tags() -> None:
    restarted = Restarted(0, 1, rules=3 * PACE.slice_rules)
    request = restarted.request
    for slices_read in range(4):
        cookie, mask = COOKIE_MARK | slices_read << COOKIE_MARK_BITS, COOKIE_MARK_MASK | 3 << COOKIE_MARK_BITS
        assert request == flow_stats_request(XID, Table.SESSIONS, cookie, mask)
        tags = [1 << 41 | number << 2 | slices_read for number in range(5)]
        assert {restarted.recovery.status(tag) for tag in tags} == {Status.UNREAD}
        restarted.read(*((tag, TO_A) for tag in tags))
        assert {restarted.recovery.status(tag) for tag in tags} == {Status.READ}
        is_last = slices_read == 3
        assert restarted.recovery.is_complete == is_last
        assert restarted.recovery.reading.advance(False, restarted.bench.now + PACE.max_pause) == (not is_last)
        request = b"" if is_last else restarted.recovery.request(XID, restarted.bench.now)
    assert restarted.sessions() == 20


def test_a_million_rules_are_taken_over_however_long_the_switch_takes_for_all_of_them() -> None:
    """Only a slice has a limit, and the time counts from its last part. Each of 64 takes nearly ten seconds here."""
    restarted = Restarted(0, 1, rules=1_000_000)
    bench, reading, request = restarted.bench, restarted.recovery.reading, restarted.request
    bench.now = 0.0
    mobiles = {tag(mobile): mobile for mobile in (f"user{number}@example.org" for number in range(2000))}
    for number in range(64):
        cookie, mask = COOKIE_MARK | number << COOKIE_MARK_BITS, COOKIE_MARK_MASK | 63 << COOKIE_MARK_BITS
        assert request == flow_stats_request(XID, Table.SESSIONS, cookie, mask)
        bench.now += REPLY_TIMEOUT - 0.1
        assert not reading.advance(False, bench.now)
        in_slice = [each for each in mobiles if each % 64 == number]
        restarted.read(*((each, TO_B) for each in in_slice))
        assert set(bench.letters(*(mobiles[each] for each in in_slice))) == {"B"}
        bench.now += PACE.max_pause
        if reading.advance(False, bench.now):
            request = restarted.recovery.request(XID, bench.now)
    assert restarted.recovery.is_over
    assert (restarted.recovery.recovered, restarted.lost) == (len(mobiles), [])
    assert bench.balancer.statistics.assignments == 0


def test_between_two_slices_there_is_a_pause_half_as_long_as_the_last_one_took() -> None:
    """A switch does nothing else while it collects the rules of a slice."""
    restarted = Restarted(0, 1, rules=3 * PACE.slice_rules)
    assert restarted.recovery.reading.is_waiting
    restarted.read((1 << 41, TO_A), now=0.4)
    assert not restarted.recovery.reading.is_waiting
    assert not restarted.recovery.reading.advance(False, 0.59)
    assert restarted.recovery.reading.advance(False, 0.61)


def test_reading_goes_on_where_the_connection_was_lost() -> None:
    restarted = Restarted(0, 1, rules=3 * PACE.slice_rules)
    restarted.read((1 << 41, TO_A))
    restarted.recovery.reading.disconnect()
    assert not restarted.recovery.reading.advance(False, REPLY_TIMEOUT + 1)
    assert not restarted.recovery.is_complete
    cookie, mask = COOKIE_MARK | 1 << COOKIE_MARK_BITS, COOKIE_MARK_MASK | 3 << COOKIE_MARK_BITS
    assert restarted.recovery.request(9, 100.0) == flow_stats_request(9, Table.SESSIONS, cookie, mask)


def test_a_switch_without_table_statistics_is_read_at_once() -> None:
    recovery = Recovery(1, Bench(1, 1).balancer, lambda *_: None, lambda *_: None)
    recovery.request(TABLE_XID, 0.0)
    assert recovery.reading.on_error(TABLE_XID, wire.Error(1, 2, b""), 0.0)
    assert recovery.request(XID, 0.0) == flow_stats_request(XID, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)


def test_a_switch_that_does_not_say_how_many_rules_it_has_is_read_at_once() -> None:
    recovery = Recovery(1, Bench(1, 1).balancer, lambda *_: None, lambda *_: None)
    recovery.request(TABLE_XID, 0.0)
    assert not recovery.reading.advance(False, COUNT_TIMEOUT - 0.1)
    assert recovery.reading.advance(False, COUNT_TIMEOUT)
    assert recovery.request(XID, 0.0) == flow_stats_request(XID, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)


def test_a_switch_that_replies_to_no_barrier_either_is_waited_for() -> None:
    """It carries out one request after the other; the connection is closed if that takes too long."""
    restarted = Restarted(0, 1)
    assert not restarted.recovery.reading.advance(True, REPLY_TIMEOUT + 1)
    assert not restarted.recovery.reading.advance(False, REPLY_TIMEOUT + 2)
    assert not restarted.recovery.is_complete
    restarted.recovery.reading.advance(False, 2 * REPLY_TIMEOUT + 1)
    assert restarted.recovery.is_complete


def test_a_switch_that_rejects_flow_statistics_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    restarted = Restarted()
    assert restarted.recovery.reading.on_error(XID + 1, wire.Error(1, 2, b""), 0.0) is None
    assert restarted.recovery.reading.on_error(XID, wire.Error(1, 2, b""), 0.0) is False
    assert restarted.recovery.is_complete
    assert "rejected the request for its session rules (OFPBRC_BAD_MULTIPART)" in caplog.text


@pytest.mark.parametrize("parts", [0, 3])
def test_reading_ends_when_no_part_has_come_for_long_and_what_was_read_is_kept(
    parts: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The time counts from the last part."""
    restarted = Restarted(0, 1)
    for number in range(parts):
        now = (number + 1) * (REPLY_TIMEOUT - 1)
        restarted.read((1 << 41 | number, TO_B), now=now, more=True)
        restarted.recovery.reading.advance(False, now + 0.5)
    last = parts * (REPLY_TIMEOUT - 1)
    assert not restarted.recovery.reading.advance(False, last + REPLY_TIMEOUT - 0.1)
    assert not restarted.recovery.is_complete
    assert not restarted.recovery.reading.advance(False, last + REPLY_TIMEOUT)
    assert restarted.recovery.is_complete
    assert "sent no part of its session rules for 10 s; sessions of the previous run that were not read" in caplog.text
    assert (restarted.sessions(), restarted.lost) == (parts, [])
    assert restarted.recovery.reading.on_reply(XID, reply((tag("anna@example.org"), TO_B)), last + 11) is None


def test_the_reply_to_another_request_is_left_alone() -> None:
    restarted = Restarted(0, 1)
    another = reply((tag("anna@example.org"), TO_B), xid=XID + 1)
    assert restarted.recovery.reading.on_reply(XID + 1, another, 0.0) is None
    assert not restarted.recovery.is_complete


def _hits(tags: Iterable[int], slices: int) -> list[int]:
    counts = [0] * slices
    for each in tags:
        counts[each & slices - 1] += 1
    return counts


def test_the_low_bits_of_tags_divide_them_evenly() -> None:
    counts = _hits((tag(f"user{number}@example.org") for number in range(6400)), 64)
    assert 60 < min(counts) <= max(counts) < 150
