"""The limit of session rules on one switch, and whose rules are kept when it is reached."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from fake_switch import FakeSwitch
from wired_switch import Wired

from ryu_haslb.configuration.model import Datapath
from ryu_haslb.openflow.capabilities.known_makes import REPORTABLE_SESSION_RULES
from ryu_haslb.openflow.capabilities.self_description import Reported
from ryu_haslb.openflow.delivery.backoff import MAX_RETRY_INTERVAL, MIN_RETRY_INTERVAL
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.sessions import rule_room
from ryu_haslb.openflow.sessions.rule_room import MAX_COUNTED, LimitSource
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.description import Description
from ryu_haslb.slb.session import Session

LIMIT = 5


def wired_with(limit: int = LIMIT) -> Wired:
    """A switch whose configuration has a limit of session rules."""
    wired = Wired()
    wired.configuration = replace(wired.configuration, datapaths={1: Datapath(1, max_rules=limit)})
    wired.switch.configure(wired.configuration)
    return wired


def settle(wired: Wired, times: int = 8) -> None:
    for _ in range(times):
        wired.settle()


def come(wired: Wired, *names: str) -> list[Session]:
    """Mobiles register; their sessions, in the order in which they came."""
    for name in names:
        wired.request(name)
        settle(wired, 1)
    settle(wired)
    by_name = {session.identity: session for session in wired.balancer.sessions}
    return [next(each for identity, each in by_name.items() if name.encode() in identity) for name in names]


def rules(wired: Wired) -> int:
    return sum(map(wired.has_rule, wired.balancer.sessions))


def test_sessions_beyond_the_limit_continue_by_packet_out_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wired = wired_with()
    come(wired, *(f"user{number}" for number in range(12)))
    assert rules(wired) == LIMIT
    assert wired.switch.rules.sessions_without_rule == 12 - LIMIT
    assert caplog.text.count("has as many session rules as it may have (5, the limit of the configuration)") == 1
    assert wired.request("user11"), "it is served"
    assert wired.switch.rules.is_idle, "nothing can be sent, so that nothing is awaited"


def test_rules_that_wait_until_those_on_the_switch_are_counted_can_still_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that stops waits for them: without a rule a session is lost (docs/running.md)."""
    monkeypatch.setattr(rule_room, "SESSIONS_PER_STEP", 2)
    wired = Wired()
    come(wired, *(f"user{number}" for number in range(6)))
    wired.switch.configure(replace(wired.configuration, datapaths={1: Datapath(1, max_rules=20)}))
    wired.request("anna")
    rounds = 0
    while not wired.switch.rules.is_idle:
        rounds += 1
        wired.flush()
        wired.confirm()
    assert rounds > 3, "two sessions were counted in each"
    assert rules(wired) == 7


def test_a_rule_that_is_only_doubted_is_sent_again_and_takes_no_second_place() -> None:
    """Others have changed rules (docs/flows.md, the audit): requests go by packet-out until all were compared."""
    wired = wired_with()
    come(wired, *(f"user{number}" for number in range(LIMIT)))
    wired.switch.rules.are_doubted = True
    assert wired.request("user0"), "it is served"
    assert wired.switch.rules.waiting == 1
    settle(wired)
    assert wired.switch.rules.is_idle
    assert wired.switch.rules.installed == LIMIT


def test_sessions_that_end_while_their_rules_are_rejected_hold_no_room() -> None:
    wired = wired_with()
    wired.settle()
    for number in range(LIMIT):
        wired.request(f"user{number}")
    wired.fake.rejects = lambda message: (2, 4) if message[1] == wire.OFPT_FLOW_MOD else None
    wired.settle()
    wired.balancer.clear_sessions()
    wired.fake.rejects = lambda _: None
    settle(wired)
    assert wired.switch.rules.room.free() == LIMIT


def test_a_known_mobile_takes_the_place_of_one_that_has_shown_nothing() -> None:
    wired = wired_with()
    come(wired, *(f"user{number}" for number in range(LIMIT)))
    (known,) = come(wired, "known")
    assert not wired.has_rule(known)
    wired.balancer.sessions.confirm(known)
    wired.request("known")
    settle(wired)
    assert wired.has_rule(known)
    assert rules(wired) == LIMIT


def test_a_session_that_comes_again_while_its_rule_leaves_waits_for_room() -> None:
    wired = wired_with()
    come(wired, *(f"user{number}" for number in range(LIMIT)))
    (known,) = come(wired, "known")
    wired.balancer.sessions.confirm(known)
    wired.request("known")
    for _ in range(8):
        wired.flush()
    leaving = [each for each in wired.balancer.sessions if each.tag in wired.switch.rules.room.leaving]
    assert leaving, "a rule is being removed for the known mobile"
    for each in leaving:
        wired.switch.rules.install(each)
    settle(wired)
    assert rules(wired) == LIMIT
    assert wired.has_rule(known)


def test_rules_of_the_previous_run_count_before_they_are_recovered() -> None:
    before = wired_with()
    come(before, *(f"user{number}" for number in range(LIMIT)))
    cookies = [session.cookie for session in before.balancer.sessions]
    others = len([flow for flow in before.fake.flows if flow.table_id == Table.SESSIONS]) - LIMIT
    wired = Wired(fake=before.fake, found=False)
    wired.configuration = before.configuration
    wired.switch.configure(wired.configuration)
    wired.find(0)
    come(wired, "new1", "new2", "new3")
    wired.find(1)
    settle(wired)
    assert sum(map(len, map(before.fake.flows_for, cookies))) == LIMIT, "the rules of the sessions of before"
    assert len([flow for flow in before.fake.flows if flow.table_id == Table.SESSIONS]) == others + LIMIT


