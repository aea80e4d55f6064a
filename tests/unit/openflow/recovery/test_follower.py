"""A member that stands by follows the session rules of a switch, so that at takeover it reads nothing."""

from __future__ import annotations

import struct
from typing import Callable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statistics_replies import FlowRow, flow_monitor_reply, flow_stats_reply, monitor_notice, table_stats_reply

from ryu_haslb.openflow.flow_tables.key_rules import key_rules
from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY, Purpose, Table, chassis_address
from ryu_haslb.openflow.flow_tables.session_rule import delivery_actions, session_match, session_rewrites
from ryu_haslb.openflow.recovery.follower import (
    LAG_INTERVAL,
    PACE,
    POLL_INTERVAL,
    RETRY_INTERVAL,
    START_INTERVAL,
    Follower,
)
from ryu_haslb.openflow.recovery.follower_states import FOLLOWER_TRANSITIONS, Followed, FollowerState
from ryu_haslb.openflow.recovery.rule_reading import REPLY_TIMEOUT
from ryu_haslb.openflow.recovery.session_view import Budget
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import apply_actions, match
from ryu_haslb.openflow.wire.flow_monitor import (
    ONF_ET_FLOW_MONITOR_CANCEL,
    ONF_ET_FLOW_MONITOR_PAUSED,
    ONF_ET_FLOW_MONITOR_RESUMED,
    ONFFME_ADDED,
    ONFFME_DELETED,
    ONFFME_MODIFIED,
)
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS

VIRTUAL = "10.1.1.10"
TO_A, TO_B = (
    delivery_actions(session_rewrites(chassis_address(1), bytes.fromhex(mac)), port, None)
    for port, mac in enumerate(("020000000051", "020000000052"), 1)
)
ANNA, BERT, CARL = (1 << 41 | number for number in range(3))
KEY = b"nine byte"
PAUSED, RESUMED = map(monitor_notice, (ONF_ET_FLOW_MONITOR_PAUSED, ONF_ET_FLOW_MONITOR_RESUMED))


#: Rules in one part of a reply.
_PART = 400


def rule(tag: int, actions: bytes, address: str = VIRTUAL) -> FlowRow:
    return FlowRow(tag << COOKIE_MARK_BITS | COOKIE_MARK, match(session_match(tag, address)), apply_actions(actions))


KEY_ROWS = [FlowRow(each.cookie, match(each.match), table=Table.CLASSIFIER, priority=1) for each in key_rules([KEY])]


class StandBy:
    """A follower and the end of a connection to a switch. ``rules`` are what the switch has now."""

    def __init__(self, *rules: FlowRow, monitor: Optional[bool] = True, limit: int = 1000) -> None:
        self.now = 0.0
        self.rules = {each.cookie: each for each in rules}
        self.monitor = monitor
        self.sent: list[bytes] = []
        self.bytes_sent = self._xid = 0
        self.budget = Budget(limit)
        self.follower = Follower(1, self, self.budget)
        self.follower.begin(True, 0.0)

    def share(self, budget: Budget) -> None:
        """Follow within the budget of another follower."""
        self.budget = budget
        self.follower = Follower(1, self, budget)
        self.follower.begin(True, 0.0)

    def next_xid(self) -> int:
        self._xid += 1
        return self._xid

    def transmit(self, message: bytes) -> None:
        self.sent.append(message)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.follower.tick(self.now)

    def answer(self) -> None:
        """Let the switch answer what was sent, and what is sent because of that."""
        while self.sent:
            request = self.sent.pop(0)
            kind, xid = request[1], int.from_bytes(request[4:8], "big")
            if kind == wire.OFPT_BARRIER_REQUEST:
                self.deliver(wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_BARRIER_REPLY, 8, xid))
            elif kind == wire.OFPT_MULTIPART_REQUEST:
                self._answer(request, int.from_bytes(request[8:10], "big"), xid)

    def _answer(self, request: bytes, kind: int, xid: int) -> None:
        if kind == wire.OFPMP_TABLE:
            self.deliver(table_stats_reply({Table.SESSIONS: len(self.rules)}, xid=xid))
        elif kind == wire.OFPMP_FLOW:
            rows = KEY_ROWS if request[16] == Table.CLASSIFIER else list(self.rules.values())
            cookie, mask = struct.unpack_from("!QQ", request, 32)
            rows = [each for each in rows if each.cookie & mask == cookie]
            for first in range(0, len(rows) or 1, _PART):
                self.deliver(flow_stats_reply(*rows[first : first + _PART], xid=xid, more=len(rows) > first + _PART))
        elif self.monitor:
            self.deliver(flow_monitor_reply(xid=xid))
        elif self.monitor is not None:
            assert self.follower.on_error(xid, wire.Error(1, 3, request), self.now)

    def deliver(self, message: bytes) -> bool:
        _, kind, _, xid = wire.HEADER.unpack_from(message)
        return self.follower.on_message(kind, xid, message, self.now)

    def change(self, event: int, *rules: FlowRow) -> None:
        """The switch reports a change of its rules."""
        assert self.deliver(flow_monitor_reply(*((event, each) for each in rules)))

    def follow(self) -> None:
        self.wait(START_INTERVAL)
        self.answer()

    def conclude(self) -> Followed:
        followed = self.follower.conclude()
        assert followed is not None
        return followed


