"""After a restart, sessions are recovered from the rules that a switch still holds: it is the session store."""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Iterable
from typing import Optional

import pytest
from farm_builder import VIRTUAL, Bench
from hypothesis import given
from hypothesis import strategies as st
from statistics_replies import FlowRow, flow_stats_reply, table_stats_reply

from ryu_haslb.openflow.flow_tables.pipeline import Table, chassis_address, session_match, session_rewrites
from ryu_haslb.openflow.flow_tables.rule_messages import delivery_actions
from ryu_haslb.openflow.recovery.follower_states import Followed
from ryu_haslb.openflow.recovery.recovery import PACE, Recovery, Status
from ryu_haslb.openflow.recovery.rule_reading import COUNT_TIMEOUT, REPLY_TIMEOUT
from ryu_haslb.openflow.recovery.session_view import Budget, SessionView
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import apply_actions, match
from ryu_haslb.openflow.wire.multipart import flow_stats, flow_stats_request, table_stats_request
from ryu_haslb.slb import recovery_room
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK, Session, tag_of

MACS = (bytes.fromhex("020000000051"), bytes.fromhex("020000000052"))
TO_A, TO_B = (
    delivery_actions(session_rewrites(chassis_address(1), mac), port, None) for port, mac in enumerate(MACS, 1)
)
TABLE_XID, XID = 6, 7


def reply(*rules: tuple[int, bytes], xid: int = XID, more: bool = False) -> bytes:
    """A flow statistics reply: a row for each tag, with its actions."""
    rows = [
        FlowRow(
            number << COOKIE_MARK_BITS | COOKIE_MARK, match(session_match(number, str(VIRTUAL))), apply_actions(actions)
        )
        for number, actions in rules
    ]
    return flow_stats_reply(*rows, xid=xid, more=more)


def tag(mobile: str) -> int:
    return tag_of(VIRTUAL.packed, b"\x01" + mobile.encode())


class Restarted:
    """A balancer that has just started, and the recovery of one switch. ``reachable`` real servers have been found."""

    def __init__(self, *reachable: int, rules: int = 10, bench: Optional[Bench] = None) -> None:
        self.bench = bench or Bench(1, 1)
        self.recovered: list[tuple[Session, bytes]] = []
        self.lost: list[int] = []
        self.recovery = Recovery(
            1, self.bench.balancer, lambda *each: self.recovered.append(each), lambda tag, _: self.lost.append(tag)
        )
        self.find(*reachable)
        self.recovery.request(TABLE_XID, 0.0)
        table_stats = table_stats_reply({0: 12, Table.SESSIONS: rules, 2: 0}, xid=TABLE_XID)
        assert self.recovery.reading.on_reply(TABLE_XID, table_stats, 0.0)
        self.request = self.recovery.request(XID, 0.0)

    def find(self, *reachable: int) -> None:
        actions = {self.bench.reals[number]: (TO_A, TO_B)[number] for number in reachable}
        self.recovery.locate({VIRTUAL.packed: self.bench.server}, actions)

    def read(self, *rules: tuple[int, bytes], now: Optional[float] = None, more: bool = False) -> None:
        when = self.bench.now if now is None else now
        assert self.recovery.reading.on_reply(XID, reply(*rules, more=more), when) is not None

    def sessions(self) -> int:
        return len(self.bench.balancer.sessions)


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


@pytest.mark.parametrize("is_found", [True, False], ids=["home agent found", "home agent found later"])
def test_the_rule_of_a_session_that_has_begun_before_it_was_read_is_the_sessions(is_found: bool) -> None:
    """Its mobile has named its home agent. A limit of session rules counts the rule, and an audit would miss it."""
    restarted = Restarted(*((0,) if is_found else ()))
    real = restarted.bench.reals[0]
    assert restarted.bench.request("anna", home_agent=real.packed_address).real is real
    restarted.read((tag("anna"), TO_A))
    restarted.find(0)
    restarted.recovery.tick(restarted.bench.now)
    assert restarted.recovered == [(restarted.bench.session("anna"), TO_A)]
    assert (restarted.sessions(), restarted.recovery.recovered) == (1, 0)