def test_known_mobiles_do_not_displace_each_other() -> None:
    wired = wired_with()
    for session in come(wired, *(f"user{number}" for number in range(LIMIT))):
        wired.balancer.sessions.confirm(session)
    (late,) = come(wired, "late")
    wired.balancer.sessions.confirm(late)
    wired.request("late")
    wired.sent.clear()
    settle(wired, 20)
    assert not wired.has_rule(late)
    assert rules(wired) == LIMIT


def test_a_session_that_waits_gets_its_rule_when_another_one_ends() -> None:
    wired = wired_with()
    first, *_ = come(wired, *(f"user{number}" for number in range(LIMIT + 1)))
    wired.balancer.ending.discard_rule(first)
    wired.balancer.sessions.remove(first)
    settle(wired)
    assert rules(wired) == LIMIT
    assert wired.switch.rules.sessions_without_rule == 0


def test_a_rule_that_is_replaced_needs_no_room() -> None:
    wired = wired_with()
    come(wired, *(f"user{number}" for number in range(LIMIT + 3)))
    wired.replug(0, port=11)
    wired.replug(1, port=12)
    settle(wired)
    assert rules(wired) == LIMIT
    assert not wired.switch.rules.moved


@pytest.mark.parametrize(("size", "limit"), [(LIMIT + 1, LIMIT), (0, None), (1, None), (MAX_COUNTED + 9, None)])
def test_the_size_of_the_session_table_is_the_limit_where_the_configuration_has_none(size: int, limit: int) -> None:
    """One entry is that of a standing rule. A table for a million is as good as unlimited."""
    wired = Wired()
    wired.switch.on_reported(Reported(table_sizes={Table.SESSIONS: size}))
    assert wired.switch.rules.room.limit == limit
    come(wired, *(f"user{number}" for number in range(LIMIT + 3)))
    assert rules(wired) == (LIMIT if limit else LIMIT + 3)


def test_a_configured_limit_counts_more_than_a_reported_one() -> None:
    wired = wired_with(8)
    wired.switch.on_reported(Reported(table_sizes={Table.SESSIONS: 3}))
    assert wired.switch.rules.room.limit == 8
    assert wired.switch.rules.room.source is LimitSource.CONFIGURED


def test_a_switch_has_no_more_session_rules_than_it_can_report_but_for_the_configuration() -> None:
    """CPqD's switch reports all rules of a table in one message, of which its relay reads 64 kB at most."""
    wired = Wired()
    room, cpqd = wired.switch.rules.room, Description("CPqD")
    wired.switch.on_reported(Reported(cpqd, {Table.SESSIONS: 4096}))
    assert (room.limit, room.source) == (REPORTABLE_SESSION_RULES, LimitSource.STATISTICS)
    assert REPORTABLE_SESSION_RULES * 184 < 0xFFFF
    wired.switch.on_reported(Reported(cpqd, {Table.SESSIONS: 100}))
    assert room.source is LimitSource.REPORTED
    room.configured = 2000
    assert (room.limit, room.source) == (2000, LimitSource.CONFIGURED)


def test_a_full_table_shows_the_limit_and_known_mobiles_are_kept_first() -> None:
    """The table has one standing rule."""
    wired = Wired(fake=FakeSwitch(max_flows=40))
    come(wired, *(f"user{number}" for number in range(45)))
    assert rules(wired) == 39
    room = wired.switch.rules.room
    assert (room.limit, room.source) == (39, LimitSource.TABLE_FULL)
    (known,) = come(wired, "known")
    wired.balancer.sessions.confirm(known)
    wired.request("known")
    for _ in range(4):
        wired.now += MIN_RETRY_INTERVAL
        settle(wired)
    assert wired.has_rule(known)
    assert rules(wired) == 39


def test_no_limit_is_announced_while_the_rules_of_a_full_table_are_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ryu_haslb.openflow.sessions.rule_room.SESSIONS_PER_STEP", 2)
    come(Wired(fake=FakeSwitch(max_flows=40)), *(f"user{number}" for number in range(45)))
    assert set(re.findall(r"as it may have \((\d+)", caplog.text)) <= {"39"}
    assert "no limit" not in caplog.text


def test_a_table_that_was_full_and_has_become_larger_is_filled() -> None:
    wired = Wired(fake=FakeSwitch(max_flows=40))
    come(wired, *(f"user{number}" for number in range(100)))
    wired.fake._datapath.tables[1].limit = 1000
    for _ in range(4):
        wired.now += MAX_RETRY_INTERVAL
        wired.find(0)
        wired.find(1)
        settle(wired)
    assert rules(wired) == 100
    wired.now += 2 * MAX_RETRY_INTERVAL
    settle(wired)
    assert wired.switch.rules.room.limit is None


class Waiting(dict[Session, None]):
    """Sessions that wait, and those that were looked at: each is taken out, and put at the end."""

    def __init__(self, waiting: dict[Session, None], looks: list[Session]) -> None:
        super().__init__(waiting)
        self._looks = looks

    def __delitem__(self, session: Session) -> None:
        self._looks.append(session)
        super().__delitem__(session)


def test_waiting_sessions_are_looked_through_by_time_and_not_by_flushes() -> None:
    """A flood causes hundreds of flushes a second."""
    wired = wired_with()
    sessions = come(wired, *(f"user{number}" for number in range(LIMIT + 1)))
    (waiting,) = (each for each in sessions if not wired.has_rule(each))
    wired.now += 1.0
    wired.flush()
    wired.balancer.ending.close(waiting)
    for _ in range(5):
        wired.now += 0.001
        wired.flush()
        assert wired.switch.rules.waiting == 1, "it has ended, and none has looked yet"
    wired.now += 0.01
    wired.flush()
    assert wired.switch.rules.waiting == 0
