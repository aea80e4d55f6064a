"""The flow monitor of the simulated switch beside that of Open vSwitch (ONF EXT-187)."""

from __future__ import annotations

from typing import Any

import pytest
from played_messages import (
    SESSION,
    bundle,
    cancel_monitor,
    classifier,
    flow_mod,
    monitor,
    ofp,
    parser,
    role,
    session_rule,
    to_controller,
)
from twin_switches import MONITOR_PAUSED, MONITOR_RESUMED, Twins

pytestmark = pytest.mark.lab

INITIAL, ADD, DELETE, MODIFY, ACTIONS, OWN = (1 << bit for bit in range(6))
CHANGES = ADD | DELETE | MODIFY
ADDED, DELETED, MODIFIED, ABBREVIATED = range(4)


def session(number: int) -> dict[str, Any]:
    return {**SESSION, "eth_src": f"02:00:00:00:00:{number:02x}"}


def deletion(number: int) -> bytes:
    return session_rule(ofp.OFPFC_DELETE_STRICT, match=session(number))


def modification(**options: Any) -> bytes:
    options = {"priority": 50000, "match": SESSION, "actions": [to_controller()], **options}
    return flow_mod(ofp.OFPFC_MODIFY_STRICT, table=1, **options)


def events(answers: list[Any]) -> list[int]:
    """The events of all updates."""
    return [update[0] for each in answers if each[0] == "updates" for update in each[-1]]


def test_a_monitor_begins_with_what_is_there_if_that_is_asked_for(twins: Twins) -> None:
    twins.play(0, classifier(), session_rule())
    assert len(events(twins.play(1, monitor(INITIAL | CHANGES | ACTIONS)))) == 2
    assert len(events(twins.play(1, monitor(INITIAL | CHANGES, table=1, number=2)))) == 1
    assert events(twins.play(1, monitor(CHANGES, number=3))) == []


@pytest.mark.parametrize("actions", [0, ACTIONS])
def test_changes_are_reported_to_a_slave_as_they_happen(twins: Twins, actions: int) -> None:
    twins.play(0, role(ofp.OFPCR_ROLE_MASTER, 5))
    twins.play(1, role(ofp.OFPCR_ROLE_SLAVE, 5), monitor(CHANGES | actions))
    twins.play(0, session_rule())
    assert events(twins.play(1)) == [ADDED]
    twins.play(0, modification())
    assert events(twins.play(1)) == [MODIFIED]
    twins.play(0, session_rule(ofp.OFPFC_DELETE_STRICT))
    assert events(twins.play(1)) == [DELETED]


def test_only_the_rules_and_events_that_are_asked_for_are_reported(twins: Twins) -> None:
    twins.play(1, monitor(ADD, table=1, match={"eth_type": 0x0800}))
    twins.play(0, classifier(), session_rule(), flow_mod(0, table=1, priority=9, match={"eth_type": 0x0806}))
    twins.play(0, session_rule(ofp.OFPFC_DELETE_STRICT))
    assert events(twins.play(1)) == [ADDED]


def test_an_equal_rule_is_added_again_and_an_unchanged_one_is_not_modified(twins: Twins) -> None:
    twins.play(1, monitor(CHANGES))
    twins.play(0, session_rule(), session_rule(), session_rule(cookie=7))
    assert events(twins.play(1)) == [ADDED] * 3
    twins.play(0, modification(), modification())
    assert events(twins.play(1)) == [MODIFIED]


def test_a_bundle_is_reported_whole_and_a_rejected_one_is_not(twins: Twins) -> None:
    twins.play(1, monitor(CHANGES | ACTIONS))
    twins.play(0, bundle(20, [session_rule(xid=20, match=session(each)) for each in range(4)]))
    assert events(twins.play(1)) == [ADDED] * 4
    too_many = [session_rule(xid=21, match=session(each)) for each in range(3, 20)]
    twins.play(0, bundle(21, too_many))
    assert events(twins.play(1)) == []


