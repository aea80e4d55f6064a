"""A change that rolls back unless it is confirmed, in a cluster: at any member, and after the member that began it."""

from __future__ import annotations

import json
from typing import Optional

import pytest
from cluster_member import leading_member, standing_by_member
from control_process import Application

from ryu_haslb.cluster.configuration_rows import CONFIGURATION, Basis, SharedConfiguration
from ryu_haslb.cluster.health_rows import Clocks
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.rollback_rows import MAX_AHEAD, MAX_OVERDUE, ROLLBACK, PendingRollback, read_rollback
from ryu_haslb.cluster.rows import Columns
from ryu_haslb.cluster.servers import SCHEMA
from ryu_haslb.cluster.shared_state import Edit, NotConnectedError
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.control import configuring, reloading
from ryu_haslb.control.cluster_configuration import ClusterConfiguration
from ryu_haslb.control.cluster_rollback import ClusterRollback, NotCommittedError
from ryu_haslb.control.rollback import RETRY_INTERVAL, NotArmedError
from ryu_haslb.language.diagnostics import ConfigurationError

WEIGHT = "ip slb serverfarm HAFARM\nreal 10.1.1.51\nweight 3"


class Database:
    """Tables with one row at most; transactions verify what their members saw last."""

    def __init__(self, text: str) -> None:
        self.members: list[ClusterMember] = []
        self.rows: dict[str, Optional[Columns]] = {
            ROLLBACK.table: None,
            CONFIGURATION.table: SharedConfiguration(1, text, "a", "2026-01-02T03:04:05Z").row(),
        }

    def report(self) -> None:
        for member in self.members:
            member.read()


class Done:
    """A transaction that is over."""

    is_certain = True

    def __init__(self, error: str) -> None:
        self._error = error

    def outcome(self) -> str:
        return self._error


