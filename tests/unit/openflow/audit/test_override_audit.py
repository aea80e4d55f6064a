"""What a look for rules of others asks the switch for (docs/flows.md, rules of others)."""

from __future__ import annotations

import itertools
import logging
import struct
from collections.abc import Callable
from typing import Any

import pytest
from fake_switch import FakeSwitch, FakeTransport, messages_of
from statistics_replies import FlowRow, aggregate_stats_reply, table_stats_reply

from ryu_haslb.openflow.audit.mark_count import MarkCount
from ryu_haslb.openflow.audit.override_audit import LOOK_INTERVAL, REPLY_TIMEOUT, Overridden, OverrideAudit
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Rule, Table, udp_match
from ryu_haslb.openflow.flow_tables.rule_messages import as_sent
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, match
from ryu_haslb.openflow.wire.multipart import table_stats
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK, cookie_of

MANY, FEW = 6_000, 20
#: Type, cookie and mask of a request.
Selection = tuple[int, int, int]
TOTAL = wire.OFPMP_TABLE, 0, 0
MARKED = wire.OFPMP_AGGREGATE, COOKIE_MARK, COOKIE_MARK_MASK
CHECK = wire.OFPMP_AGGREGATE, ~COOKIE_MARK & 1, 1
TABLE = wire.OFPMP_AGGREGATE, 0, 0
#: The numbers that the first look compares.
FIRST = [TOTAL, MARKED, TABLE]
ALL_RULES = wire.OFPMP_FLOW, 0, 0
BAD_MULTIPART = 1, 2
SESSION = udp_match("10.1.1.10", 434)


class Wire(FakeTransport):
    """The connection; ``writes`` are the messages of each write."""

    def __init__(self, switch: FakeSwitch) -> None:
        super().__init__(switch)
        self.writes: list[list[bytes]] = []

    def transmit(self, data: bytes) -> None:
        self.writes.append(list(messages_of(data)))
        super().transmit(data)


class Bench:
    """A switch with so many session rules, and the audit of its session table."""

    def __init__(self, sessions: int, **capabilities: Any) -> None:
        self.switch = FakeSwitch(**capabilities)
        self.switch.install(
            FlowRow(cookie_of(tag), match({"eth_src": tag, **SESSION})) for tag in range(1, sessions + 1)
        )
        self.wire = Wire(self.switch)
        self.wire.handler = self._handle
        self.overridden = Overridden()
        guarded = [as_sent(Rule(Purpose.PUNT_SESSION_MISS), True)]
        self._audit = OverrideAudit(self.wire, lambda: guarded, list, self.overridden)
        self._now = 0.0
        #: What becomes of a reply; if it is empty, it does not arrive.
        self.arrives_as: Callable[[bytes], bytes] = lambda reply: reply
        #: The errors that the audit has not claimed.
        self.unclaimed: list[bytes] = []

    def add(self, cookie: int) -> None:
        """Others add a rule that takes all packets of the session table."""
        self.switch.receive(FlowMod(wire.OFPFC_ADD, Table.SESSIONS, cookie, priority=65000, match=match({})).pack(1))

    def look(self) -> list[Selection]:
        """Look once. Returns what was asked for."""
        self.wire.writes.clear()
        self._now += LOOK_INTERVAL
        while True:
            was_silent = self._audit.is_reading
            self._now += was_silent * (REPLY_TIMEOUT + 1)
            writes = len(self.wire.writes)
            self._audit.tick(self._now)
            if len(self.wire.writes) == writes and not was_silent:
                return [selection(each) for write in self.wire.writes for each in write]
            self.wire.answer()

    def _handle(self, kind: int, xid: int, data: bytes) -> bool:
        if kind == wire.OFPT_ERROR:
            if not self._audit.on_error(xid):
                self.unclaimed.append(data)
            return True
        data = self.arrives_as(data)
        return bool(data) and self._audit.on_reply(xid, data, self._now)


def selection(request: bytes) -> Selection:
    kind = kind_of(request)
    cookie, mask = struct.unpack_from("!QQ", request, 32) if kind != wire.OFPMP_TABLE else (0, 0)
    return kind, cookie, mask


def kind_of(message: bytes) -> int:
    """The type of a multipart message."""
    return int.from_bytes(message[8:10], "big")


def xid_of(message: bytes) -> int:
    return int.from_bytes(message[4:8], "big")


def rules_read(asked: list[Selection]) -> list[Selection]:
    return [each for each in asked if each[0] == wire.OFPMP_FLOW]


@pytest.mark.parametrize("sessions", [FEW, MANY])
def test_where_all_rules_are_ours_three_numbers_are_asked_for_and_no_rules(sessions: int) -> None:
    """The first look counts all rules too."""
    bench = Bench(sessions)
    assert bench.look() == [*FIRST, CHECK]
    assert [len(write) for write in bench.wire.writes] == [3, 1], "no change of ours comes between the numbers"
    assert bench.look() == [TOTAL, MARKED, CHECK]
    assert [len(write) for write in bench.wire.writes] == [2, 1], "no change of ours comes between the two numbers"
    assert bench.overridden == Overridden()


