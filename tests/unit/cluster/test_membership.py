"""What a member says of itself, what it does about what others say, and how a leadership is recorded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Optional

import pytest
from cluster_member import leading_member

from ryu_haslb.cluster.database import Database
from ryu_haslb.cluster.election import LOCK_GRACE_INTERVAL, Election, MemberState, View
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.member_rows import (
    ABSENCE_TIMEOUT,
    BEAT_INTERVAL,
    FORGET_TIMEOUT,
    MEMBER,
    SWITCHOVER,
    MemberInfo,
)
from ryu_haslb.cluster.membership import QUEUE_INTERVAL, RECORD_INTERVAL, RECORD_TIMEOUT, RIVAL_TIMEOUT, Membership
from ryu_haslb.cluster.publisher import Publication
from ryu_haslb.cluster.reach import SILENT_SHARE, SURPASSED_TIMEOUT
from ryu_haslb.cluster.rows import Value
from ryu_haslb.openflow.roles.arbiter import Role

#: What the database shows to a member that waits for the lock.
WAITING = View(is_connected=True, has_lock=False, generation=1, leader="member-c", is_contended=True)


class SwitchState:
    """What membership reads of a switch: whether it answers, this member's role there, and since when it serves."""

    def __init__(self, role: Role = Role.MASTER) -> None:
        self.role, self.is_answering, self.is_connected = role, True, True
        self.served_since = 1000.3
        self.follower: Optional[object] = None

    def answers(self, _: float) -> bool:
        return self.is_answering


