"""The configuration of the cluster as one member applies it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Optional

import pytest
from cluster_member import standing_by_member
from control_process import Application

from ryu_haslb.cluster.configuration_rows import Basis, SharedConfiguration
from ryu_haslb.cluster.member_rows import MemberInfo
from ryu_haslb.cluster.rows import Changes, Columns
from ryu_haslb.cluster.shared_state import Edit, NotConnectedError
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control import configuring
from ryu_haslb.control.cluster_configuration import ClusterConfiguration
from ryu_haslb.control.operations import UndecidedError
from ryu_haslb.language.diagnostics import ConfigurationError


def test_a_member_that_fails_to_apply_a_configuration_says_so_and_may_lead(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Members would be left without a leader if a configuration stayed pending at all of them."""
    member, application = standing_by_member(), Application()
    shared = ClusterConfiguration(member, application, "")

    def fail(*_: Any) -> None:
        raise RecursionError("fault")

    monkeypatch.setattr(configuring, "apply_shared", fail)
    assert not member.may_lead()
    member.agreement.on_rows([SharedConfiguration(7, "hostname x\n", "b", "2026-01-02T03:04:05Z").row()])
    assert not member.may_lead()
    shared._apply()
    assert member.may_lead()
    assert member.agreement.refused.startswith("revision 7 (b, 2026-01-02T03:04:05Z): it cannot be applied here")
    assert "cannot be applied" in caplog.text


class FakeCommit:
    """A transaction; ``outcomes`` are what it is at each look, the last one from then on."""

    def __init__(self, outcomes: Sequence[Optional[str]], is_certain: bool = True) -> None:
        self._outcomes = list(outcomes)
        self.is_certain = is_certain

    def outcome(self) -> Optional[str]:
        return self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]


class Shared:
    """A member's part in the configuration of the cluster, on a database and a clock of the test.

    ``commit`` is what the next change becomes; ``changes`` are those that were begun, against ``rows``.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.member = standing_by_member()
        self.application = Application()
        self.configuration = ClusterConfiguration(self.member, self.application, OLD)
        self.commit = FakeCommit([None, ""])
        self.rows: dict[str, Columns] = {"id": in_force(3, OLD).row()}
        self.changes: list[Changes] = []
        monkeypatch.setattr("ryu_haslb.control.cluster_configuration.time.monotonic", lambda: self.now)
        monkeypatch.setattr("ryu_haslb.control.cluster_configuration.eventlet.sleep", self._sleep)
        monkeypatch.setattr(self.member.shared, "change", self._change)
        self.member.agreement.on_rows(self.rows.values())

    def others(self, refused: str = "", **revisions: int) -> None:
        """The other members that are present, and the revision that each has applied."""
        rows = [
            MemberInfo(name, "1", 1, "standby", 0, "", "", "0.1.0", 0, 1, None, revision, refused).row()
            for name, revision in revisions.items()
        ]
        self.member.members.on_rows(rows, self.now)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _change(self, edit: Edit) -> FakeCommit:
        changes = edit.make(self.rows)
        assert changes.verify == "revision", "of two changes at two members one must be refused"
        self.changes.append(changes)
        return self.commit


OLD, NEW = "hostname old\n", "hostname new\n"


def in_force(revision: int, text: str) -> SharedConfiguration:
    return SharedConfiguration(revision, text, "member-a", "2026-01-02T03:04:05Z")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Shared:
    return Shared(monkeypatch)


def test_a_change_is_committed_as_the_next_revision_of_all_members(shared: Shared) -> None:
    shared.others(a=4)
    assert list(shared.configuration.commit(NEW, "command", Basis.IN_FORCE)()) == []
    (changes,) = shared.changes
    (row,) = changes.update.values()
    assert (row["revision"], row["text"], row["changed_by"]) == (4, NEW, "member-b: command")
    assert (shared.member.agreement.text, shared.member.agreement.pending) == (NEW, None)


def test_what_is_in_force_already_is_not_committed_again(shared: Shared) -> None:
    assert list(shared.configuration.commit(OLD, "command", Basis.IN_FORCE)()) == []
    assert shared.changes == []


def test_no_success_is_reported_where_the_clusters_configuration_is_another_one(shared: Shared) -> None:
    """What this member has in force is that of the file, but the cluster's is one that this member has refused."""
    refused = in_force(4, "frobnicate\n")
    shared.member.agreement.on_rows([refused.row()])
    shared.member.agreement.on_refused(refused, "unknown command")
    shared.others(a=4)
    with pytest.raises(ConfigurationError, match="change it at a"):
        shared.configuration.commit(OLD, "haslb.ios", Basis.FILE)
    assert shared.changes == []