@pytest.mark.parametrize("bit", range(16))
def test_of_many_rules_only_a_group_that_has_some_is_read(bit: int) -> None:
    cookie = COOKIE_MARK ^ 1 << bit
    bench = Bench(MANY)
    bench.add(cookie)
    asked = bench.look()
    assert asked[:4] == [*FIRST, TABLE]
    mask = (2 << bit) - 1
    assert rules_read(asked) == [(wire.OFPMP_FLOW, cookie & mask, mask)]
    assert len(asked) == 4 + 16 + 1
    assert bench.overridden.count == 1
    assert f"cookie {cookie:#x}" in bench.overridden.example


def test_a_switch_that_ignores_cookies_is_recognized_by_its_rules_in_the_first_group() -> None:
    bench = Bench(FEW, flow_statistics_by_cookie=False)
    bench.add(7)
    assert bench.look() == [*FIRST, CHECK, TABLE, ALL_RULES]
    assert bench.overridden.count == 1


def test_of_a_switch_that_ignores_cookies_each_group_is_counted_where_there_are_many() -> None:
    """All of them are too many, and so are those about requests: the log says that none is compared."""
    bench = Bench(MANY, flow_statistics_by_cookie=False)
    asked = bench.look()
    assert asked[:5] == [*FIRST, CHECK, TABLE]
    assert {mask for kind, _, mask in asked[5:] if kind == wire.OFPMP_AGGREGATE} == {
        (2 << bit) - 1 for bit in range(16)
    }
    assert not rules_read(asked)


def test_a_switch_that_reports_no_rule_at_all_is_asked_for_them_all_the_same() -> None:
    """There are rules of ours in each of these tables."""
    assert rules_read(Bench(0).look()) == [ALL_RULES]


def test_a_rule_of_the_first_group_that_comes_behind_the_two_numbers_is_found_at_once() -> None:
    bench = Bench(MANY)
    run_before(bench, CHECK, lambda: bench.add(COOKIE_MARK ^ 1))
    assert len(rules_read(bench.look())) == 1
    assert bench.overridden.count == 1


def test_a_rule_of_another_group_that_comes_behind_the_two_numbers_is_found_with_the_next_look() -> None:
    bench = Bench(MANY)
    run_before(bench, CHECK, lambda: bench.add(COOKIE_MARK ^ 2))
    assert bench.look() == [*FIRST, CHECK]
    assert bench.overridden.count == 0
    bench.look()
    assert bench.overridden.count == 1


@pytest.mark.parametrize("cookie", [7, cookie_of(MANY + 1)], ids=["of others", "a session rule"])
def test_a_rule_that_comes_between_the_two_numbers_is_no_error(cookie: int) -> None:
    """One of others is found with the next look at the latest."""
    bench = Bench(MANY)
    run_before(bench, MARKED, lambda: bench.add(cookie))
    bench.look()
    bench.look()
    assert bench.overridden.count == (cookie == 7)


def test_a_session_rule_that_ends_between_the_two_numbers_has_the_groups_counted_and_none_read() -> None:
    bench = Bench(MANY)
    bench.look()
    run_before(bench, MARKED, lambda: bench.switch.lose(cookie=cookie_of(1)))
    asked = bench.look()
    assert len(asked) == 3 + 16
    assert not rules_read(asked)
    assert bench.look() == [TOTAL, MARKED, CHECK]


def run_before(bench: Bench, what: Selection, change: Callable[[], None]) -> None:
    """Change the table when the switch has this request next, once."""

    def hook(message: bytes) -> None:
        if message[1] == wire.OFPT_MULTIPART_REQUEST and selection(message) == what:
            bench.switch.rejects = lambda _: None
            change()

    bench.switch.rejects = hook


FAILURES = ["rejected", "ignored", "cut short"]


def fail(bench: Bench, kind: int, how: str) -> None:
    """The switch does not answer multipart requests of this type as it should."""
    if how == "rejected":
        bench.switch.rejects = lambda message: (
            BAD_MULTIPART if message[1] == wire.OFPT_MULTIPART_REQUEST and kind_of(message) == kind else None
        )
    else:
        size = 0 if how == "ignored" else -1
        bench.arrives_as = lambda reply: reply[:size] if kind_of(reply) == kind else reply


