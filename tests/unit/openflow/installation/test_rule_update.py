"""A switch that rejects an update of its standing rules goes on with those that it has accepted before."""

from __future__ import annotations

from ryu_haslb.openflow.delivery.accepted_rules import Accepted
from ryu_haslb.openflow.flow_tables.layout import Layout
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Rule, udp_match
from ryu_haslb.openflow.flow_tables.rule_messages import changes, replacement, restoration
from ryu_haslb.openflow.installation.rule_update import RuleUpdate, difference, way_back

XID = 7
SHARED, OLD, NEW = (Rule(Purpose.PUNT_REQUEST, udp_match(f"10.1.1.{number}", 434)) for number in (10, 11, 12))
FORMER = Accepted([SHARED, OLD], Layout(), 0.0)


def back_from(rejected: RuleUpdate, *, is_atomic: bool) -> list[bytes]:
    return way_back(FORMER, rejected, is_atomic).messages(True, XID)


def test_a_difference_that_was_rejected_in_one_bundle_has_changed_nothing() -> None:
    assert back_from(difference(FORMER.rules, [SHARED, NEW], Layout()), is_atomic=True) == []


def test_a_difference_that_was_rejected_rule_by_rule_is_taken_back() -> None:
    rejected = difference(FORMER.rules, [SHARED, NEW], Layout())
    assert back_from(rejected, is_atomic=False) == changes([OLD], [NEW], True, XID)


def test_behind_a_replacement_all_former_rules_are_added_again() -> None:
    """It is not known which of the rules that it has deleted are there."""
    rejected = RuleUpdate([SHARED, NEW], Layout(), replacement)
    for is_atomic in (True, False):
        again = changes((), [NEW], True, XID) + restoration(FORMER.rules, True, XID)
        assert back_from(rejected, is_atomic=is_atomic) == again
