"""A member hands what the election decides to the switches."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from cluster_member import leading_member

from ryu_haslb.cluster.database import Database
from ryu_haslb.cluster.election import RESIGNATION_INTERVAL, Election, Lead, View
from ryu_haslb.cluster.idl import SYNCHRONIZATION_TIMEOUT, Engine
from ryu_haslb.cluster.member import CONNECTION_TIMEOUT, RELEASE_TIMEOUT
from ryu_haslb.cluster.settings import MAX_NAME_LENGTH, ClusterSettings
from ryu_haslb.cluster.switchover_reason import SwitchoverReason


def test_a_resignation_that_no_member_follows_ends() -> None:
    """While a member resigns, each session rule is sent by itself; it must not stay so."""
    now = [1000.0]
    member = leading_member(lambda: now[0])
    changes: list[bool] = []
    member.on_change = lambda: changes.append(member.leadership.is_resigning)
    assert member.resign(SwitchoverReason.SWITCH_ACTIVITY)
    member._follow(False)
    assert member.leadership.is_resigning
    now[0] += RESIGNATION_INTERVAL
    member._follow(False)
    assert changes == [True, False]
    assert member.is_leading


def test_a_server_that_never_sends_the_tables_is_left() -> None:
    """It answers probes, and its answer to the request for the tables is lost, or bears another id."""
    reconnected: list[float] = []
    now = [0.0]
    idl = SimpleNamespace(
        run=lambda: None,
        state=None,
        _session=SimpleNamespace(is_connected=lambda: True),
        force_reconnect=lambda: reconnected.append(now[0]),
        tables={"Cluster": SimpleNamespace(rows={})},
        lock_name=None,
        set_lock=lambda _: None,
    )
    engine = Engine(lambda *_: idl, lambda _: None)
    database = Database(ClusterSettings("tcp:127.0.0.1:6641", "a"), Election("a"), lambda _: None, lambda: True, engine)
    for now[0] in (0.0, SYNCHRONIZATION_TIMEOUT - 1, SYNCHRONIZATION_TIMEOUT, SYNCHRONIZATION_TIMEOUT + 1):
        database.step(now[0])
    assert reconnected == [SYNCHRONIZATION_TIMEOUT]


def test_the_lock_is_released_when_the_switches_have_confirmed_their_rules() -> None:
    """The next leader would have a switch reject a session rule that is still on its way."""
    now = [1000.0]
    member = leading_member(lambda: now[0])
    member.on_change = lambda: member.leadership.awaited.update({"switch 1", "switch 2"})
    assert member.resign(SwitchoverReason.SWITCH_ACTIVITY)
    member.leadership.on_confirmed("switch 1")
    assert member.election.wants_lock(now[0])
    member.leadership.on_confirmed("switch 2")
    assert not member.election.wants_lock(now[0])
    assert member.leadership.is_resigning


def test_a_switch_that_does_not_confirm_delays_a_resignation_for_a_moment_only() -> None:
    now = [1000.0]
    member = leading_member(lambda: now[0])
    member.on_change = lambda: member.leadership.awaited.add("switch 1")
    assert member.resign(SwitchoverReason.SWITCH_ACTIVITY)
    member.step()
    assert member.election.wants_lock(now[0])
    assert member.leadership.is_resigning
    now[0] += RELEASE_TIMEOUT
    member.step()
    assert not member.election.wants_lock(now[0])


def test_a_second_resignation_does_not_delay_the_first() -> None:
    """An operator hands over, and then the process is stopped."""
    now = [1000.0]
    member = leading_member(lambda: now[0])
    member.on_change = lambda: member.leadership.awaited.add("switch 1")
    assert member.resign(SwitchoverReason.SWITCH_ACTIVITY)
    now[0] += RELEASE_TIMEOUT / 2
    assert member.resign(SwitchoverReason.SIGTERM)
    assert (member.resigning, member.is_awaiting_switches) == ("sigterm", True)
    now[0] += RELEASE_TIMEOUT / 2
    member.step()
    assert (member.is_awaiting_switches, member.election.wants_lock(now[0])) == (False, False)


def test_a_switch_that_a_resignation_before_has_waited_for_is_not_waited_for_again() -> None:
    now = [1000.0]
    member = leading_member(lambda: now[0])
    member.leadership.awaited.add("switch that has never confirmed")
    assert member.resign(SwitchoverReason.SWITCH_ACTIVITY)
    assert (member.is_awaiting_switches, member.election.wants_lock(now[0])) == (False, False)


def test_a_claim_that_was_under_way_does_not_end_a_resignation() -> None:
    """A leader that claims because of a generation at a switch is stopped: another member is to lead all the same."""
    now = [1000.0]
    member = leading_member(lambda: now[0])
    member.election.observe(View(True, True, 1, member.name), now[0])
    member.election.on_generation_at_switch(5, is_master_elsewhere=False)
    (claim,) = member.election.observe(View(True, True, 1, member.name), now[0])
    assert member.resign(SwitchoverReason.SIGTERM)
    member.election.observe(View(True, True, 1, member.name), now[0])
    for action in member.election.on_committed(claim.generation):
        member.act(action)
    assert (member.generation, member.is_leading) == (6, True)
    assert member.leadership.is_resigning
    assert member.resigning == "sigterm"
    assert not member.election.wants_lock(now[0])


def test_the_name_of_a_leader_in_the_database_can_control_no_terminal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    member = leading_member()
    shown = View(True, False, 2, "b\x1b[2J\nc" + "x" * 1000)
    monkeypatch.setattr(Database, "view", shown)
    for action in member.election.observe(shown, 0.0):
        member.act(action)
    assert member.leader.startswith("b")
    assert member.leader.isprintable()
    assert len(member.leader) <= 2 * MAX_NAME_LENGTH
    assert all(message.isprintable() for message in caplog.messages)
    assert not member.is_leading


def test_a_member_that_reaches_no_database_after_its_start_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """The certificate of the servers has expired, for example: the member has never been connected."""
    now = [1000.0]
    member = leading_member(lambda: now[0])
    member._report_connection(False)
    now[0] += CONNECTION_TIMEOUT
    for _ in range(3):
        member._report_connection(False)
    (line,) = (line for line in caplog.messages if "not connected to the database" in line)
    assert "a certificate does not fit or has expired" in line


def test_a_member_that_has_lost_the_connection_says_the_reasons_when_that_lasts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A certificate that has expired keeps no connection from going on, but the next one from being made."""
    now = [1000.0]
    member = leading_member(lambda: now[0])
    member._report_connection(True)
    now[0] += CONNECTION_TIMEOUT
    member._report_connection(False)
    assert "no connection to the database" in caplog.text
    now[0] += CONNECTION_TIMEOUT - 0.1
    member._report_connection(False)
    assert "not connected to the database" not in caplog.text
    now[0] += 0.1
    for _ in range(3):
        member._report_connection(False)
    assert caplog.text.count("a certificate does not fit or has expired") == 1


def test_a_leader_that_commits_a_newer_generation_says_that_another_cluster_may_lead_its_switches(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As where an operator has let members of two clusters be controllers of one switch: nothing else names that."""
    member = leading_member()
    caplog.clear()
    member.election.on_generation_at_switch(40, is_master_elsewhere=True)
    member.act(Lead(41))
    assert "leads (generation 41) anew, since a switch has seen a newer one" in caplog.text
    assert "another cluster leads the same switches" in caplog.text
