"""A switch loses its rules, and its leader is lost as well: a member that lives knows its sessions."""

from __future__ import annotations

import pytest
from cluster_switch import FurtherConnection, Led, Member, Network

from ryu_haslb.openflow.fleet.known_switches import FORGET_TIMEOUT
from ryu_haslb.openflow.flow_tables.key_rules import KEY_LENGTH
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.recovery.follower_states import Followed
from ryu_haslb.openflow.recovery.remembered import RememberedSessions
from ryu_haslb.openflow.recovery.session_view import Budget, RuleTarget
from ryu_haslb.openflow.roles.arbiter import Role
from ryu_haslb.openflow.sessions.tag_key_reading import REPLY_TIMEOUT
from ryu_haslb.openflow.wire.wire import OFPMP_FLOW
from ryu_haslb.slb.tag_keys import MAX_KEYS


def lose_rules(led: Led, *members: Member) -> None:
    """The switch loses these connections and all rules, as it does without controllers if it is not fail-secure."""
    for member in members:
        member.lose()
    led.switch.datapath.clear()


def connect_as_leader(member: Member) -> None:
    """The member has come to lead while the switch was not connected to it."""
    member.leadership.is_leading, member.leadership.generation = True, 2
    member.connect()


def homes(led: Led, member: Member) -> dict[str, int]:
    return {mobile: member.request(mobile) for mobile in reversed(list(led.homes))}


def session_rules(led: Led) -> int:
    return len([each for each in led.switch.datapath.tables[Table.SESSIONS] if each.priority > 1])


@pytest.mark.parametrize("stands_by_before", [False, True])
def test_a_standby_knows_the_sessions_of_a_switch_that_has_lost_its_rules(stands_by_before: bool) -> None:
    led = Led()
    led.members.remove(led.leader)
    lose_rules(led, led.leader, led.standby)
    if stands_by_before:
        led.standby.connect()
        led.run(2)
        led.standby.lead(2)
    else:
        connect_as_leader(led.standby)
    led.run(0.2)
    assert led.standby.switch.role is Role.MASTER
    assert homes(led, led.standby) == led.homes
    led.run(2)
    assert session_rules(led) == len(led.homes)
    assert sum(real.sessions for real in led.standby.balancer.reals()) == len(led.homes)
    assert led.standby.balancer.statistics.assignments == 0


def test_mobiles_that_send_at_once_keep_their_home_agents() -> None:
    led = Led()
    led.members.remove(led.leader)
    lose_rules(led, led.leader, led.standby)
    connect_as_leader(led.standby)
    led.settle()
    assert homes(led, led.standby) == led.homes


def test_a_former_leader_knows_its_sessions_if_no_other_member_has_led() -> None:
    led = Led()
    led.members.remove(led.standby)
    lose_rules(led, led.leader, led.standby)
    led.leader.leadership.is_leading = False
    led.leader.connect()
    led.run(2)
    assert len(led.leader.balancer.sessions) == 0
    led.leader.lead(3)
    led.run(0.2)
    assert homes(led, led.leader) == led.homes
    led.run(2)
    assert session_rules(led) == len(led.homes)


def test_a_mobile_that_comes_to_another_switch_is_known_there() -> None:
    """Its switch is gone, and so is the leader: the member that followed the switch has its session."""
    led = Led()
    at_other = at_another_switch(led)
    assert at_other.switch.role is Role.MASTER
    assert homes(led, at_other) == led.homes
    assert sum(real.sessions for real in led.standby.balancer.reals()) == len(led.homes)
    assert led.standby.balancer.statistics.assignments == 0


def test_a_mobile_that_comes_to_another_switch_during_a_takeover_is_known_there() -> None:
    led, other = Led(), Network(datapath_id=2)
    at_other = FurtherConnection(led.standby, other)
    led.standby.leadership.is_leading, led.standby.leadership.generation = True, 2
    led.standby.fleet.on_leadership_changed()
    led.settle()
    other.settle()
    assert led.standby.switch.unrecovered.recovery.pending == len(led.homes)
    at_other.switch.adjacencies.update()
    assert homes(led, at_other) == led.homes


def test_a_switch_that_is_forgotten_is_no_longer_remembered() -> None:
    led = Led()
    budget = led.standby.leadership.followed
    led.standby.lose()
    assert budget.used == len(led.homes)
    led.clock.run_until(led.clock.now + FORGET_TIMEOUT)
    led.standby.fleet.tick(led.clock.now)
    assert (budget.used, budget.targets) == (0, 0)


def test_the_log_says_that_a_switch_has_lost_its_rules(caplog: pytest.LogCaptureFixture) -> None:
    led = Led()
    led.members.clear()
    lose_rules(led, led.leader, led.standby)
    started = led.join(b"3rd secret"[:KEY_LENGTH])
    started.lead(2)
    led.run(0.2)
    assert started.switch.role is Role.MASTER
    assert "has lost all rules since another member has served it" in caplog.text
    caplog.clear()
    led.members.clear()
    started.lose()
    another = led.join(b"4th secret"[:KEY_LENGTH])
    another.lead(3)
    led.run(0.2)
    assert another.switch.role is Role.MASTER
    assert "has lost all rules" not in caplog.text, "the switch has kept them"