@pytest.mark.parametrize("how", FAILURES)
def test_a_switch_that_does_not_report_how_many_rules_a_table_has_is_asked_to_count_them(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(MANY)
    bench.add(7)
    fail(bench, wire.OFPMP_TABLE, how)
    first, second = bench.look(), bench.look()
    assert first == [*FIRST, *second]
    assert second[:3] == [MARKED, TABLE, TABLE]
    assert len(rules_read(second)) == bench.overridden.count == 1
    (line,) = [each.getMessage() for each in caplog.records if "OFPMP_TABLE" in each.getMessage()]
    assert "rules of others are looked for without" in line


@pytest.mark.parametrize("how", FAILURES)
def test_a_switch_that_does_not_count_rules_by_cookies_is_asked_for_all_groups(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(MANY)
    bench.add(7)
    fail(bench, wire.OFPMP_AGGREGATE, how)
    first, second = bench.look(), bench.look()
    assert first == [*FIRST, *second]
    assert rules_read(second) == second
    assert len(second) == 16
    assert bench.overridden.count == 1
    (line,) = [each.getMessage() for each in caplog.records if "OFPMP_AGGREGATE" in each.getMessage()]
    assert "rules of others are looked for without" in line


def count_none_by_cookie(bench: Bench) -> None:
    """The switch counts all rules of a table, and none of those with certain cookies."""

    def reply_of(reply: bytes) -> bytes:
        xid = xid_of(reply)
        (mask,) = [selection(each)[2] for write in bench.wire.writes for each in write if xid_of(each) == xid]
        return aggregate_stats_reply(0, xid) if mask and kind_of(reply) == wire.OFPMP_AGGREGATE else reply

    bench.arrives_as = reply_of


def leave_out_a_rule(bench: Bench) -> None:
    """The switch leaves out a rule of each table that has some in its table statistics, and nowhere else."""

    def reply_of(reply: bytes) -> bytes:
        if kind_of(reply) != wire.OFPMP_TABLE:
            return reply
        counts = {table: max(0, count - 1) for table, count in table_stats(reply).items()}
        return table_stats_reply(counts, xid_of(reply))

    bench.arrives_as = reply_of


@pytest.mark.parametrize("cookie", [7, 8])
def test_a_switch_that_counts_no_rule_by_cookie_is_asked_for_the_rules_of_each_group(cookie: int) -> None:
    bench = Bench(MANY)
    bench.add(cookie)
    count_none_by_cookie(bench)
    asked = bench.look()
    assert bench.overridden.count == 1
    assert len(rules_read(asked)) == 16


@pytest.mark.parametrize("sessions", [FEW, MANY])
def test_table_statistics_that_leave_out_a_rule_hide_none_of_others(sessions: int) -> None:
    """The switch does not count its table-miss rule; the number of the others equals that of rules with our mark."""
    bench = Bench(sessions)
    bench.add(7)
    leave_out_a_rule(bench)
    bench.look()
    assert bench.overridden.count == 1


def test_table_statistics_that_were_wrong_once_are_not_asked_for_again() -> None:
    bench = Bench(FEW)
    leave_out_a_rule(bench)
    assert bench.look() == [*FIRST, CHECK], "the other two numbers are equal"
    assert bench.look() == [MARKED, TABLE, CHECK]
    bench.add(7)
    assert bench.look() == [MARKED, TABLE, TABLE, ALL_RULES]
    assert bench.overridden.count == 1


def test_each_error_about_a_request_for_numbers_is_claimed() -> None:
    """The first ends the look, and the others come behind it."""
    bench = Bench(FEW)
    bench.add(7)
    bench.switch.rejects = lambda message: (
        BAD_MULTIPART if message[1] == wire.OFPT_MULTIPART_REQUEST and kind_of(message) != wire.OFPMP_FLOW else None
    )
    asked = bench.look()
    assert asked[:5] == [*FIRST, MARKED, TABLE]
    assert rules_read(asked) == asked[5:]
    assert bench.overridden.count == 1
    assert not bench.unclaimed


def test_a_reply_that_is_lost_once_ends_one_look() -> None:
    """The switch has answered such a request before."""
    bench = Bench(MANY)
    bench.look()
    bench.add(7)
    fail(bench, wire.OFPMP_AGGREGATE, "ignored")
    assert bench.look() == [TOTAL, MARKED]
    bench.arrives_as = lambda reply: reply
    bench.look()
    assert bench.overridden.count == 1


TOTAL_XID, MARKED_XID = 5, 6


def test_the_number_of_all_rules_may_be_in_any_part_of_the_reply() -> None:
    numbers = MarkCount(1, itertools.count(5).__next__, is_table_right=True)
    numbers.take(MARKED_XID, aggregate_stats_reply(9))
    numbers.take(TOTAL_XID, table_stats_reply({0: 4}, more=True))
    assert not numbers.is_complete
    numbers.take(TOTAL_XID, table_stats_reply({1: 9}, more=True))
    assert numbers.is_complete
    numbers.take(TOTAL_XID, table_stats_reply({2: 5}))
    assert numbers.are_all_marked


def test_a_table_that_the_switch_does_not_report_has_rules_of_others_for_all_that_is_known() -> None:
    numbers = MarkCount(1, itertools.count(5).__next__, is_table_right=True)
    numbers.take(MARKED_XID, aggregate_stats_reply(9))
    numbers.take(TOTAL_XID, table_stats_reply({0: 9}))
    assert numbers.is_complete
    assert not numbers.are_all_marked
