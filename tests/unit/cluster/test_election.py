"""The election: who leads a cluster, with which generation (OpenFlow 1.3.5, section 6.3.6; RFC 7047, section 4.1.8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.cluster.election import (
    CLAIM_FOR_SWITCH_INTERVAL,
    CLAIM_INTERVAL,
    ELECTION_TRANSITIONS,
    LOCK_GRACE_INTERVAL,
    LOCK_TRIAL_INTERVAL,
    MAX_CLAIMS_FOR_SWITCHES,
    MAX_COMMITTED_GENERATION,
    MAX_GENERATION,
    RESIGNATION_INTERVAL,
    Action,
    Claim,
    Election,
    Lead,
    MemberState,
    StandBy,
    View,
)

LOST = View(False, False, 0, "")


def view(generation: int, has_lock: bool = False, leader: str = "b") -> View:
    return View(True, has_lock, generation, leader)


def connected(generation: int = 6) -> Election:
    """A member that has been connected for long, and knows of a leader."""
    election = Election("a")
    assert election.observe(view(generation), -LOCK_GRACE_INTERVAL) == []
    return election


def leading(generation: int = 7) -> Election:
    election = connected(generation - 1)
    assert election.observe(view(generation - 1, has_lock=True), 0.0) == [Claim(generation)]
    assert election.on_committed(generation) == [Lead(generation)]
    election.observe(view(generation, has_lock=True, leader="a"), 0.0)
    return election


def test_the_lock_alone_makes_no_leader() -> None:
    election = connected()
    assert election.observe(view(6, has_lock=True), 0.0) == [Claim(7)]
    assert (election.state, election.is_leading) == (MemberState.CLAIMING, False)
    election.on_not_committed()
    assert (election.state, election.is_leading) == (MemberState.STANDBY, False)


def test_a_member_that_connects_anew_leaves_the_lock_to_the_leader_at_first() -> None:
    """All members connect anew when the Raft leader changes: no member has the lock of the former leader."""
    election = Election("a")
    election.observe(view(6), 10.0)
    end = 10.0 + LOCK_GRACE_INTERVAL
    for now in (10.0, 10.0 + LOCK_TRIAL_INTERVAL, end - LOCK_TRIAL_INTERVAL):
        assert election.wants_lock(now), "to see whether the leader has it"
        assert election.observe(view(6, has_lock=True), now) == []
        assert not election.wants_lock(now), "it gives it back: the leader may come"
    assert election.wants_lock(end)
    assert election.observe(view(6, has_lock=True), end) == [Claim(7)]


def test_only_a_leader_that_was_started_again_does_not_leave_the_lock_to_the_leader_of_its_name() -> None:
    """Later that is another member of this name, which connects anew as well."""
    own = view(6, has_lock=True, leader="a")
    election = Election("a")
    assert election.observe(own, 10.0) == [Claim(7)]
    election = Election("a")
    election.observe(view(6, leader="a"), 10.0)
    election.observe(LOST, 20.0)
    assert election.observe(own, 21.0) == []
    assert election.observe(own, 21.0 + LOCK_GRACE_INTERVAL) == [Claim(7)]


def test_a_member_that_is_not_connected_asks_for_no_lock() -> None:
    election = connected()
    assert election.wants_lock(20.0)
    election.observe(View(False, False, 6, "b"), 20.0)
    assert not election.wants_lock(20.0 + 2 * LOCK_GRACE_INTERVAL)
    assert leading(7).wants_lock(0.0)


def test_a_member_waits_no_longer_once_the_leader_has_the_lock_of_the_new_raft_leader() -> None:
    """The leader was killed just after the Raft leader had changed: its successor leads at once."""
    election = Election("a")
    election.observe(view(6), 10.0)
    for now in (10.1, 10.1 + LOCK_TRIAL_INTERVAL):
        election.observe(view(6)._replace(is_contended=True), now)
    assert election.wants_lock(10.2)
    assert election.observe(view(6, has_lock=True), 10.2) == [Claim(7)]
    election.on_not_committed()
    election.observe(LOST, 10.3)
    election.observe(view(6), 10.6)
    assert election.observe(view(6, has_lock=True), 10.7) == [], "another connection says nothing of the leader yet"


def test_a_trial_of_another_member_is_not_the_leader() -> None:
    """It has the lock for some milliseconds, and then the lock is free for the leader, which is about to connect."""
    election = Election("a")
    election.observe(view(6), 10.0)
    for now in (10.1, 10.3):
        election.observe(view(6)._replace(is_contended=True), now)
        election.observe(view(6), now + 0.005)
    assert election.observe(view(6, has_lock=True), 10.4) == []


def test_the_leader_needs_no_proof_that_it_is_back() -> None:
    election = Election("a")
    assert election.observe(view(6, has_lock=True, leader="a"), 10.0) == [Claim(7)]


def test_a_committed_generation_makes_a_leader() -> None:
    assert leading(7).is_leading


def test_a_claim_that_failed_is_repeated_after_a_pause() -> None:
    election = connected()
    election.observe(view(6, has_lock=True), 0.0)
    election.on_not_committed()
    assert election.observe(view(6, has_lock=True), CLAIM_INTERVAL / 2) == []
    assert election.observe(view(6, has_lock=True), CLAIM_INTERVAL) == [Claim(7)]


def test_a_member_leads_with_a_claim_whose_reply_was_lost() -> None:
    election = connected()
    election.observe(view(6, has_lock=True), 0.0)
    election.observe(LOST, 0.1)
    election.on_not_committed()
    assert election.observe(view(7, leader="a"), 1.0) == [], "another member may have the lock"
    assert election.observe(view(7, has_lock=True, leader="a"), 1.1) == [Lead(7)]
    assert election.is_leading


def test_a_leader_does_not_stand_by_before_its_own_claim_whose_reply_was_lost() -> None:
    election = leading(7)
    election.on_generation_at_switch(40, False)
    assert election.observe(view(7, has_lock=True, leader="a"), 1.0) == [Claim(41)]
    election.observe(LOST, 1.1)
    election.on_not_committed()
    assert election.observe(view(41, leader="a"), 2.0) == [Lead(41)]
    assert election.is_leading


def test_a_newer_generation_of_a_former_process_of_the_same_name_is_not_its_own() -> None:
    election = Election("a")
    assert election.observe(view(7, has_lock=True, leader="a"), 1.0) == [Claim(8)]
    assert leading(7).observe(view(8, has_lock=True, leader="a"), 2.0) == [StandBy(8, "a")]


def test_a_leader_goes_on_without_a_database_and_with_the_one_that_is_back() -> None:
    election = leading(7)
    assert election.observe(LOST, 1.0) == []
    assert (election.state, election.is_leading) == (MemberState.ISOLATED, True)
    assert election.observe(view(7, leader="a"), 2.0) == []
    assert election.state is MemberState.LEADER


@pytest.mark.parametrize("is_isolated", [False, True])
def test_a_leader_stands_by_when_the_database_shows_a_newer_generation(is_isolated: bool) -> None:
    election = leading(7)
    if is_isolated:
        election.observe(LOST, 1.0)
    assert election.observe(view(8), 2.0) == [StandBy(8, "b")]
    assert election.state is MemberState.STANDBY


def test_a_leader_without_a_database_stands_by_when_a_switch_has_seen_a_newer_generation() -> None:
    election = leading(7)
    election.observe(LOST, 1.0)
    assert election.on_generation_at_switch(7, False) == []
    assert election.on_generation_at_switch(8, False) == [StandBy(8, "")]


def test_a_leader_that_does_not_have_the_lock_stands_by_when_a_switch_has_seen_a_newer_generation() -> None:
    election = leading(7)
    election.observe(view(7, leader="a"), 1.0)
    shown = election.on_generation_at_switch(8, False)
    assert shown == [StandBy(8, "")], "who leads with it, the database does not show yet"


def test_a_switch_that_remembers_an_earlier_database_does_not_end_the_service_of_the_others() -> None:
    """The leader proves by a commit that it leads; the new generation is newer than that of the switch."""
    election = leading(7)
    assert election.on_generation_at_switch(40, True) == []
    assert election.observe(view(7, has_lock=True, leader="a"), 1.0) == [Claim(41)]
    assert election.is_leading
    assert election.on_committed(41) == [Lead(41)]


@pytest.mark.parametrize("now_shown", [LOST, view(7, leader="a")], ids=["isolated", "without the lock"])
def test_a_switch_that_lies_does_not_end_the_service_of_those_that_accept_the_leader(now_shown: View) -> None:
    """A stranger can be a switch of his own. A former leader is rejected by each switch that has a newer one."""
    election = leading(7)
    election.observe(now_shown, 1.0)
    assert election.on_generation_at_switch(MAX_GENERATION, True) == []
    assert election.is_leading


def test_a_switch_that_reports_ever_newer_generations_does_not_keep_the_database_busy() -> None:
    election = leading(7)
    claims, now = 0, 1.0
    for _ in range(600):
        now += 0.1
        election.on_generation_at_switch(election.generation + 10, True)
        for action in election.observe(view(election.generation, has_lock=True, leader="a"), now):
            assert isinstance(action, Claim)
            claims += 1
            election.on_committed(action.generation)
    assert claims <= MAX_CLAIMS_FOR_SWITCHES + 60 / CLAIM_FOR_SWITCH_INTERVAL + 1
    assert election.is_leading


def test_a_database_that_was_made_anew_gets_a_generation_that_the_switches_accept() -> None:
    election = leading(7)
    election.observe(LOST, 1.0)
    assert election.observe(view(0, has_lock=True, leader=""), 2.0) == [Claim(8)]
    assert election.on_committed(8) == [Lead(8)]


def test_a_leader_goes_on_with_a_database_that_was_made_anew_with_a_newer_generation() -> None:
    """No member leads with that. It is newer than all before, so none of them is given away again."""
    election = leading(7)
    election.observe(LOST, 1.0)
    assert election.observe(view(1000, leader=""), 2.0) == []
    assert election.is_leading
    assert election.observe(view(1000, has_lock=True, leader=""), 2.1) == [Claim(1001)]
    assert election.on_committed(1001) == [Lead(1001)]


def test_the_first_member_at_a_new_database_does_not_wait_for_a_leader() -> None:
    election = Election("a")
    assert election.observe(view(1000, leader=""), 0.0) == []
    assert election.wants_lock(0.0)
    assert election.observe(view(1000, has_lock=True, leader=""), 0.1) == [Claim(1001)]


def test_a_generation_that_no_database_can_hold_is_ignored() -> None:
    election = leading(7)
    assert election.on_generation_at_switch(MAX_GENERATION + 1, False) == []
    assert election.observe(view(7, has_lock=True, leader="a"), 1.0) == []
    assert election.is_leading


def test_a_leader_that_resigns_goes_on_until_its_successor_leads() -> None:
    election = leading(7)
    election.resign(1.0)
    assert not election.wants_lock(1.0)
    assert election.observe(view(7, leader="a"), 1.1) == []
    assert election.is_leading
    assert election.observe(view(8), 1.2) == [StandBy(8, "b")]
    assert election.wants_lock(1.3), "it follows the next leader"


def test_a_leader_that_resigns_without_a_successor_asks_for_the_lock_again() -> None:
    election = leading(7)
    election.resign(1.0)
    assert not election.wants_lock(1.0 + RESIGNATION_INTERVAL / 2)
    assert election.wants_lock(1.0 + RESIGNATION_INTERVAL)
    assert election.observe(view(7, has_lock=True, leader="a"), 1.0 + RESIGNATION_INTERVAL) == []
    assert election.is_leading


def test_every_state_can_be_entered_and_left() -> None:
    assert {before for before, _ in ELECTION_TRANSITIONS} == set(MemberState)
    assert set(ELECTION_TRANSITIONS.values()) == set(MemberState)


def test_a_leader_stands_by_when_the_database_shows_its_generation_with_another_name() -> None:
    """A database that was made anew has given the generation away a second time, while this member was cut off."""
    election = leading(7)
    election.observe(LOST, 1.0)
    assert election.observe(view(7, leader="b"), 2.0) == [StandBy(7, "b")]


def test_a_member_that_knows_of_a_leader_leaves_it_the_lock_of_a_database_that_was_made_anew() -> None:
    election = Election("a")
    election.observe(view(7), 0.0)
    election.on_generation_at_switch(7, False)
    election.observe(LOST, 10.0)
    election.observe(view(0, leader=""), 11.0)
    assert election.observe(view(0, has_lock=True, leader=""), 11.0 + LOCK_GRACE_INTERVAL / 2) == []
    assert election.observe(view(0, has_lock=True, leader=""), 11.0 + LOCK_GRACE_INTERVAL) == [Claim(8)]
    assert Election("new").wants_lock(0.0)


@pytest.mark.parametrize("led", [0, 5])
def test_a_member_claims_no_generation_again_that_an_earlier_database_has_shown(led: int) -> None:
    """Its leader hangs, and no switch has reported this generation: each switch has accepted it from the leader."""
    election = leading(led) if led else Election("a")
    election.observe(view(6), 1.0)
    election.observe(View(False, False, 6, "b"), 10.0)
    election.observe(view(0, leader=""), 11.0)
    assert election.observe(view(0, has_lock=True, leader=""), 11.5) == [], "it leaves the lock to the leader at first"
    assert election.observe(view(0, has_lock=True, leader=""), 12.0) == [Claim(7)]


@dataclass
class Database:
    """A database as its servers see it: the holder of the lock, and what was committed."""

    holder: Optional[str] = None
    generation: int = 0
    leader: str = ""


@dataclass
class Member:
    """A member, and how much of the database it sees: a member that is cut off sees nothing new."""

    election: Election
    claims: list[int] = field(default_factory=list)
    seen: View = LOST

    def take(self, actions: list[Action]) -> None:
        self.claims += [each.generation for each in actions if isinstance(each, Claim)]


@given(data=st.data())
def test_no_two_members_lead_with_one_generation_and_the_newest_wins(data: st.DataObject) -> None:
    """A generation has one leader for ever, in any order of locks, commits, cuts and hand-overs."""
    database = Database()
    members = {name: Member(Election(name)) for name in "abc"}
    leaders: dict[int, str] = {}
    for now in range(40):
        name = data.draw(st.sampled_from("abc"))
        member = members[name]
        event = data.draw(st.sampled_from(["see", "see", "cut", "lock", "commit", "commit", "lose", "resign"]))
        if event == "lock":
            database.holder = name
        elif event == "resign":
            member.election.resign(now)
        elif event == "cut":
            member.take(member.election.observe(LOST, now))
        elif event == "see":
            seen = View(True, database.holder == name, database.generation, database.leader)
            member.take(member.election.observe(seen, now))
        elif member.claims:
            generation = member.claims.pop()
            if event == "commit" and database.holder == name and generation > database.generation:
                database.generation, database.leader = generation, name
                member.election.on_committed(generation)
                assert leaders.setdefault(generation, name) == name
            else:
                member.election.on_not_committed()
        at_newest = [key for key, each in members.items() if each.election.generation == database.generation > 0]
        assert set(at_newest) <= {database.leader}
    for name, member in members.items():
        member.election.observe(View(True, False, database.generation, database.leader), 99)
        assert not member.election.is_leading or name == database.leader


@pytest.mark.parametrize("generation", [MAX_COMMITTED_GENERATION + 1, (1 << 63) - 1])
def test_a_generation_that_no_member_has_committed_is_replaced_and_no_switch_gets_to_know_it(generation: int) -> None:
    """The one after the largest integer of OVSDB could not be committed: no member could lead any more."""
    election = leading(7)
    assert election.observe(view(generation, has_lock=True, leader="stranger"), 1.0) == [Claim(8)]
    assert (election.is_leading, election.newest_generation) == (True, 8 - 1)
    assert election.on_committed(8) == [Lead(8)]
    other = Election("b")
    assert other.observe(view(generation, has_lock=True, leader="stranger"), 1.0) == [Claim(1)]
    assert other.newest_generation == 0


def test_a_leader_that_had_to_commit_such_a_generation_itself_stays_with_it() -> None:
    election = leading(MAX_COMMITTED_GENERATION)
    election.on_generation_at_switch(MAX_GENERATION, is_master_elsewhere=True)
    committed = MAX_COMMITTED_GENERATION + 1
    assert election.observe(view(MAX_COMMITTED_GENERATION - 1, has_lock=True), 1.0) == [Claim(committed)]
    assert election.on_committed(committed) == [Lead(committed)]
    for second in range(2, 9):
        assert election.observe(view(committed, has_lock=True, leader="a"), float(second)) == []
