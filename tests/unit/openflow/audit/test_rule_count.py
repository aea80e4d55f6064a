"""When the session rules of a switch are compared although their number is right (docs/flows.md, the audit)."""

from __future__ import annotations

import pytest
from farm_builder import SWITCH, Bench
from wired_switch import Wired

from ryu_haslb.openflow.audit import rule_count
from ryu_haslb.openflow.audit.rule_count import COMPARE_INTERVAL, RuleCount
from ryu_haslb.openflow.delivery.table_output import TableOutput
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.sessions.session_rules import SessionRules
from ryu_haslb.openflow.wire.multipart import rule_count_request, table_stats_request
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK


def after_readings(*seconds: float) -> RuleCount:
    """A count after comparisons that found nothing; the last one has ended at 0."""
    balancer = Bench(1).balancer
    count = RuleCount(SWITCH, SessionRules(SWITCH, balancer, {}, TableOutput(SWITCH)), balancer.sessions)
    for reading in seconds:
        count.on_compared(-reading, 0.0, reading, is_clean=True, is_due_again=False)
    return count


def test_a_reading_that_a_busy_machine_makes_long_delays_no_comparison() -> None:
    """Rules that others have changed are found within 10 seconds."""
    assert after_readings(0.001, 0.5, 0.5, 0.5).is_comparison_due(COMPARE_INTERVAL)


def test_a_table_that_always_takes_long_is_compared_less_often() -> None:
    count = after_readings(0.001, 0.5, 0.5, 0.5, 0.5)
    assert not count.is_comparison_due(100.0)
    assert count.is_comparison_due(150.0)


def after_difference(took: float, has_corrected: bool) -> RuleCount:
    """A count after a comparison that a difference has caused, which has ended at 0; the same difference is found."""
    count = after_readings(0.1)
    count.on_rules(7, -took)
    count.on_comparison()
    if has_corrected:
        count.on_corrected()
    count.on_compared(-took, 0.0, 0.1, is_clean=not has_corrected, is_due_again=False)
    count.on_rules(3, 1.0)
    return count


def test_rules_that_are_deleted_soon_after_a_comparison_are_compared_at_once() -> None:
    """docs/flows.md: deleted rules are restored within 10 seconds. Comparing 9,000 rules may take two of them."""
    count = after_readings(2.0)
    count.on_rules(7, 1.0)
    assert count.is_comparison_due(1.0)
    assert after_difference(2.0, has_corrected=True).is_comparison_due(1.0), "somebody deletes again and again"


def test_a_difference_that_is_a_false_alarm_does_not_keep_the_switch_busy() -> None:
    """In a storm the number of rules is never quite that of the sessions."""
    count = after_difference(2.0, has_corrected=False)
    assert not count.is_comparison_due(19.9)
    assert count.is_comparison_due(20.0)


@pytest.mark.parametrize(("rules", "agrees"), [(0, True), (3, True), (5, False)])
def test_a_rule_that_was_sent_between_the_two_counts_may_be_there_or_not(rules: int, agrees: bool) -> None:
    """It counts once, also while the switch has not confirmed it."""
    wired = Wired()
    count = RuleCount(wired.fake.datapath_id, wired.switch.rules, wired.balancer.sessions)
    assert count.count()
    for number in range(3):
        wired.request(f"user{number}")
    wired.flush()
    assert wired.switch.rules.uncertain == 3
    assert count.on_rules(rules, wired.now) is agrees


OF_OURS = rule_count_request(7, Table.SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK)
OF_ALL = table_stats_request(7)


def test_rules_with_our_mark_are_counted_unless_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that others put in the place of ours do not change the number of all."""
    monkeypatch.setattr(rule_count, "MAX_SELECTED", 2)
    wired = Wired()
    count = RuleCount(wired.fake.datapath_id, wired.switch.rules, wired.balancer.sessions)
    for number, request in enumerate([OF_OURS, OF_OURS, OF_OURS, OF_ALL]):
        assert count.count()
        assert count.request(7) == request
        wired.request(f"user{number}")
        wired.settle()


def test_the_rules_of_others_that_are_in_one_number_are_not_expected_in_the_other() -> None:
    count = after_readings(0.1)
    assert count.request(7) == OF_OURS
    count.on_no_count(0.0)
    assert count.request(7) == OF_ALL
    assert count.on_rules(1, 0.0)
    for _ in range(2):  # the second time after a comparison that has found nothing
        assert not count.on_rules(5, 0.0)
        count.on_compared(0.0, 0.0, 0.1, is_clean=True, is_due_again=False)
    assert count.on_rules(5, 0.0), "four are of others"


@pytest.mark.parametrize("rejections", [1, 2])
def test_a_switch_is_asked_for_both_numbers_until_it_has_rejected_both(rejections: int) -> None:
    count = after_readings(0.1)
    for _ in range(rejections):
        count.request(7)
        count.on_rejected()
        count.on_no_count(0.0)
    assert count.is_due(rule_count.COUNT_INTERVAL) == (rejections == 1)


def in_a_storm(sent: int, former: int = 0) -> RuleCount:
    """A count, begun at 0. After 3 seconds the switch has all rules that were sent, and those of a former run."""
    bench = Bench(1)
    rules = SessionRules(SWITCH, bench.balancer, {}, TableOutput(SWITCH))
    count = RuleCount(SWITCH, rules, bench.balancer.sessions)
    for number in range(former):
        session = bench.request(f"user{number}").session
        assert session is not None
        session.rule_at = SWITCH
    count.begin(0.0)
    assert count.count()
    rules.changes += sent
    assert count.on_rules(former + sent + 1, 3.0), "changes may explain the difference"
    return count


def test_a_storm_after_a_start_is_not_slowed_down_by_a_comparison_of_its_own_rules() -> None:
    """docs/flows.md: a comparison takes 0.3 % of the switch's time. With 30,000 rules it delays requests by 7 ms."""
    count = in_a_storm(sent=30_000)
    assert not count.is_comparison_due(29.0)
    assert count.is_comparison_due(31.0)


def test_a_change_of_the_standing_rules_in_a_storm_does_not_have_its_rules_compared() -> None:
    count = in_a_storm(sent=30_000)
    count.begin(4.0)
    assert count.on_rules(30_001, 7.0)
    assert not count.is_comparison_due(33.0)


def test_a_small_table_is_compared_6_seconds_after_a_start() -> None:
    assert in_a_storm(sent=100).is_comparison_due(COMPARE_INTERVAL)


def test_rules_of_a_former_run_are_compared_6_seconds_after_a_start() -> None:
    """Others may have changed them before this balancer came."""
    assert in_a_storm(sent=20_000, former=1).is_comparison_due(COMPARE_INTERVAL)