def test_the_rule_of_a_session_at_another_switch_is_left_alone() -> None:
    restarted = Restarted(0)
    restarted.bench.request("anna", home_agent=restarted.bench.reals[0].packed_address)
    session = restarted.bench.session("anna")
    assert session is not None
    session.rule_at = 2
    restarted.read((tag("anna"), TO_A))
    assert restarted.recovered == []


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


def test_a_mobile_keeps_its_home_agent() -> None:
    restarted = Restarted(0, 1)
    restarted.read((tag("anna@example.org"), TO_B))
    assert restarted.recovery.is_complete
    bench = restarted.bench
    assert restarted.sessions() == 1
    assert bench.letters("anna@example.org", "bert@example.org", "anna@example.org") == "BAB"
    assert bench.balancer.statistics.assignments == 1
    assert not any(session.is_recovered for session in bench.balancer.sessions)


def test_sessions_are_recovered_as_their_rules_come_not_at_the_end() -> None:
    restarted = Restarted(0, 1)
    restarted.read((tag("anna@example.org"), TO_B), more=True)
    assert restarted.bench.letters("anna@example.org") == "B"
    assert not restarted.recovery.is_complete


def test_a_rule_is_pending_until_its_real_server_is_found() -> None:
    restarted = Restarted(0)
    anna, bert = tag("anna@example.org"), tag("bert@example.org")
    restarted.read((anna, TO_B), (bert, TO_A), now=0.0)
    assert (restarted.sessions(), restarted.recovery.pending) == (1, 1)
    assert (restarted.recovery.status(anna), restarted.recovery.status(bert)) == (Status.PENDING, Status.READ)
    restarted.find(0, 1)
    restarted.recovery.tick(9.0)
    assert restarted.sessions() == 2
    assert restarted.recovery.is_over
    assert restarted.lost == []


def test_the_log_says_what_has_become_of_rules_that_waited(caplog: pytest.LogCaptureFixture) -> None:
    """Mostly they are read before ARP is answered: 'recovered 0 sessions' must not be the last word."""
    restarted = Restarted()
    with caplog.at_level(logging.INFO):
        restarted.read((tag("one"), TO_A), now=0.5)
        restarted.recovery.tick(0.6)
        restarted.find(0)
        for _ in range(2):
            restarted.recovery.tick(1.0)
    lines = [message.partition("recovered ")[2] for message in caplog.messages]
    assert lines == [
        "0 sessions from its rules in 0.5 s; 1 rules wait for their real servers",
        "1 sessions from its rules in 1.0 s; 0 rules wait for their real servers",
    ]


def test_a_rule_is_pending_for_the_idle_time_of_its_virtual_server() -> None:
    restarted = Restarted(0)
    idle = restarted.bench.server.idle
    anna = tag("anna@example.org")
    restarted.read((anna, TO_B), now=50.0)
    restarted.recovery.tick(50.0 + idle - 0.1)
    assert restarted.recovery.status(anna) is Status.PENDING
    restarted.recovery.tick(50.0 + idle)
    assert restarted.lost == [anna]
    assert restarted.recovery.is_over


def test_many_pending_rules_are_recovered_some_at_a_time() -> None:
    """The event loop has other work: one tick may take a few milliseconds."""
    restarted = Restarted()
    restarted.read(*((1 << 41 | number, TO_A) for number in range(300)), now=0.0, more=True)
    for first in range(300, 4500, 300):
        restarted.read(*((1 << 41 | number, TO_A) for number in range(first, first + 300)), now=0.0, more=True)
    assert restarted.recovery.pending == 4500
    restarted.find(0)
    restarted.recovery.tick(1.0)
    assert restarted.sessions() == 1000
    assert restarted.recovery.recover_if_found(1 << 41 | 7, 1.0), "one that is asked for is recovered at once"
    for _ in range(5):
        restarted.recovery.tick(1.0)
    assert restarted.sessions() == 4500


def test_another_chassis_address_of_an_earlier_version_does_not_matter() -> None:
    restarted = Restarted(0, 1)
    older = delivery_actions(session_rewrites(chassis_address(77), MACS[1]), 2, None)
    restarted.read((tag("anna@example.org"), older))
    ((session, actions),) = restarted.recovered
    assert (session.real, actions) == (restarted.bench.reals[1], older)


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


