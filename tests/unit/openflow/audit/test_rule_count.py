"""When the session rules of a switch are compared although their number is right (docs/flows.md, the audit)."""

from __future__ import annotations

from farm_builder import SWITCH, Bench

from ryu_haslb.openflow.audit.rule_count import COMPARE_INTERVAL, RuleCount
from ryu_haslb.openflow.delivery.table_output import TableOutput
from ryu_haslb.openflow.sessions.session_rules import SessionRules


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
