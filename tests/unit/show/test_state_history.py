"""The history of changes: what the log has, who leads, and the configuration; bounded."""

from __future__ import annotations

import pytest
from control_process import Application

from ryu_haslb.cluster.member import Member
from ryu_haslb.control import configuring
from ryu_haslb.control.execution import execute
from ryu_haslb.show.history import state_changes
from ryu_haslb.show.state_history import MAX_AGE, MAX_CHANGES, MAX_TEXT, Kind, StateHistory
from ryu_haslb.show.state_log import StateLog


def test_a_change_that_is_logged_is_in_the_history() -> None:
    application = Application()
    watch = StateLog(application.sources, 0.0, application.history)
    for real in application.bench.reals:
        real.in_service = False
    lines = list(watch.changes(application.sources, 1.0))
    assert lines[0].startswith("%SLB-2-FARM: farm=HAFARM state=FAILED was=OPERATIONAL (new mobiles get no answer")
    assert [line.partition(":")[0] for line in lines[1:]] == ["%SLB-6-REAL"] * 2
    rows = list(state_changes(application.sources))
    assert [(row["kind"], row["name"], row["state"], row["was"]) for row in rows] == [
        ("real", "10.1.1.52 (HAFARM)", "OUTOFSERVICE", "OPERATIONAL"),
        ("real", "10.1.1.51 (HAFARM)", "OUTOFSERVICE", "OPERATIONAL"),
        ("farm", "HAFARM", "FAILED", "OPERATIONAL"),
    ]
    lines = [line for line in execute(application, ["show", "ip", "slb", "history"]).lines if line is not None]
    assert lines[-1].split()[1:] == ["farm", "HAFARM", "FAILED", "OPERATIONAL"]


def test_a_change_of_the_configuration_is_in_the_history_with_its_source() -> None:
    application = Application()
    configuring.apply_commands(application, "ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 3", "command")
    configuring.apply_commands(application, "ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 3", "command")
    (row,) = state_changes(application.sources)
    assert (row["kind"], row["name"], row["state"]) == ("configuration", "command", "2 lines")


def test_a_takeover_is_in_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    application = Application()
    watch = StateLog(application.sources, 0.0, application.history)
    monkeypatch.setattr(Member, "leader", property(lambda _: "west"))
    assert list(watch.changes(application.sources, 1.0)) == [], "the cluster logs it"
    (row,) = state_changes(application.sources)
    assert (row["kind"], row["name"], row["state"], row["was"]) == ("redundancy", "leader", "west", "none")


def test_the_history_is_bounded_in_number_in_age_and_in_size() -> None:
    now = 0.0
    history = StateHistory(monotonic=lambda: now)
    for number in range(MAX_CHANGES + 10):
        history.record(Kind.SWITCH, str(number) * MAX_TEXT, "connected", "none")
    found = list(history.newest_first())
    assert len(found) == MAX_CHANGES
    assert max(len(each.name) for each in found) == MAX_TEXT
    now = MAX_AGE + 1.0
    assert list(history.newest_first()) == []
    history.record(Kind.SWITCH, "new", "connected", "none")
    assert len(history._changes) == 1


def test_a_wall_clock_that_jumps_loses_and_reorders_nothing() -> None:
    """As that of a machine that starts with a wrong time, until NTP sets it."""
    wall = 0.0
    history = StateHistory(lambda: wall, lambda: 5.0)
    for jump, name in ((0.0, "first"), (2 * MAX_AGE, "years later"), (-MAX_AGE, "before all")):
        wall = jump
        history.record(Kind.SWITCH, name, "connected", "none")
    assert [(each.at, each.name) for each in history.newest_first()] == [
        (-MAX_AGE, "before all"),
        (2 * MAX_AGE, "years later"),
        (0.0, "first"),
    ]