def test_sessions_that_have_ended_meanwhile_are_not_remembered_where_the_switch_has_kept_its_rules() -> None:
    led = Led()
    led.standby.lose()
    led.leader.balancer.clear_sessions()
    led.run(0.2)
    led.standby.connect()
    led.run(2)
    led.kill_leader()
    led.run(1)
    assert len(led.standby.balancer.sessions) == 0


def test_what_is_older_than_the_idle_time_is_forgotten() -> None:
    led = Led()
    led.members.remove(led.leader)
    lose_rules(led, led.leader, led.standby)
    led.clock.run_until(led.clock.now + 301)
    connect_as_leader(led.standby)
    led.run(2)
    assert len(led.standby.balancer.sessions) == 0
    assert led.standby.switch.unrecovered.recovery.is_over


def test_what_is_remembered_gives_way_to_what_is_followed() -> None:
    budget = Budget(limit=10)
    target = RuleTarget(b"\x0a\1\1\x0a", b"actions")
    remembered = [RememberedSessions(), RememberedSessions()]
    for first, each in enumerate(remembered):
        each.keep(Followed({first * 100 + tag: target for tag in range(6)}, [target], [b"key"], True), budget, 0.0)
    assert [len(each) for each in remembered] == [6, 0], "the second one is too much"
    assert budget.used == 6
    remembered[0].discard()
    assert (budget.used, budget.targets, budget.views) == (0, 0, set())


def test_what_is_recalled_has_its_places_among_the_rules_that_wait() -> None:
    led = Led()
    led.members.remove(led.leader)
    lose_rules(led, led.leader, led.standby)
    connect_as_leader(led.standby)
    led.settle()
    room = led.standby.balancer.sessions.recovery_room
    assert room.pending == led.standby.switch.unrecovered.recovery.pending == len(led.homes)
    led.run(1)
    assert room.pending == led.standby.switch.unrecovered.recovery.pending == 0


def test_a_switch_that_loses_its_rules_just_after_a_takeover_gets_all_again() -> None:
    """The sessions that the new leader has followed are not all recovered yet."""
    led = Led()
    led.kill_leader()
    assert led.standby.switch.unrecovered.recovery.pending == len(led.homes)
    lose_rules(led, led.standby)
    led.standby.connect()
    led.run(2)
    assert led.standby.switch.role is Role.MASTER
    assert session_rules(led) == len(led.homes)
    assert {session.rule_at for session in led.standby.balancer.sessions} == {1}


def test_a_switch_that_does_not_report_its_rules_in_time_has_not_lost_them(caplog: pytest.LogCaptureFixture) -> None:
    led = Led()
    led.standby.lose()
    led.leader.balancer.clear_sessions()
    led.run(0.2)
    led.members.remove(led.leader)
    led.leader.link.close()
    led.switch.capabilities.silent_multiparts = frozenset({OFPMP_FLOW})
    connect_as_leader(led.standby)
    led.run(REPLY_TIMEOUT + 1)
    assert led.standby.switch.role is Role.MASTER
    assert led.standby.switch.channel is not None
    assert (len(led.standby.balancer.sessions), session_rules(led)) == (0, 0), "they have ended"
    assert "has lost all rules" not in caplog.text


def test_a_member_that_leads_again_over_one_connection_takes_the_switch_for_one_with_rules(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When it led for the first time, the switch had none."""
    led = Led()
    led.leader.leadership.is_leading = False
    led.standby.lead(2)
    led.leader.fleet.on_leadership_changed()
    led.run(2)
    assert led.standby.switch.role is Role.MASTER
    led.standby.leadership.is_leading = False
    led.leader.lead(3)
    led.standby.fleet.on_leadership_changed()
    led.run(1)
    assert led.leader.switch.role is Role.MASTER
    assert "has lost all rules" not in caplog.text


def at_another_switch(led: Led) -> FurtherConnection:
    """The switch and its leader are gone; the standby leads, and serves another switch."""
    other = Network(datapath_id=2)
    connection = FurtherConnection(led.standby, other)
    led.members.remove(led.leader)
    lose_rules(led, led.leader, led.standby)
    led.standby.lead(2)
    other.settle()
    led.run(0.1)
    other.settle()
    return connection


def test_sessions_that_are_known_at_another_switch_stay_within_the_limit_of_sessions() -> None:
    led = Led()
    at_other = at_another_switch(led)
    limit = len(led.homes) // 2
    led.standby.balancer.sessions.limit.limit = limit
    homes(led, at_other)
    assert len(led.standby.balancer.sessions) == limit


def test_a_session_that_is_cleared_at_another_switch_does_not_come_back() -> None:
    led = Led()
    at_other = at_another_switch(led)
    homes(led, at_other)
    assert led.standby.leadership.followed.used == 0, "what is a session is remembered no more"
    led.standby.balancer.clear_sessions()
    homes(led, at_other)
    assert led.standby.balancer.statistics.assignments == len(led.homes)


def test_the_keys_of_a_switch_that_has_others_each_time_are_limited() -> None:
    remembered, target = RememberedSessions(), RuleTarget(b"\x0a\1\1\x0a", b"actions")
    for number in range(10):
        keys = [bytes([number, each]) for each in range(MAX_KEYS)]
        remembered.keep(Followed({number: target}, [target], keys, is_current=False), Budget(100), 0.0)
    assert remembered.keys == keys