class ClusterMember:
    """A member with its application; it sees what it has read of the database last."""

    def __init__(self, database: Database, member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
        self.member, self.application = member, Application(4)
        self.now, self.wall = 1000.0, 50000.0
        self._database = database
        self._seen: dict[str, Optional[Columns]] = {}
        monkeypatch.setattr(member.shared, "change", self._change)
        self.rollback = ClusterRollback(member, lambda: Clocks(self.now, self.wall))
        self.application.rollback, self.application.member = self.rollback, member
        text = write_configuration(self.application.configuration)
        self.configuration = ClusterConfiguration(member, self.application, text, self.rollback.end_of_rollback)
        monkeypatch.setattr(self.application, "commit_configuration", self.configuration.commit)
        monkeypatch.setattr(self.configuration, "_reports", lambda _: ())
        self.read()

    @property
    def text(self) -> str:
        return write_configuration(self.application.configuration)

    def read(self) -> None:
        self._seen = dict(self._database.rows)
        for table, on_rows in ((ROLLBACK, self.rollback.on_rows), (CONFIGURATION, self.configuration.on_rows)):
            row = self._seen[table.table]
            on_rows([] if row is None else [row])
        if self.member.agreement.pending is not None:
            self.configuration._apply()

    def _change(self, *edits: Edit) -> Done:
        if not self._database.members:
            raise NotConnectedError("the database is not connected")
        wanted = dict(self._database.rows)
        for edit in edits:
            seen = self._seen[edit.kind.table]
            changes = edit.make({} if seen is None else {1: seen})
            is_stale = bool(changes.update or changes.delete) and seen != wanted[edit.kind.table]
            if changes.delete:
                wanted[edit.kind.table] = None
            if is_stale or (changes.insert and wanted[edit.kind.table] is not None):
                return Done("try again")
            for columns in (*changes.insert, *changes.update.values()):
                wanted[edit.kind.table] = {**(seen or {}), **columns}
        self._database.rows = wanted
        return Done("")


class Members:
    """A leader and a standby, after ``configure confirm 5`` at one of them and a change at the leader."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = Database(write_configuration(Application(4).configuration))
        self.leader = ClusterMember(self.database, leading_member(), monkeypatch)
        self.standby = ClusterMember(self.database, standing_by_member(), monkeypatch)
        self.before = self.leader.text
        self.database.members = [self.leader, self.standby]

    def arm_and_change(self, at: ClusterMember) -> None:
        at.rollback.arm(at.text, 5, at.now)
        self.database.report()
        configuring.apply_commands(self.leader.application, WEIGHT, "command")
        self.database.report()
        assert self.leader.text == self.standby.text != self.before

    def pass_time(self, seconds: float) -> None:
        for each in (self.leader, self.standby):
            each.now, each.wall = each.now + seconds, each.wall + seconds


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> Members:
    return Members(monkeypatch)


@pytest.mark.parametrize("where", ["leader", "standby"])
def test_the_leader_rolls_back_whichever_member_has_begun_to_wait(members: Members, where: str) -> None:
    members.arm_and_change(getattr(members, where))
    for each in (members.leader, members.standby):
        assert each.rollback.remark(each.now) == "the configuration rolls back in 5 min 0 s unless 'configure confirm'"
    members.pass_time(300.0)
    assert not members.standby.rollback.is_due(members.standby.now)
    assert members.leader.rollback.is_due(members.leader.now)
    reloading.roll_back(members.leader.application)
    members.database.report()
    assert members.leader.text == members.standby.text == members.before
    assert members.database.rows[ROLLBACK.table] is None
    assert members.standby.rollback.text is None


def test_a_new_leader_rolls_back_what_its_predecessor_was_to(members: Members) -> None:
    """The leader is killed before the change is confirmed; the other member leads when the time is over."""
    members.arm_and_change(members.leader)
    members.database.members = [members.standby]
    members.pass_time(300.0)
    successor = members.standby
    successor.member.election.state = members.leader.member.state
    assert successor.rollback.is_due(successor.now)
    reloading.roll_back(successor.application)
    assert successor.text == members.before


def test_a_member_that_starts_later_counts_from_the_same_moment(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    members.arm_and_change(members.leader)
    late = ClusterMember(members.database, standing_by_member(), monkeypatch)
    late.now, late.wall = 7.0, members.leader.wall + 240.0
    late.rollback._shared = None
    late.read()
    assert late.rollback.remark(7.0) == "the configuration rolls back in 1 min 0 s unless 'configure confirm'"


def test_what_is_confirmed_at_one_member_is_so_at_all(members: Members, caplog: pytest.LogCaptureFixture) -> None:
    members.arm_and_change(members.leader)
    members.standby.rollback.confirm()
    members.database.report()
    members.pass_time(1e6)
    assert not members.leader.rollback.is_due(members.leader.now)
    assert members.leader.text != members.before
    assert "the configuration no longer rolls back" in caplog.text
    with pytest.raises(NotArmedError):
        members.leader.rollback.confirm()


def test_a_change_is_confirmed_or_rolled_back_and_never_both(members: Members) -> None:
    """Each of the two members has not read yet what the other one has committed."""
    members.arm_and_change(members.leader)
    members.standby.rollback.confirm()
    with pytest.raises(ConfigurationError, match="another member has changed it meanwhile"):
        configuring.roll_back(members.leader.application, lambda: members.leader.now)
    members.database.report()
    assert members.leader.text != members.before
    assert not members.leader.rollback.is_due(members.leader.now + RETRY_INTERVAL)


def test_it_is_too_late_to_confirm_at_a_member_that_has_not_seen_the_rollback(members: Members) -> None:
    members.arm_and_change(members.leader)
    configuring.roll_back(members.leader.application, lambda: members.leader.now)
    with pytest.raises(NotCommittedError, match="nothing was changed: another member"):
        members.standby.rollback.confirm()
    members.database.report()
    assert members.standby.text == members.before


def test_a_change_while_it_rolls_back_does_not_end_the_waiting(members: Members) -> None:
    """An operator's change may be on its way when the time is over."""
    members.arm_and_change(members.leader)
    members.leader.rollback.begin()
    list(members.leader.configuration.commit(members.leader.text + "hostname x\n", "command", Basis.IN_FORCE)())
    assert members.database.rows[ROLLBACK.table] is not None


def test_a_second_timer_at_another_member_keeps_the_configuration_to_go_back_to(members: Members) -> None:
    members.arm_and_change(members.leader)
    members.standby.rollback.arm(members.standby.text, 10, members.standby.now)
    members.database.report()
    for each in (members.leader, members.standby):
        assert each.rollback.text == members.before
        assert str(each.rollback.remark(each.now)).startswith("the configuration rolls back in 10 min")


def test_without_the_database_nothing_begins_to_wait(members: Members) -> None:
    members.database.members = []
    with pytest.raises(NotCommittedError, match="nothing was changed: the database is not connected"):
        members.leader.rollback.arm(members.before, 5, members.leader.now)
    assert members.leader.rollback.text is None


def test_a_stop_says_that_another_member_rolls_back(members: Members, caplog: pytest.LogCaptureFixture) -> None:
    members.arm_and_change(members.leader)
    members.leader.rollback.on_stop("haslb.ios")
    assert caplog.messages[-1].endswith("the leader rolls it back unless 'configure confirm'")


def test_the_row_has_the_columns_of_the_schema_and_is_read_back() -> None:
    row = PendingRollback("hostname x\n", 5).row()
    assert set(row) == set(ROLLBACK.columns) == set(json.loads(SCHEMA.read_text())["tables"]["Rollback"]["columns"])
    assert read_rollback([row], now=5.0) == PendingRollback("hostname x\n", 5)
    assert read_rollback([], now=5.0) is None


NOW = 50_000_000
#: Rows that no member writes, and what is said of them.
NONSENSE: list[tuple[list[dict[str, object]], str]] = [
    ([{"text": "", "deadline": -1}], "the deadline -1"),
    ([{"text": "", "deadline": 0}], "the deadline 0"),
    ([{"text": "", "deadline": NOW - MAX_OVERDUE - 1}], "expected seconds since 1970 that are between 30 days ago"),
    ([{"text": "", "deadline": NOW + MAX_AHEAD + 1}], "and in 2 days"),
    ([{"text": "", "deadline": (1 << 63) - 1}], "the deadline 9223372036854775807"),
    ([{"text": "x" * (2 << 20), "deadline": NOW}], "a configuration of 2097152 characters"),
    ([{"text": 5, "deadline": NOW}], "values of other types"),
    ([{"text": "", "deadline": (NOW,)}], "values of other types"),
    ([{"text": "", "deadline": NOW}] * 1000, "1000 rows"),
]


@pytest.mark.parametrize(("rows", "said"), NONSENSE, ids=[said for _, said in NONSENSE])
def test_rows_that_no_member_writes_are_named_once_and_nothing_rolls_back(
    rows: list[Columns], said: str, members: Members, caplog: pytest.LogCaptureFixture
) -> None:
    leader = members.leader
    leader.wall = NOW
    for _ in range(3):
        leader.rollback.on_rows(rows)
        assert not leader.rollback.is_due(1e12)
    assert leader.rollback.remark(leader.now) is None
    (line,) = caplog.messages
    assert "the table Rollback has" in line
    assert said in line
    with pytest.raises(NotArmedError):
        leader.rollback.confirm()


def test_rows_that_no_member_writes_do_not_end_the_waiting_for_a_change(members: Members) -> None:
    members.arm_and_change(members.leader)
    members.database.rows[ROLLBACK.table] = PendingRollback("", (1 << 63) - 1).row()
    members.database.report()
    members.pass_time(300.0)
    assert members.leader.rollback.is_due(members.leader.now)
    reloading.roll_back(members.leader.application)
    assert members.leader.text == members.before
    assert members.database.rows[ROLLBACK.table] is None


def test_rows_that_no_member_writes_are_replaced_by_the_next_change_that_waits(members: Members) -> None:
    members.database.rows[ROLLBACK.table] = PendingRollback("nonsense", 0).row()
    members.leader.wall = members.standby.wall = float(NOW)
    members.database.report()
    members.arm_and_change(members.leader)
    members.database.report()
    assert members.leader.rollback.text == members.standby.rollback.text == members.before


def test_what_to_go_back_to_outlives_a_row_that_is_spoilt_and_a_second_timer(members: Members) -> None:
    members.arm_and_change(members.leader)
    members.database.rows[ROLLBACK.table] = {"text": "x", "deadline": -(10**10)}
    members.database.report()
    members.leader.rollback.arm(members.leader.text, 10, members.leader.now)
    members.database.report()
    assert members.leader.rollback.text == members.standby.rollback.text == members.before


def test_a_leader_that_cannot_read_what_is_in_force_rolls_it_back_all_the_same(members: Members) -> None:
    """An older version leads when the time is over. What comes back was in force at all members."""
    members.leader.rollback.arm(members.leader.text, 5, members.leader.now)
    members.database.report()
    members.database.members = [members.leader]
    configuring.apply_commands(members.leader.application, WEIGHT, "command")
    members.leader.read()
    older, rows = members.standby, members.database.rows
    older._seen = dict(rows)
    agreement, shared, waiting = older.member.agreement, rows[CONFIGURATION.table], rows[ROLLBACK.table]
    assert shared is not None and waiting is not None
    agreement.on_rows([shared])
    assert agreement.pending is not None
    agreement.on_refused(agreement.pending, "unknown command")
    older.rollback.on_rows([waiting])
    members.database.members = [older]
    members.pass_time(300.0)
    older.member.election.state = members.leader.member.state
    reloading.roll_back(older.application)
    rolled_back = members.database.rows[CONFIGURATION.table]
    assert rolled_back is not None and rolled_back["text"] == members.before
    assert older.rollback.text is None


def test_a_machine_whose_clock_is_set_later_follows_what_the_others_wait_for(members: Members) -> None:
    """A machine without a clock of its own starts in 1970."""
    members.standby.wall = NOW
    members.database.rows[ROLLBACK.table] = PendingRollback("hostname x\n", NOW + 300).row()
    members.leader.wall = 0.0
    members.database.report()
    assert (members.leader.rollback.text, members.standby.rollback.text) == (None, "hostname x\n")
    members.leader.wall = NOW
    assert not members.leader.rollback.is_due(members.leader.now)
    assert members.leader.rollback.text == "hostname x\n"


def test_a_deadline_by_a_clock_that_is_ahead_is_a_day_away_at_most(members: Members) -> None:
    members.database.rows[ROLLBACK.table] = PendingRollback("", int(members.leader.wall) + MAX_AHEAD).row()
    members.database.report()
    assert str(members.leader.rollback.remark(members.leader.now)).startswith(
        "the configuration rolls back in 1440 min"
    )
    assert members.leader.rollback.confirm_by(members.leader.now, members.leader.wall)