def led(followed: Followed) -> dict[int, bytes]:
    """The actions of each rule that was followed."""
    return {tag: target.actions for tag, target in followed.rules.items()}


def test_all_sessions_and_keys_are_there_at_takeover_and_nothing_is_read() -> None:
    standby = StandBy(rule(ANNA, TO_A), rule(BERT, TO_B))
    assert standby.follower.state is FollowerState.WAITING
    standby.follow()
    assert (standby.follower.sessions, standby.follower.is_current, standby.follower.has_monitor) == (2, True, True)
    followed = standby.conclude()
    assert (led(followed), followed.keys, followed.is_current) == ({ANNA: TO_A, BERT: TO_B}, [KEY], True)
    assert [each[1] for each in standby.sent] == [wire.OFPT_EXPERIMENTER] * 2, "both monitors end"
    assert all(int.from_bytes(each[12:16], "big") == ONF_ET_FLOW_MONITOR_CANCEL for each in standby.sent)
    assert (standby.follower.conclude(), standby.follower.state) == (None, FollowerState.OFF)


def test_changes_are_followed() -> None:
    standby = StandBy(rule(ANNA, TO_A), rule(BERT, TO_B))
    standby.follow()
    standby.change(ONFFME_ADDED, rule(CARL, TO_A))
    standby.change(ONFFME_MODIFIED, rule(ANNA, TO_B))
    standby.change(ONFFME_DELETED, rule(BERT, TO_B))
    assert led(standby.conclude()) == {ANNA: TO_B, CARL: TO_A}


def test_a_change_during_the_reading_is_not_undone_by_what_is_read_before_it() -> None:
    """The switch answers and reports in the order in which it acts."""
    standby = StandBy(rule(ANNA, TO_A), rule(BERT, TO_A))
    standby.wait(START_INTERVAL)
    standby.change(ONFFME_ADDED, rule(CARL, TO_B))
    standby.answer()
    assert led(standby.conclude()) == {ANNA: TO_A, BERT: TO_A, CARL: TO_B}


def test_many_rules_are_read_in_small_slices_with_long_pauses() -> None:
    """The leader's requests have precedence at the switch."""
    standby = StandBy(*(rule(1 << 41 | number, TO_A) for number in range(PACE.slice_rules + 1)), limit=10_000)
    standby.follow()
    assert standby.follower.state is FollowerState.READING
    assert standby.follower.sessions == (PACE.slice_rules + 1) // 2 + 1
    standby.wait(0.02)
    standby.answer()
    assert (standby.follower.sessions, standby.follower.is_current) == (PACE.slice_rules + 1, True)


def test_a_rule_that_is_no_session_s_is_left_out() -> None:
    odd = rule(ANNA, TO_A)
    standby = StandBy(
        odd._replace(cookie=ANNA << COOKIE_MARK_BITS | 0x1234),
        odd._replace(priority=SESSION_PRIORITY - 1),
        odd._replace(cookie=Purpose.PUNT_SESSION_MISS.cookie, priority=1),
        odd._replace(instructions=apply_actions(wire.output(1) * 100)),
    )
    standby.follow()
    assert standby.follower.sessions == 0


def test_a_deletion_at_another_virtual_address_is_another_rule_s() -> None:
    standby = StandBy(rule(ANNA, TO_A))
    standby.follow()
    standby.change(ONFFME_DELETED, rule(ANNA, TO_A, "10.1.1.99"))
    assert led(standby.conclude()) == {ANNA: TO_A}


def test_while_the_switch_holds_back_changes_the_view_is_not_current() -> None:
    """It reports deletions at once, and all else before it resumes."""
    standby = StandBy(rule(ANNA, TO_A), rule(BERT, TO_A))
    standby.follow()
    assert standby.deliver(PAUSED)
    standby.change(ONFFME_DELETED, rule(BERT, TO_A))
    standby.wait(3)
    assert (standby.follower.state, standby.follower.lag) == (FollowerState.PAUSED, 3.0)
    standby.change(ONFFME_ADDED, rule(CARL, TO_B))
    assert standby.deliver(RESUMED)
    assert standby.follower.is_current
    assert led(standby.conclude()) == {ANNA: TO_A, CARL: TO_B}