def test_changes_of_the_own_connection_are_abbreviated_to_one(twins: Twins) -> None:
    assert events(twins.play(0, monitor(CHANGES), session_rule(xid=31))) == [ABBREVIATED]
    answers = twins.play(0, bundle(32, [session_rule(xid=32, match=session(each)) for each in range(4)]))
    assert events(answers) == [ABBREVIATED]
    everything = flow_mod(ofp.OFPFC_DELETE, table=ofp.OFPTT_ALL, xid=33)
    assert events(twins.play(0, everything)) == [ABBREVIATED]


def test_changes_of_the_own_connection_are_reported_if_that_is_asked_for(twins: Twins) -> None:
    assert events(twins.play(0, monitor(CHANGES | OWN), session_rule(), session_rule(match=session(1)))) == [ADDED] * 2


def test_two_monitors_of_a_connection_report_a_change_once(twins: Twins) -> None:
    twins.play(1, monitor(CHANGES), monitor(CHANGES | ACTIONS, table=1, number=2, xid=52))
    twins.play(0, session_rule())
    assert events(twins.play(1)) == [ADDED]


def test_a_cancelled_monitor_reports_nothing(twins: Twins) -> None:
    twins.play(1, monitor(CHANGES), cancel_monitor())
    twins.play(0, session_rule())
    assert twins.play(1) == []


#: Rules; how often all of them are modified at most, and how often in a row the buffers of the connection must take
#: nothing of it: then they are full.
RULES, MAX_MODIFICATIONS, FULL_AFTER = 1000, 250, 10
TABLE = 2


def numbered(number: int) -> dict[str, Any]:
    return {**SESSION, "eth_src": f"02:00:00:00:{number >> 8:02x}:{number & 0xFF:02x}"}


def rule(number: int) -> bytes:
    return flow_mod(0, table=TABLE, priority=9, match=numbered(number), actions=[to_controller()])


def modify_all(round_: int) -> bytes:
    actions = [parser.OFPActionSetField(eth_dst=f"02:00:00:00:00:{round_:02x}"), to_controller()]
    return flow_mod(ofp.OFPFC_MODIFY, table=TABLE, actions=actions)


def test_a_monitor_pauses_while_its_controller_does_not_read(twins: Twins) -> None:
    """Behind the notice come deletions of old rules, then what is new or modified, then the notice that it resumes."""
    twins.play(0, *(rule(number) for number in range(RULES)))
    twins.play(1, monitor(CHANGES | ACTIONS, table=TABLE))
    fill(twins)
    old, short, new = RULES - 1, RULES, RULES + 1
    twins.play(0, rule(short), rule(new))
    twins.play(0, *(flow_mod(ofp.OFPFC_DELETE, table=TABLE, match=numbered(each)) for each in (old, short)))
    players = (twins.real[1], twins.simulated[1])
    real, simulated = (_behind_pause(each.play_all(lambda came: ADDED in events(came))) for each in players)
    assert real == simulated
    deleted, refreshed, added, end = real
    assert (deleted, refreshed, added) == (1, RULES - 1, 1)
    assert end == ("notice", 0, 0x4F4E4600, MONITOR_RESUMED)


def fill(twins: Twins) -> None:
    """Modify all rules until Open vSwitch can send no more of it: its monitor pauses until the controller reads."""
    in_a_row, before = 0, 0
    for number in range(MAX_MODIFICATIONS):
        twins.play(0, modify_all(number))
        now = twins.real[1].unread()
        in_a_row, before = in_a_row + 1 if 0 < now == before else 0, now
        if in_a_row == FULL_AFTER:
            return
    raise AssertionError(f"the buffers of the connection are not full, with {before} bytes")


def _behind_pause(answers: list[Any]) -> tuple[int, int, int, Any]:
    """How many rules were reported behind the last pause as deleted, modified and added; and the last answer.

    Open vSwitch resumes, and pauses again, for as long as the buffers of the connection take more.
    """
    pauses = [at for at, each in enumerate(answers) if each[:1] == ("notice",) and each[3] == MONITOR_PAUSED]
    found = events(answers[pauses[-1] :])
    return found.count(DELETED), found.count(MODIFIED), found.count(ADDED), answers[-1]