def test_what_every_member_refuses_is_replaced_by_what_is_in_force(shared: Shared) -> None:
    """Nonsense that others have written into the database. Before, the database was the only way out."""
    refused = in_force(4, "frobnicate\n")
    shared.member.agreement.on_rows([refused.row()])
    shared.member.agreement.on_refused(refused, "unknown command")
    shared.others("revision 4: unknown command", a=3)
    list(shared.configuration.commit(OLD, "haslb.ios", Basis.FILE)())
    (row,) = shared.changes[0].update.values()
    assert (row["revision"], row["text"]) == (5, OLD)
    assert not shared.member.agreement.refused


def test_of_two_changes_at_two_members_the_second_is_refused(shared: Shared) -> None:
    shared.commit = FakeCommit([None, "try again"])
    with pytest.raises(ConfigurationError, match="another member has changed it meanwhile"):
        shared.configuration.commit(NEW, "command", Basis.IN_FORCE)
    assert shared.member.agreement.text == OLD


@pytest.mark.parametrize(
    ("commit", "reason"),
    [
        (FakeCommit([None]), "the database has not answered within 5 s"),
        (FakeCommit([None, "not connected"], is_certain=False), "the connection to the database was lost"),
    ],
)
def test_a_change_whose_fate_is_not_known_is_not_called_refused(
    shared: Shared, commit: FakeCommit, reason: str
) -> None:
    shared.commit = commit
    with pytest.raises(UndecidedError, match=reason):
        shared.configuration.commit(NEW, "command", Basis.IN_FORCE)
    assert shared.member.agreement.text == OLD


def test_without_the_database_nothing_is_changed(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise NotConnectedError("the database is not connected")

    monkeypatch.setattr(shared.member.shared, "change", refuse)
    with pytest.raises(ConfigurationError, match="the database is not connected"):
        shared.configuration.commit(NEW, "command", Basis.IN_FORCE)


def test_members_that_do_not_apply_a_change_in_time_are_named(shared: Shared) -> None:
    shared.others(a=4, c=3)
    (note,) = shared.configuration.commit(NEW, "command", Basis.IN_FORCE)()
    assert note == "member c has not reported within 3 s that it has applied it"


def test_a_revision_that_no_member_can_follow_is_replaced_by_what_is_in_force(shared: Shared) -> None:
    """``haslb configure --from-file`` is the way out, also if the file is what is in force."""
    shared.rows = {"id": {**in_force(3, NEW).row(), "revision": (1 << 63) - 1}}
    shared.member.agreement.on_rows(shared.rows.values())
    assert shared.member.agreement.refused
    assert list(shared.configuration.commit(OLD, "haslb.ios", Basis.FILE)()) == []
    (row,) = shared.changes[0].update.values()
    assert (row["revision"], row["text"]) == (4, OLD)


def test_a_committed_change_that_could_not_be_put_in_force_here_is_applied_again(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster has it, so this member must not go on with another one as if it had applied it."""
    application, agreement = shared.application, shared.member.agreement
    configure, attempts = application.configure, iter([RuntimeError("fault"), None])

    def fail_once(configuration: Configuration) -> None:
        fault = next(attempts)
        if fault is not None:
            raise fault
        configure(configuration)

    monkeypatch.setattr(application, "configure", fail_once)
    monkeypatch.setattr(application, "commit_configuration", shared.configuration.commit)
    before = application.configuration
    with pytest.raises(RuntimeError):
        configuring.apply_commands(application, "ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 3", "command")
    assert application.configuration is before
    assert agreement.pending is not None and agreement.shared == in_force(3, OLD)
    shared.configuration._apply()
    assert agreement.pending is None
    assert (application.bench.reals[0].configuration.weight, agreement.shared.revision) == (3, 4)


@pytest.mark.parametrize(("revision", "is_older"), [(2, True), (4, False)])
def test_a_database_that_was_restored_to_an_earlier_state_is_followed_and_reported(
    shared: Shared, caplog: pytest.LogCaptureFixture, revision: int, is_older: bool
) -> None:
    """The configuration goes back for all members, and an operator who did not want that has to see it."""
    shared.configuration.on_rows([in_force(revision, NEW).row()])
    shared.configuration._apply()
    assert shared.member.agreement.text == NEW
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert any("is older than what was in force here, revision 3 (member-a" in each for each in warnings) is is_older


def test_the_leader_logs_what_becomes_of_its_sessions_by_a_change_at_another_member(
    shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    """It alone has them: the member that was given the command counts none."""
    caplog.set_level(logging.INFO)
    application = shared.application
    application.begin(5)
    drained = write_configuration(application.configuration, with_secrets=True)
    drained = drained.replace("real 10.1.1.51\n", "real 10.1.1.51\n  drain\n")
    shared.configuration._is_first = False
    shared.configuration.on_rows([in_force(4, drained).row()])
    shared.configuration._apply()
    *_, consequence, applied = [line for line in caplog.messages if line.startswith("%SLB-5-CONFIG")]
    assert "real server 10.1.1.51 of farm HAFARM is drained: 3 sessions" in consequence
    assert " applied lines=" in applied