def test_a_takeover_while_the_switch_holds_back_changes_is_not_current() -> None:
    standby = StandBy(rule(ANNA, TO_A))
    standby.follow()
    standby.deliver(PAUSED)
    assert not standby.conclude().is_current


def test_the_lag_is_what_a_barrier_takes_behind_the_changes() -> None:
    standby = StandBy()
    assert standby.follower.lag is None
    standby.follow()
    standby.wait(LAG_INTERVAL)
    standby.wait(0.25)
    assert standby.follower.lag == 0.25
    standby.answer()
    standby.wait(0.5)
    assert standby.follower.lag == 0.25


@pytest.mark.parametrize("answer", [False, None], ids=["rejected", "no reply"])
def test_a_switch_without_a_flow_monitor_is_read_again_and_again(
    answer: Optional[bool],
) -> None:
    standby = StandBy(rule(ANNA, TO_A), rule(BERT, TO_A), monitor=answer)
    standby.follow()
    assert (standby.follower.state, standby.follower.sessions) == (FollowerState.POLLING, 2)
    standby.rules = {each.cookie: each for each in (rule(BERT, TO_B), rule(CARL, TO_B))}
    standby.wait(POLL_INTERVAL - 0.1)
    assert standby.follower.lag == pytest.approx(POLL_INTERVAL - 0.1)
    standby.wait(0.1)
    assert standby.follower.sessions == 2, "those of the last reading stay until then"
    standby.answer()
    assert standby.follower.lag == 0.0
    followed = standby.conclude()
    assert (led(followed), followed.keys, followed.is_current) == ({BERT: TO_B, CARL: TO_B}, [KEY], False)
    assert standby.follower.has_monitor is False


def test_changed_keys_are_read_again() -> None:
    standby = StandBy()
    standby.follow()
    standby.change(ONFFME_ADDED, *KEY_ROWS)
    assert len(standby.sent) == 1, "once for all of them"
    standby.answer()
    assert standby.conclude().keys == [KEY]


def test_keys_that_are_being_read_are_not_known() -> None:
    standby = StandBy()
    standby.follow()
    standby.change(ONFFME_DELETED, *KEY_ROWS)
    assert standby.conclude().keys == []


def test_a_malformed_update_ends_the_view_and_it_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    standby = StandBy(rule(ANNA, TO_A))
    standby.follow()
    broken = bytearray(flow_monitor_reply((ONFFME_ADDED, rule(BERT, TO_A))))
    struct.pack_into("!H", broken, 24, 9)
    standby.deliver(bytes(broken))
    assert (standby.follower.state, standby.follower.sessions) == (FollowerState.WAITING, 0)
    assert "sent a malformed flow update" in caplog.text
    standby.answer()
    standby.wait(RETRY_INTERVAL)
    standby.answer()
    assert led(standby.conclude()) == {ANNA: TO_A}


def test_a_monitor_gets_an_id_that_was_not_in_use_on_its_connection() -> None:
    """Open vSwitch 3.1 answers one that is in use with bytes that are no OpenFlow message."""
    standby = StandBy()
    ids = []
    for _ in range(3):
        standby.wait(START_INTERVAL)
        ids += [each[24:28] for each in standby.sent if each[8:10] == b"\xff\xff"]
        standby.answer()
        standby.conclude()
        standby.follower.begin(True, standby.now)
    assert len(set(ids)) == len(ids) == 6


def test_more_rules_than_the_limit_are_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    standby = StandBy(*(rule(1 << 41 | number, TO_A) for number in range(10)), limit=10)
    standby.follow()
    assert standby.follower.is_current
    standby.change(ONFFME_ADDED, rule(1 << 41 | 10, TO_A))
    assert standby.follower.conclude() is None
    assert "has too many session rules (more than 10 with other switches)" in caplog.text


def test_a_switch_that_does_not_answer_is_read_again_later(caplog: pytest.LogCaptureFixture) -> None:
    standby = StandBy(rule(ANNA, TO_A))
    standby.wait(START_INTERVAL)
    standby.sent.clear()
    for _ in range(2):
        standby.wait(REPLY_TIMEOUT)
    assert standby.follower.state is FollowerState.WAITING
    assert "sent no part of its session rules" in caplog.text
    standby.sent.clear()
    standby.wait(RETRY_INTERVAL)
    standby.answer()
    assert standby.follower.is_current


def test_messages_of_others_are_left_alone() -> None:
    standby = StandBy()
    standby.follow()
    for message in (flow_stats_reply(xid=999), table_stats_reply({}, xid=999), bytes.fromhex("0404001000000000") * 2):
        assert not standby.deliver(message)
    assert not standby.follower.on_error(999, wire.Error(1, 2, b""), 0.0)
    standby.conclude()
    assert not standby.deliver(flow_monitor_reply())
    assert not standby.deliver(PAUSED)