class Joined:
    """A member that leads two switches since 1000 s, and its part in the tables Member and Switchover."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.member: Member = leading_member(lambda: self.now)
        monkeypatch.setattr(Database, "is_connected", True)
        self.publications: dict[str, Publication] = {}
        monkeypatch.setattr(self.member.shared, "add", self._add)
        self.switches = {1: SwitchState(), 2: SwitchState()}
        fleet: Any = SimpleNamespace(switches=self.switches, established=frozenset())
        self.fleet = fleet
        balancer: Any = SimpleNamespace(sessions=[1, 2, 3])
        self.membership = Membership(self.member, fleet, balancer, "http://a", lambda: self.now)

    def _add(self, publication: Publication) -> None:
        self.publications[publication.kind.table] = publication

    def other(self, name: str = "member-b", beat: int = 1, **changed: Value) -> None:
        """The database has the rows of this member and of another one."""
        info = MemberInfo(name, "its instance", beat, "standby", 1, "", "", "0.1.0", 0, 2, 5, 0, "")
        self.publications["Member"].on_rows([{**info.row(), **changed}, self.own_row()])

    def own_row(self) -> dict[str, Any]:
        self.publications["Member"].state()
        (row,) = self.publications["Member"].wanted([], self.now)
        return dict(row)

    def recorded(self) -> list[dict[str, Any]]:
        publication = self.publications["Switchover"]
        publication.state()
        return [dict(row) for row in publication.wanted([], self.now)]


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> Joined:
    return Joined(monkeypatch)


def test_a_member_publishes_what_it_is_and_a_beat(joined: Joined) -> None:
    row = joined.own_row()
    assert set(row) == set(MEMBER.columns)
    assert (row["name"], row["state"], row["generation"]) == ("member-a", "leader", 1)
    assert (row["sessions"], row["switches"], row["lag"], row["beat"]) == (3, 2, (), 0)
    before = joined.publications["Member"].state()
    joined.now += BEAT_INTERVAL / 2
    assert joined.publications["Member"].state() == before
    joined.switches[2].is_answering = False
    assert joined.publications["Member"].state() != before, "another number of switches counts at once"
    joined.now += BEAT_INTERVAL
    assert (joined.own_row()["beat"], joined.own_row()["switches"]) == (1, 1)


def test_a_standby_publishes_the_sessions_that_it_follows_and_its_largest_lag(joined: Joined) -> None:
    for switch, (sessions, lag) in zip(joined.switches.values(), ((4, 0.002), (5, 0.030))):
        switch.follower = SimpleNamespace(sessions=sessions, lag=lag)
    joined.member.election.state = MemberState.STANDBY
    row = joined.own_row()
    assert (row["state"], row["sessions"], row["lag"]) == ("standby", 9, (30,))


@pytest.mark.parametrize(
    ("is_connected", "seconds"), [(False, SURPASSED_TIMEOUT), (True, SILENT_SHARE * SURPASSED_TIMEOUT)]
)
def test_a_leader_that_another_member_surpasses_resigns(joined: Joined, is_connected: bool, seconds: float) -> None:
    joined.switches[2].is_answering, joined.switches[2].is_connected = False, is_connected
    for second in range(int(seconds) + 1):
        assert not joined.member.leadership.is_resigning
        joined.now = 1000.0 + second
        joined.other(beat=second)
    assert joined.member.leadership.is_resigning
    assert joined.member.resigning == "reaches_fewer_switches"


def standing_by(joined: Joined, leader: str) -> Election:
    """This member waits for the lock, which the leader has."""
    election = joined.member.election
    election.state = MemberState.STANDBY
    election.observe(WAITING._replace(leader=leader), joined.now)
    joined.now += LOCK_GRACE_INTERVAL
    assert election.wants_lock(joined.now)
    return election


def test_a_standby_lets_another_one_be_first_that_reaches_more_switches(joined: Joined) -> None:
    """The database gives the lock to the member that has waited for it longest."""
    election = standing_by(joined, "member-c")
    joined.other(switches=1)
    joined.switches[2].is_answering = False
    joined.own_row()
    assert election.wants_lock(joined.now), "the other one reaches no more"
    joined.other(beat=2)
    joined.own_row()
    election.observe(WAITING, joined.now)
    assert not election.wants_lock(joined.now)
    election.observe(WAITING._replace(is_contended=False), joined.now)
    joined.own_row()
    assert election.wants_lock(joined.now), "it has left the queue, and waits again, behind the other one"
    joined.now += QUEUE_INTERVAL
    joined.own_row()
    assert not election.wants_lock(joined.now), "the queue may have been formed anew"


def test_a_standby_does_not_wait_for_the_leader_that_is_lost(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    election = standing_by(joined, "member-b")
    monkeypatch.setattr(Member, "leader", "member-b")
    joined.switches[2].is_answering = False
    joined.other()
    joined.own_row()
    assert election.wants_lock(joined.now)


def test_made_up_switches_of_a_member_that_does_not_reach_an_established_one_do_not_count(joined: Joined) -> None:
    """The leader would resign for it otherwise, and switch 1 would have no service."""
    joined.switches[1].is_answering = False
    joined.member.election.state = MemberState.STANDBY
    for number in range(100, 110):
        joined.switches[number] = SwitchState()
    assert joined.own_row()["switches"] == 11
    joined.fleet.established = frozenset({1})
    assert joined.own_row()["switches"] == 0
    joined.fleet.established = frozenset({1, 2})
    assert joined.own_row()["switches"] == 1
    joined.switches[1].is_answering = True
    assert joined.own_row()["switches"] == 12


def test_a_leader_that_the_database_does_not_reach_does_not_resign_for_what_it_had(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined.switches[2].is_answering = False
    joined.other()
    monkeypatch.setattr(Database, "is_connected", False)
    for second in range(15):
        joined.now = 1000.0 + second
        joined.publications["Member"].state()
    assert not joined.member.leadership.is_resigning


def test_the_leader_deletes_the_row_of_a_member_that_is_gone_and_a_standby_only_its_own(joined: Joined) -> None:
    joined.other()
    is_owned, gone = joined.publications["Member"].is_owned, {"name": "member-b"}
    assert is_owned({"name": "member-a"})
    assert not is_owned(gone)
    joined.now += FORGET_TIMEOUT
    assert is_owned(gone)
    joined.member.election.state = MemberState.STANDBY
    assert not is_owned(gone)
    assert is_owned({"name": "member-a"})


def test_a_second_member_of_the_same_name_is_reported_once(joined: Joined, caplog: pytest.LogCaptureFixture) -> None:
    joined.other()
    twin = {**joined.own_row(), "instance": "another"}
    for beat in range(3):
        joined.publications["Member"].on_rows([{**twin, "beat": beat}])
    assert caplog.text.count("another member has the name member-a as well") == 1
    assert joined.member.name_conflict.exists


@pytest.mark.parametrize(
    ("state", "other_state", "instance", "gives_way"),
    [
        (MemberState.LEADER, "standby", "0", False),
        (MemberState.STANDBY, "leader", "z", True),
        (MemberState.STANDBY, "isolated", "z", True),
        (MemberState.STANDBY, "standby", "0", True),
        (MemberState.STANDBY, "standby", "z", False),
        (MemberState.LEADER, "leader", "0", True),
        (MemberState.LEADER, "leader", "z", False),
    ],
)
def test_of_two_members_of_one_name_one_gives_way_and_leaves_the_row_to_the_other(
    joined: Joined, state: MemberState, other_state: str, instance: str, gives_way: bool
) -> None:
    """The one that leads has precedence, else the one whose instance comes first."""
    joined.other()
    joined.member.election.state = state
    joined.member.name_conflict.instance = "5"
    joined.other()
    twin = {**joined.own_row(), "instance": instance, "state": other_state, "beat": 7}
    joined.publications["Member"].on_rows([twin])
    assert joined.member.name_conflict.gives_way is gives_way
    (row,) = joined.publications["Member"].wanted([twin], joined.now)
    assert row["instance"] == (instance if gives_way else "5")
    joined.now += BEAT_INTERVAL
    joined.publications["Member"].state()
    (row,) = joined.publications["Member"].wanted([twin], joined.now)
    assert row["instance"] == "5", "so that the other one sees that it is there"


def test_a_member_that_has_come_to_lead_does_not_give_way_to_one_that_did_not_lead(joined: Joined) -> None:
    """Its claim was under way when it compared, and the other one sees now that this one leads."""
    joined.other()
    joined.member.election.state = MemberState.STANDBY
    publication = joined.publications["Member"]
    publication.on_rows([{**joined.own_row(), "instance": "0", "state": "standby", "beat": 7}])
    assert joined.member.name_conflict.gives_way
    joined.member.election.state = MemberState.LEADER
    publication.state()
    assert not joined.member.name_conflict.gives_way
    assert joined.member._may_lead()


def test_a_member_that_gives_way_asks_for_no_lock_until_the_other_one_is_absent(joined: Joined) -> None:
    joined.other()
    joined.member.election.state = MemberState.STANDBY
    twin = {**joined.own_row(), "instance": "another", "state": "leader"}
    publication = joined.publications["Member"]
    for beat in range(4):
        joined.now += BEAT_INTERVAL
        publication.on_rows([{**twin, "beat": beat}])
        assert not joined.member._may_lead()
    joined.now += ABSENCE_TIMEOUT - 0.1
    publication.on_rows([{**twin, "beat": 3}])  # others change their rows
    before = publication.state()
    assert not joined.member._may_lead()
    joined.now += 0.1
    assert publication.state() != before, "so it publishes its own row"
    assert joined.member._may_lead()
    assert [row["instance"] for row in publication.wanted([twin], joined.now)] != ["another"]


def test_a_member_that_was_started_again_is_in_no_conflict_with_its_former_self(joined: Joined) -> None:
    joined.publications["Member"].on_rows([{**joined.own_row(), "instance": "the one that was killed"}])
    assert not joined.member.name_conflict.exists
    assert joined.member._may_lead()


def test_a_name_is_free_again_when_the_other_member_has_it_no_more(joined: Joined) -> None:
    joined.other()
    joined.publications["Member"].on_rows([{**joined.own_row(), "instance": "another"}])
    joined.now += ABSENCE_TIMEOUT - 0.1
    joined.own_row()
    assert joined.member.name_conflict.exists
    joined.now += 0.1
    joined.own_row()
    assert not joined.member.name_conflict.exists


def test_a_rival_is_counted_once_for_each_pair_of_generations_and_not_while_it_may_not_know(joined: Joined) -> None:
    joined.now += RIVAL_TIMEOUT / 2
    joined.other(state="leader")
    assert joined.member.rivals_seen == 0
    joined.now += RIVAL_TIMEOUT
    for beat in range(2, 5):
        joined.other(beat=beat, state="leader", generation=7)
    assert joined.member.rivals_seen == 1
    joined.other(beat=9, state="isolated", generation=8)
    assert joined.member.rivals_seen == 2


def test_a_leadership_is_recorded_once_its_reason_is_known(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = joined.member.lead
    assert lead is not None
    monkeypatch.setattr(joined.member, "lead", lead._replace(previous="member-b", claimed_at=999.9, at=1000.0))
    monkeypatch.setattr(Database, "leader_since", "2026-01-02T03:04:05Z")
    joined.other(resigning="sigterm")
    assert joined.recorded() == []
    joined.other(beat=2)  # it was started again, and says nothing of it
    joined.now += RECORD_INTERVAL
    (row,) = joined.recorded()
    assert set(row) == set(SWITCHOVER.columns)
    assert (row["member"], row["previous"], row["reason"]) == ("member-a", "member-b", "sigterm")
    assert row["duration"] == (400,), "from the lock to the last switch that is served"


def test_a_leadership_that_does_not_reach_every_switch_is_recorded_later_and_without_a_duration(joined: Joined) -> None:
    joined.switches[2].role = Role.WAITING
    joined.now += RECORD_TIMEOUT - 0.1
    assert joined.recorded() == []
    joined.now += 0.1
    (row,) = joined.recorded()
    assert (row["reason"], row["duration"]) == ("first_leader", ())


def test_a_member_that_stands_by_records_nothing(joined: Joined) -> None:
    joined.now += RECORD_TIMEOUT
    assert len(joined.recorded()) == 1
    for action in joined.member.election.observe(View(True, False, 2, "member-b"), joined.now):
        joined.member.act(action)
    assert joined.recorded() == []