def test_a_recovered_session_without_requests_ends_like_any_other() -> None:
    restarted = Restarted(0, 1)
    restarted.read((tag("anna@example.org"), TO_B))
    restarted.bench.wait(10.3)
    assert not restarted.sessions()
    assert restarted.bench.letters("anna@example.org") == "A"


def test_the_reply_to_another_request_is_left_alone() -> None:
    restarted = Restarted(0, 1)
    another = reply((tag("anna@example.org"), TO_B), xid=XID + 1)
    assert restarted.recovery.reading.on_reply(XID + 1, another, 0.0) is None
    assert not restarted.recovery.is_complete


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_damaged_reply_recovers_no_session_that_is_not_there(noise: bytes, at: int) -> None:
    restarted = Restarted(0, 1)
    whole = reply((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A))
    assert restarted.recovery.reading.on_reply(XID, whole[:at] + noise + whole[at + len(noise) :], 0.0) is not None
    restarted.recovery.reading.advance(False, REPLY_TIMEOUT)
    assert restarted.recovery.is_complete
    assert restarted.sessions() <= 2


def test_a_malformed_part_is_reported_and_all_other_sessions_are_recovered(caplog: pytest.LogCaptureFixture) -> None:
    restarted = Restarted(0, 1)
    first = reply((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A), more=True)
    assert restarted.recovery.reading.on_reply(XID, first[:-1], restarted.bench.now) is False
    restarted.read((tag("carl@example.org"), TO_B))
    assert restarted.recovery.is_complete
    assert restarted.bench.letters("anna@example.org", "carl@example.org") == "BB"
    assert caplog.text.count("malformed flow-stats reply (byte ") == 1
    assert restarted.lost == []


def _hits(tags: Iterable[int], slices: int) -> list[int]:
    counts = [0] * slices
    for each in tags:
        counts[each & slices - 1] += 1
    return counts


def test_the_low_bits_of_tags_divide_them_evenly() -> None:
    counts = _hits((tag(f"user{number}@example.org") for number in range(6400)), 64)
    assert 60 < min(counts) <= max(counts) < 150


def followed(*rules: tuple[int, bytes], is_current: bool = True) -> Followed:
    """What a member that stood by has followed."""
    view = SessionView(Budget(10_000))
    for row in flow_stats(reply(*rules)):
        view.put(row)
    return Followed(view.rules, view.targets, [], is_current)


class TakenOver(Restarted):
    """A member that takes over with what it has followed. Nothing has been read."""

    def __init__(self, *reachable: int, taken: Followed) -> None:
        self.bench = Bench(1, 1)
        self.recovered: list[tuple[Session, bytes]] = []
        self.lost: list[int] = []
        self.recovery = Recovery(
            1, self.bench.balancer, lambda *each: self.recovered.append(each), lambda tag, _: self.lost.append(tag)
        )
        self.find(*reachable)
        self.recovery.take_over(taken, self.bench.now)


def test_what_was_followed_is_recovered_without_reading() -> None:
    taken = TakenOver(0, 1, taken=followed((tag("anna@example.org"), TO_B), (tag("bert@example.org"), TO_A)))
    assert taken.recovery.is_complete
    taken.recovery.tick(taken.bench.now)
    assert taken.recovery.is_over
    assert taken.bench.letters("anna@example.org", "bert@example.org") == "BA"
    assert taken.bench.balancer.statistics.assignments == 0


def test_the_session_of_a_mobile_that_asks_is_recovered_at_once() -> None:
    anna = tag("anna@example.org")
    taken = TakenOver(0, 1, taken=followed((anna, TO_B)))
    assert taken.recovery.status(anna) is Status.PENDING
    assert taken.recovery.status(tag("new@example.org")) is Status.READ, "it begins a session at once"
    assert taken.recovery.recover_if_found(anna, taken.bench.now)
    assert taken.bench.letters("anna@example.org") == "B"


def test_many_followed_rules_are_recovered_some_at_a_time() -> None:
    """The event loop has other work: one tick may take a few milliseconds."""
    view = SessionView(Budget(10_000))
    for first in range(0, 6000, 300):
        for row in flow_stats(reply(*((1 << 41 | first + number, TO_A) for number in range(300)))):
            view.put(row)
    taken = TakenOver(0, taken=Followed(view.rules, view.targets, [], True))
    taken.recovery.tick(taken.bench.now)
    assert taken.sessions() == 1000
    for _ in range(5):
        taken.recovery.tick(taken.bench.now)
    assert (taken.sessions(), taken.recovery.is_over) == (6000, True)