_RULES = st.builds(rule, st.sampled_from([ANNA, BERT, CARL]), st.sampled_from([TO_A, TO_B]))


@given(st.lists(st.tuples(st.sampled_from([ONFFME_ADDED, ONFFME_DELETED, ONFFME_MODIFIED]), _RULES)), st.data())
def test_the_last_message_about_a_rule_is_right(changes: list[tuple[int, FlowRow]], data: st.DataObject) -> None:
    there = {each.cookie: each for each in data.draw(st.lists(_RULES))}
    standby = StandBy(*there.values())
    standby.follow()
    for event, each in changes:
        if data.draw(st.integers(0, 9)) == 0:
            standby.deliver(data.draw(st.sampled_from([PAUSED, RESUMED])))
        standby.change(event, each)
        if event == ONFFME_DELETED:
            there.pop(each.cookie, None)
        else:
            there[each.cookie] = each
    standby.deliver(RESUMED)
    assert {tag: apply_actions(actions) for tag, actions in led(standby.conclude()).items()} == {
        cookie >> COOKIE_MARK_BITS: each.instructions for cookie, each in there.items()
    }


@given(st.binary(max_size=300), st.integers(0, 300))
def test_a_switch_may_send_anything(noise: bytes, at: int) -> None:
    standby = StandBy(rule(ANNA, TO_A), limit=3)
    standby.follow()
    whole = flow_monitor_reply((ONFFME_ADDED, rule(BERT, TO_A)), (ONFFME_DELETED, rule(ANNA, TO_A)))
    standby.deliver(whole[:8] + (whole[8:at] + noise + whole[at + len(noise) :])[:65000])
    standby.wait(RETRY_INTERVAL)
    standby.answer()
    assert standby.follower.sessions == standby.budget.used <= 3


def test_a_member_that_has_not_led_follows_at_once() -> None:
    standby = StandBy(rule(ANNA, TO_A))
    standby.follower.conclude()
    standby.follower.begin(False, 0.0)
    standby.wait(0.0)
    standby.answer()
    assert standby.follower.is_current


def test_every_state_can_be_entered_and_left() -> None:
    assert {before for before, _ in FOLLOWER_TRANSITIONS} == set(FollowerState) == set(FOLLOWER_TRANSITIONS.values())


def test_a_switch_that_claims_too_many_rules_costs_the_others_nothing() -> None:
    honest = StandBy(rule(ANNA, TO_A), rule(BERT, TO_B), limit=10)
    liar = StandBy(*(rule(1 << 41 | number, TO_A) for number in range(100, 108)))
    liar.share(honest.budget)
    honest.follow()
    liar.follow()
    assert (honest.budget.used, liar.follower.sessions) == (10, 8)
    honest.change(ONFFME_ADDED, rule(CARL, TO_A))
    liar.wait(0.0)
    assert (honest.budget.used, honest.follower.sessions, liar.follower.sessions) == (3, 3, 0)
    assert (honest.follower.is_current, liar.follower.is_current) == (True, False)
    honest.conclude()
    assert honest.budget.used == 0


@given(st.lists(st.integers(0, 11), max_size=60), st.data())
def test_no_order_of_what_happens_does_harm(steps: list[int], data: st.DataObject) -> None:
    """Replies, changes, errors, pauses, time and takeovers, in any order; replies may never come, or come twice."""
    standby = StandBy(rule(ANNA, TO_A), rule(BERT, TO_B), limit=4)
    actions: dict[int, Callable[[], object]] = {
        0: lambda: standby.wait(0.5),
        1: lambda: standby.wait(POLL_INTERVAL),
        2: standby.answer,
        3: standby.sent.clear,
        4: lambda: standby.deliver(PAUSED),
        5: lambda: standby.deliver(RESUMED),
        6: lambda: standby.deliver(flow_monitor_reply((data.draw(st.integers(0, 2)), data.draw(_RULES)))),
        7: lambda: standby.deliver(flow_monitor_reply((ONFFME_ADDED, rule(data.draw(st.integers(0, 9)), TO_A)))),
        8: lambda: standby.deliver(flow_monitor_reply((ONFFME_DELETED, KEY_ROWS[0]))),
        9: lambda: standby.follower.on_error(data.draw(st.integers(0, 30)), wire.Error(1, 2, b""), standby.now),
        10: standby.follower.conclude,
        11: lambda: standby.follower.begin(data.draw(st.booleans()), standby.now),
    }
    for step in steps:
        actions[step]()
        assert standby.follower.sessions <= standby.budget.used <= 4
        assert (standby.follower.lag or 0.0) >= 0.0
    standby.follower.conclude()
    assert standby.budget.used == 0
    assert not standby.budget.views
