"""The tables, priorities and cookies of the application (OpenFlow 1.3.5, section 5)."""

from __future__ import annotations

import re

import pytest

from ryu_haslb.openflow.flow_tables import pipeline
from ryu_haslb.openflow.flow_tables.pipeline import PIPELINE, SESSION_PRIORITY, Action, Purpose, Rule, Table
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_BITS, COOKIE_MARK_MASK


def test_every_purpose_has_its_place_in_the_pipeline() -> None:
    assert set(PIPELINE) == set(Purpose)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_cookie_has_the_mark_and_the_purpose(purpose: Purpose) -> None:
    assert purpose.cookie & COOKIE_MARK_MASK == COOKIE_MARK
    assert Purpose(purpose.cookie >> COOKIE_MARK_BITS) is purpose


def test_the_drawing_has_every_priority_and_no_other() -> None:
    assert pipeline.__doc__ is not None
    _, *tables = re.split(r"-- table (?:0, CLASSIFIER|1, SESSIONS|2, REPLIES) -", pipeline.__doc__)
    for table, drawn in zip(Table, tables):
        priorities = {entry.priority for entry in PIPELINE.values() if entry.table is table}
        if table is Table.SESSIONS:
            priorities.add(SESSION_PRIORITY)
        assert {int(each) for each in re.findall(r"^ +\| +(\d+)  ", drawn, re.MULTILINE)} == priorities


def test_session_rules_precede_the_session_miss() -> None:
    assert PIPELINE[Purpose.PUNT_SESSION_MISS].table is Table.SESSIONS
    assert PIPELINE[Purpose.PUNT_SESSION_MISS].priority < SESSION_PRIORITY


def test_only_what_goes_to_the_controller_is_metered() -> None:
    assert all(entry.action is Action.PUNT for entry in PIPELINE.values() if entry.metered)


def test_the_rule_of_a_client_precedes_the_rule_for_all_and_has_its_own_meter() -> None:
    common, own = Rule(Purpose.PUNT_REQUEST), Rule(Purpose.PUNT_REQUEST, {"ipv4_src": "10.1.1.101"}, client_meter=7)
    assert (own.priority, own.meter) == (common.priority + 1, 7)