def test_a_followed_rule_whose_real_server_is_not_found_is_lost_after_the_idle_time() -> None:
    anna = tag("anna@example.org")
    taken = TakenOver(0, taken=followed((anna, TO_B)))
    end = taken.bench.now + taken.bench.server.idle
    taken.recovery.tick(end - 0.1)
    assert taken.recovery.status(anna) is Status.PENDING
    taken.recovery.tick(end)
    assert taken.lost == [anna]


def test_what_was_followed_and_is_not_current_serves_until_the_switch_is_read() -> None:
    anna, bert, carl = (tag(f"{name}@example.org") for name in ("anna", "bert", "carl"))
    taken = TakenOver(0, 1, taken=followed((anna, TO_B), (bert, TO_A), (carl, TO_A), is_current=False))
    taken.recovery.request(TABLE_XID, 0.0)
    taken.recovery.reading.on_reply(TABLE_XID, table_stats_reply({Table.SESSIONS: 2}, xid=TABLE_XID), 0.0)
    taken.recovery.request(XID, 0.0)
    taken.recovery.tick(taken.bench.now)
    assert [taken.recovery.status(each) for each in (anna, carl)] == [Status.PENDING] * 2
    assert taken.recovery.status(tag("dora@example.org")) is Status.UNREAD
    assert taken.recovery.recover_if_found(anna, taken.bench.now)
    taken.read((anna, TO_B), (bert, TO_B))
    taken.recovery.tick(taken.bench.now)
    assert taken.recovery.is_over
    assert taken.bench.letters("anna@example.org", "bert@example.org") == "BB"
    assert taken.recovery.status(carl) is Status.READ, "the switch has its rule no more"
    assert taken.lost == []


def test_what_was_followed_is_kept_when_the_switch_cannot_be_read() -> None:
    taken = TakenOver(0, 1, taken=followed((tag("anna@example.org"), TO_B), is_current=False))
    taken.recovery.request(XID, 0.0)
    taken.recovery.reading.on_error(XID, wire.Error(1, 2, b""), 0.0)
    taken.recovery.request(XID, 0.0)
    assert taken.recovery.reading.on_error(XID, wire.Error(1, 2, b""), 0.0) is False
    taken.recovery.tick(taken.bench.now)
    assert taken.bench.letters("anna@example.org") == "B"


def test_what_was_followed_waits_for_its_real_server_when_the_switch_cannot_be_read() -> None:
    """The rule is still on the switch: it is not removed before its session could have ended."""
    anna = tag("anna@example.org")
    taken = TakenOver(0, taken=followed((anna, TO_B), is_current=False))
    taken.recovery.request(XID, 0.0)
    taken.recovery.reading.on_error(XID, wire.Error(1, 2, b""), 0.0)
    taken.recovery.request(XID, 0.0)
    taken.recovery.reading.on_error(XID, wire.Error(1, 2, b""), 0.0)
    taken.recovery.tick(taken.bench.now)
    assert (taken.recovery.status(anna), taken.lost) == (Status.PENDING, [])
    taken.find(0, 1)
    taken.recovery.tick(taken.bench.now)
    assert taken.bench.letters("anna@example.org") == "B"


def test_what_was_followed_is_forgotten_when_the_switch_has_no_rule_that_leads_there() -> None:
    anna = tag("anna@example.org")
    taken = TakenOver(0, 1, taken=followed((anna, TO_B), is_current=False))
    taken.recovery.request(TABLE_XID, 0.0)
    taken.recovery.reading.on_reply(TABLE_XID, table_stats_reply({Table.SESSIONS: 0}, xid=TABLE_XID), 0.0)
    taken.recovery.request(XID, 0.0)
    taken.read()
    taken.recovery.tick(taken.bench.now)
    assert (taken.recovery.status(anna), taken.sessions(), taken.lost) == (Status.READ, 0, [])


def test_a_switch_that_reports_any_number_of_rules_fills_neither_memory_nor_the_session_table() -> None:
    """At the limit nothing more is recovered, and new mobiles still find room: docs/security.md."""
    restarted = Restarted(0)
    table = restarted.bench.balancer.sessions
    table.limit.limit = 40
    restarted.read(*((1 << 41 | number, TO_A) for number in range(30)), more=True)
    restarted.read(*((1 << 41 | number, TO_B) for number in range(30, 90)), more=True)
    assert (restarted.sessions(), restarted.recovery.pending) == (30, 10)
    restarted.read(*((1 << 41 | number, TO_A) for number in range(90, 200)))
    assert (restarted.sessions(), restarted.recovery.pending) == (30, 10)
    restarted.find(0, 1)
    restarted.recovery.tick(restarted.bench.now)
    assert restarted.sessions() == 40
    confirmed = restarted.sessions() - table.limit.unconfirmed
    assert confirmed == 35, "seven eighths"
    for number in range(20):
        restarted.bench.request(f"new-{number}")
    assert restarted.sessions() == 40
    assert restarted.bench.balancer.statistics.drops[DropReason.SESSION_LIMIT] == 0


def test_a_switch_that_reports_any_number_of_places_fills_no_memory() -> None:
    restarted = Restarted()
    for begin in range(0, 5000, 250):
        places = [delivery_actions(session_rewrites(chassis_address(1), MACS[0]), port, None) for port in range(250)]
        rules = ((1 << 41 | begin + port, places[port] + begin.to_bytes(8, "big")) for port in range(250))
        restarted.read(*rules, more=True)
    assert restarted.recovery.pending == 4096


def test_the_rules_that_wait_at_all_switches_stay_within_the_limit_of_sessions() -> None:
    """A host may pass for many switches. What one of them reports leaves room for the rules of another."""
    liar = Restarted()
    liar.bench.balancer.sessions.limit.limit = 100
    other = Restarted(bench=liar.bench)
    liar.read(*((1 << 41 | number, TO_A) for number in range(300)), more=True)
    assert (liar.recovery.pending, other.recovery.pending) == (100, 0)
    other.read(*((1 << 42 | number, TO_A) for number in range(30)), more=True)
    assert other.recovery.pending == 30
    liar.read(*((1 << 43 | number, TO_A) for number in range(300)), more=True)
    other.read(*((1 << 44 | number, TO_A) for number in range(300)), more=True)
    assert liar.recovery.pending + other.recovery.pending == 100
    assert other.recovery.pending >= 49
    other.find(0)
    other.recovery.tick(other.bench.now)
    assert other.sessions() >= 49


def test_a_switch_that_is_forgotten_leaves_its_room_to_others() -> None:
    gone = Restarted()
    gone.bench.balancer.sessions.limit.limit = 100
    gone.read(*((1 << 41 | number, TO_A) for number in range(100)), more=True)
    gone.recovery.end()
    room = gone.bench.balancer.sessions.recovery_room
    assert (room.pending, room.targets) == (0, 0)
    other = Restarted(bench=gone.bench)
    other.read(*((1 << 42 | number, TO_A) for number in range(100)), more=True)
    assert other.recovery.pending == 100


def test_places_of_all_switches_are_limited_and_each_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_room, "MAX_TARGETS_OF_ALL", 200)
    liar = Restarted()
    other = Restarted(bench=liar.bench)
    for restarted, begin, pending in ((liar, 0, 200), (other, 1000, recovery_room.MIN_TARGETS)):
        numbers = range(begin, begin + 250)
        restarted.read(*((1 << 41 | each, TO_A + each.to_bytes(8, "big")) for each in numbers), more=True)
        assert restarted.recovery.pending == pending


@pytest.mark.parametrize("actions", [(TO_A,), (TO_A, TO_B)])
def test_a_rule_that_is_reported_again_and_again_takes_no_memory(actions: tuple[bytes, ...]) -> None:
    restarted = Restarted()
    tracemalloc.start()
    restarted.read(*((1 << 41, each) for each in actions), more=True)
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(40):
        restarted.read(*((1 << 41, each) for _ in range(100) for each in actions), more=True)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert restarted.recovery.pending == 1
    assert after - before < 20_000  # bytes, after 4,000 or 8,000 reports
